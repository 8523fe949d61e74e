HOST_UNIT_TESTS += tests/unit/vm/test_vm_boot.c tests/unit/vm/test_console.c tests/unit/vm/test_qemu_version.c tests/unit/vm/test_qemu_command.c tests/unit/vm/test_vm_shares.c \
	tests/unit/vm/test_sizing.c tests/unit/vm/test_sizing_rules.c tests/unit/vm/test_sizing_plan.c tests/unit/vm/test_host_room.c tests/unit/vm/test_accel.c tests/unit/vm/test_disk_image.c tests/unit/vm/test_private_folder.c
