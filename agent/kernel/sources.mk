AGENT_SRC += agent/kernel/mount.c
AGENT_SRC += $(addprefix agent/kernel/, cgroup.c cgroup_events.c cgroup_limits.c kmsg.c)
AGENT_SRC += agent/kernel/capability.c
AGENT_SRC += agent/kernel/mount_tree.c
AGENT_SRC += agent/kernel/namespace.c agent/kernel/net_dev.c agent/kernel/cgroup_annotations.c
AGENT_SRC += agent/kernel/seccomp.c
AGENT_SRC += agent/kernel/terminal.c
AGENT_SRC += $(addprefix agent/kernel/, cgroup_devices.c root_disk.c)
