AGENT_SRC += agent/kernel/mount.c
AGENT_SRC += $(addprefix agent/kernel/, cgroup.c cgroup_events.c cgroup_limits.c kmsg.c)
