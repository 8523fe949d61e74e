# The vsock device against a real guest kernel, a part of make test-vm.
#   make test-vsock   alone
#   make soak-vsock   the same, four times as much of everything and a long transfer of random sizes, with QEMU 10 of
#                     Debian's backports (fetched into the build folder); a part of make soak
VSOCK_GUEST  := $(BUILD)/tests/vm/vsock/guest
VSOCK_INITRD := $(BUILD)/tests/vm/vsock/initrd.img
VSOCK_HOST   := $(HOST)/tests/vm/vsock/host

$(VSOCK_GUEST): $(BUILD)/obj/tests/vm/vsock/guest.o $(BUILD)/.ldflags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)
$(VSOCK_INITRD): $(VSOCK_GUEST) $(INITRD_FROM) tests/vm/vsock/modules.txt $(if $(KERNEL),,$(FETCHED_KERNEL)/release)
	$(call say,INITRD,$@)
	$(Q)modules="$(INITRD_MODULES)"; rootfs-builder/build --type initrd --agent $(VSOCK_GUEST) --module-names tests/vm/vsock/modules.txt $${modules:+--modules "$$modules"} --output $@
$(VSOCK_HOST): $(patsubst %,$(HOST)/obj/tests/vm/vsock/%.o,host host_clients host_vm) $(HOST)/libcradle.a $(HOST)/libbase.a $(HOST)/.ldflags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_LDFLAGS) -o $@ $(filter %.o,$^) $(HOST)/libcradle.a $(HOST)/libbase.a

VM_SCRIPT_TESTS += "$(VSOCK_HOST) $(KERNEL_IMAGE) $(VSOCK_INITRD)"
run-vm test-build: $(VSOCK_HOST) $(VSOCK_INITRD)
.PHONY: test-vsock
test-vsock: $(VSOCK_HOST) $(VSOCK_INITRD)
	$(Q)rm -f $(TEST_RESULTS)/vsock
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/vsock --timeout 300 "$(VSOCK_HOST) $(KERNEL_IMAGE) $(VSOCK_INITRD)"
	$(Q)$(RUN_TESTS) --sum $(TEST_RESULTS)/vsock

SOAK_QEMU := build/qemu-backports
.PHONY: soak soak-vsock
soak: soak-vsock
soak-vsock: $(VSOCK_HOST) $(VSOCK_INITRD)
	$(Q)tests/vm/vsock/fetch-qemu $(SOAK_QEMU)
	$(Q)rm -f $(TEST_RESULTS)/soak-vsock
	$(Q)QEMU=$(CURDIR)/$(SOAK_QEMU)/qemu $(RUN_TESTS) --results $(TEST_RESULTS)/soak-vsock --timeout 1800 "$(VSOCK_HOST) $(KERNEL_IMAGE) $(VSOCK_INITRD) 4"
	$(Q)$(RUN_TESTS) --sum $(TEST_RESULTS)/soak-vsock
