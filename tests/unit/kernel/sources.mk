UNIT_TESTS += tests/unit/kernel/test_cgroup_limits.c
