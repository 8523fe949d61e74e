LAUNCH_TESTS := tests/unit/launch/test_launch.c
UNIT_TESTS += $(LAUNCH_TESTS)
# Shared by the tests of this folder that launch processes.
$(LAUNCH_TESTS:%.c=$(BUILD)/%): $(BUILD)/obj/tests/unit/launch/container_fixture.o
