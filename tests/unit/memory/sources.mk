UNIT_TESTS += $(addprefix tests/unit/memory/, test_oom_cause.c test_memory_stats.c test_oom_monitor.c test_oom_record.c test_stall_guard.c)
UNIT_TESTS += tests/unit/memory/test_memory_breakdown.c
UNIT_TESTS += tests/unit/memory/test_metrics_text.c
UNIT_TESTS += tests/unit/memory/test_memory_stats_v1.c
UNIT_TESTS += tests/unit/memory/test_guest_size.c
