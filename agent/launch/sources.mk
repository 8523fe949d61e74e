AGENT_SRC += $(addprefix agent/launch/, hooks.c plan_hooks.c)
AGENT_SRC += $(addprefix agent/launch/, \
	child_fds.c credentials.c launch.c launch_child.c launch_plan.c launch_spawn.c launch_sync.c \
	plan_mounts.c plan_namespaces.c plan_process.c program.c root_target.c rootfs.c copy_up.c rootfs_dev.c)
