AGENT_SRC += $(addprefix agent/memory/, memory_breakdown.c memory_group.c memory_stats.c metrics_text.c oom_cause.c oom_monitor.c)
