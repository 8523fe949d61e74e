UNIT_TESTS += tests/unit/kernel/test_cgroup_limits.c
UNIT_TESTS += $(addprefix tests/unit/kernel/, test_capability.c test_net_dev.c test_cgroup_annotations.c test_namespace.c test_seccomp.c test_seccomp_cache.c)
UNIT_TESTS += tests/unit/kernel/test_mount.c tests/unit/kernel/test_cgroup_tree.c
UNIT_TESTS += tests/unit/kernel/test_cgroup_devices.c
UNIT_TESTS += tests/unit/kernel/test_kmsg.c
UNIT_TESTS += tests/unit/kernel/test_net_address.c
UNIT_TESTS += tests/unit/kernel/test_uevent.c
