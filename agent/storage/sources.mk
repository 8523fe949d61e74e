AGENT_SRC += $(addprefix agent/storage/, storage.c storage_request.c storage_helper.c storage_fs_group.c \
	storage_blk.c storage_overlayfs.c storage_ephemeral.c storage_virtio_fs.c)
