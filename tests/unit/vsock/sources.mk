HOST_UNIT_TESTS += \
	tests/unit/vsock/test_guest_memory.c \
	tests/unit/vsock/test_vhost_user.c \
	tests/unit/vsock/test_vring.c \
	tests/unit/vsock/test_vsock_bounds.c \
	tests/unit/vsock/test_vsock_connection.c \
	tests/unit/vsock/test_vsock_credit.c \
	tests/unit/vsock/test_vsock_device.c \
	tests/unit/vsock/test_vsock_hostile.c \
	tests/unit/vsock/test_vsock_listener.c \
	tests/unit/vsock/test_vsock_log.c \
	tests/unit/vsock/test_vsock_rules.c
