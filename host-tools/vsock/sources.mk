HOST_SRC += \
	host-tools/vsock/guest_memory.c \
	host-tools/vsock/vhost_message.c \
	host-tools/vsock/vhost_user.c \
	host-tools/vsock/vring.c \
	host-tools/vsock/vsock_connection.c \
	host-tools/vsock/vsock_credit.c \
	host-tools/vsock/vsock_device.c \
	host-tools/vsock/vsock_dialer.c \
	host-tools/vsock/vsock_listener.c \
	host-tools/vsock/vsock_log.c \
	host-tools/vsock/vsock_packet.c \
	host-tools/vsock/vsock_relay.c \
	host-tools/vsock/vsock_state.c \
	host-tools/vsock/vsock_traffic.c
