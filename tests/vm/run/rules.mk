# `cradle run` as a person uses it, with the real QEMU: exit codes, streams, every stage's failure.
VM_SCRIPT_TESTS += "tests/vm/run/test_run.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) $(VSOCK_INITRD)"
VM_SCRIPT_TESTS += "tests/vm/run/test_daily.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_bundle.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_leftovers.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_terminal.py build/cradle $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
# $(VSOCK_INITRD) is made for run-vm by tests/vm/vsock/rules.mk.
