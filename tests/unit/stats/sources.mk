HOST_UNIT_TESTS += $(addprefix tests/unit/stats/, test_stats.c test_stats_table.c test_plain_agent.c test_memory_history.c test_memory_page.c)
