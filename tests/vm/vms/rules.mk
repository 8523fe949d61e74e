# `cradle vm` with the real QEMU: named VMs, their whole life, and what kills them.
VM_SCRIPT_TESTS += "tests/vm/vms/test_vms.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
