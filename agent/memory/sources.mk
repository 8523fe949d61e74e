AGENT_SRC += $(addprefix agent/memory/, control_file.c memory_breakdown.c memory_group.c memory_stats.c metrics_text.c oom_cause.c oom_levels.c oom_monitor.c oom_record.c)
