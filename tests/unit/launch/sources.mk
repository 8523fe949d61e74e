LAUNCH_TESTS := $(addprefix tests/unit/launch/, test_launch.c test_launch_namespaces.c test_launch_exec.c test_rootfs.c test_credentials.c)
UNIT_TESTS += tests/unit/launch/test_launch_plan.c $(LAUNCH_TESTS)
# Shared by the tests of this folder that launch processes.
$(LAUNCH_TESTS:%.c=$(BUILD)/%): $(BUILD)/obj/tests/unit/launch/container_fixture.o
