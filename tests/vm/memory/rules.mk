# A guest whose memory changes while it runs; an initrd of its own, with the modules for that.
HOTPLUG_INITRD := $(BUILD)/tests/vm/memory/initrd.img
$(HOTPLUG_INITRD): $(BUILD)/cradle-agent $(INITRD_FROM) tests/vm/memory/modules.txt $(BUILD)/.initrd-kernel
	$(call say,INITRD,$@)
	$(Q)mkdir -p $(@D); modules="$(INITRD_MODULES)"; rootfs-builder/build --type initrd --agent $(BUILD)/cradle-agent $${modules:+--modules "$$modules"} --module-names tests/vm/memory/modules.txt --output $@
ifeq ($(KERNEL),)
$(HOTPLUG_INITRD): $(FETCHED_KERNEL)/release
endif
# DIMMs and virtio-mem of an x86_64 VM
ifeq ($(ARCH),x86_64)
run-vm test-build: $(HOTPLUG_INITRD)
VM_SCRIPT_TESTS += "tests/vm/memory/test_hotplug.py build/cradle $(KERNEL_IMAGE) $(HOTPLUG_INITRD) $(DEMO_ROOTFS)"
endif
