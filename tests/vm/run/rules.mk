# `cradle run` as a person uses it, with the real QEMU: exit codes, streams, every stage's failure.
BAD_AGENT  := $(BUILD)/tests/vm/run/bad-agent
BAD_INITRD := $(BUILD)/tests/vm/run/bad-initrd.img

$(BAD_AGENT): $(BUILD)/obj/tests/vm/run/bad_agent.o $(BUILD)/.ldflags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)
$(BAD_INITRD): $(BAD_AGENT) $(INITRD_FROM) $(if $(KERNEL),,$(FETCHED_KERNEL)/release)
	$(call say,INITRD,$@)
	$(Q)modules="$(INITRD_MODULES)"; rootfs-builder/build --type initrd --agent $(BAD_AGENT) $${modules:+--modules "$$modules"} --output $@
run-vm test-build: $(BAD_INITRD)

VM_SCRIPT_TESTS += "tests/vm/run/test_run.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_failures.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) $(BAD_INITRD) $(INITRD_MODULES)"
VM_SCRIPT_TESTS += "tests/vm/run/test_daily.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) $(BAD_INITRD)"
VM_SCRIPT_TESTS += "tests/vm/run/test_bundle.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_volumes.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_net.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_leftovers.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_terminal.py build/cradle $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)"
VM_SCRIPT_TESTS += "tests/vm/run/test_together.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) 2"

#   make soak-run           two hundred runs, twenty at once (make test has forty); a part of make soak
.PHONY: soak soak-run
soak: soak-run
soak-run: all kernel $(INITRD_IMG) rootfs
	$(Q)rm -f $(TEST_RESULTS)/soak-run
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/soak-run --timeout 3000 "tests/vm/run/test_together.sh $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) 10"
	$(Q)$(RUN_TESTS) --sum $(TEST_RESULTS)/soak-run

# Reads only: among the tests of scripts.
SCRIPT_TESTS += tests/vm/run/test_exit_codes.py
