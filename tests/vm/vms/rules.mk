# `cradle vm` with the real QEMU: named VMs, their whole life, what kills them, and many at once.
#   make soak-vm            twenty VMs (make test has six); a part of make soak
VM_SCRIPT_TESTS += "tests/vm/vms/test_vms.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) $(DISK_IMG) $(BAD_INITRD)"
run-vm test-build: $(DISK_IMG) $(BAD_INITRD)
VM_SCRIPT_TESTS += "tests/vm/vms/test_many.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) 6"
.PHONY: soak soak-vm
soak: soak-vm
soak-vm: all kernel $(INITRD_IMG) rootfs
	$(Q)rm -f $(TEST_RESULTS)/soak-vm
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/soak-vm --timeout 1800 "tests/vm/vms/test_many.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) 20"
	$(Q)$(RUN_TESTS) --sum $(TEST_RESULTS)/soak-vm
