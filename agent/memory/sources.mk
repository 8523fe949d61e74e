AGENT_SRC += $(addprefix agent/memory/, memory_stats.c oom_cause.c oom_monitor.c)
