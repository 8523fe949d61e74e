HOST_SRC += $(wildcard host-tools/vsock/*.c)
