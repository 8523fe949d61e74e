AGENT_SRC += agent/boot/boot.c agent/boot/boot_min_free.c agent/boot/boot_modules.c agent/boot/boot_size.c agent/boot/boot_root.c agent/boot/shutdown.c
# The one file of agent/ itself besides main.c, which is linked on its own.
AGENT_SRC += agent/config.c
