HOST_SRC += host-tools/run/container_spec.c host-tools/run/fingerprint.c host-tools/run/image.c \
	host-tools/run/image_build.c host-tools/run/sha256.c host-tools/run/tool.c \
	host-tools/run/user_lookup.c
