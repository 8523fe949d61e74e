HOST_SRC += host-tools/vm/last_words.c host-tools/vm/share_child.c host-tools/vm/vm_shares.c \
	host-tools/vm/accel.c host-tools/vm/console.c host-tools/vm/private_folder.c host-tools/vm/qemu_command.c \
	host-tools/vm/qemu_version.c host-tools/vm/qmp.c host-tools/vm/sizing.c host-tools/vm/guest_files.c host-tools/vm/host_room.c host-tools/vm/sizing_ask.c host-tools/vm/sizing_plan.c host-tools/vm/sizing_rules.c host-tools/vm/vhost_vsock.c host-tools/vm/vm.c \
	host-tools/vm/vm_boot.c host-tools/vm/vm_options.c host-tools/vm/vm_plan.c host-tools/vm/disk_image.c
