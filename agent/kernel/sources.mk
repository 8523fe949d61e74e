AGENT_SRC += agent/kernel/mount.c
