# Every architecture's guest, end to end, under emulation (tests/vm/arch/test_arch.sh).
#   make test-arch            all four, one after another; prints what each needs (TEST_ARCHES="aarch64 ppc64le": those)
#   make ARCH=s390x run-arch  one; run-vm's results lie beside it
#   make measure-reserve      what each one's guest keeps for itself: writes host-tools/vm/sizing_table.def (half an hour)
# s390x is also where the parsers and the protocol meet a big-endian machine: these unit tests run in its guest, in
# a container, so only those that need no more than a container may.
ARCH_UNIT   := base/test_arena base/test_buffer base/test_event_loop base/test_fd base/test_parse base/test_socket \
	base/test_strings ttrpc/test_client ttrpc/test_connection ttrpc/test_envelope ttrpc/test_frame ttrpc/test_message \
	ttrpc/test_server ttrpc/test_status ttrpc/test_write_queue proto/test_wire_table kernel/test_cgroup_limits \
	kernel/test_net_dev kernel/test_net_address kernel/test_seccomp memory/test_memory_breakdown memory/test_memory_stats memory/test_oom_cause \
	memory/test_oom_monitor config/test_config telemetry/test_log_sink
UNIT_ROOTFS := $(BUILD)/unit-rootfs
ALL_ARCHES  := x86_64 aarch64 ppc64le s390x
TEST_ARCHES ?= $(ALL_ARCHES)

ifneq ($(and $(CROSS),$(filter s390x,$(ARCH))),)
ARCH_UNIT_ARGS := $(UNIT_ROOTFS) $(ARCH_UNIT)
run-arch: $(UNIT_ROOTFS)/etc/os-release
endif
$(UNIT_ROOTFS)/etc/os-release: tests/vm/arch/unit-rootfs $(DEMO_ROOTFS)/etc/os-release $(addprefix $(BUILD)/tests/unit/,$(ARCH_UNIT))
	$(call say,ROOTFS,$(UNIT_ROOTFS))
	$(Q)tests/vm/arch/unit-rootfs $(DEMO_ROOTFS) $(SYSROOT) $(TRIPLET) $(BUILD)/tests/unit $(UNIT_ROOTFS) $(ARCH_UNIT)

.PHONY: run-arch test-arch
run-arch: all kernel $(INITRD_IMG) rootfs $(DISK_IMG)
	$(Q)rm -f $(TEST_RESULTS)/arch
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/arch --timeout 900 "tests/vm/arch/test_arch.sh $(ARCH) $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) $(DISK_IMG) $(ARCH_UNIT_ARGS)" \
		"$(SIZE_TEST)" "$(SWEEP_TEST)"
# A size of this machine's architecture is in every make test too: make test boots one of each that it boots at all.
SIZE_TEST = tests/vm/arch/test_size.sh $(ARCH) $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)
VM_SCRIPT_TESTS += "$(SIZE_TEST)"
# Every limit from 16 MiB to 4 GiB on each: a workload of 0.98 of it lives, 8 MiB more is too much for its own limit, not the VM's.
#   make soak-sweep           ten minutes and more an architecture; SWEEP="64 1024" TEST_ARCHES=s390x: less of it
.PHONY: soak-sweep run-sweep
SWEEP_TEST = tests/vm/arch/test_sweep.sh $(ARCH) $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)
run-sweep: all kernel $(INITRD_IMG) rootfs
	$(Q)rm -f $(TEST_RESULTS)/sweep
	$(Q)SWEEP="$${SWEEP:-16 32 64 128 256 512 1024 2048 4096}" $(RUN_TESTS) --results $(TEST_RESULTS)/sweep --timeout 3600 "$(SWEEP_TEST)"
soak-sweep:
	$(Q)for arch in $(TEST_ARCHES); do \
		$(SUBMAKE) ARCH=$$arch KERNEL= deps && $(SUBMAKE) ARCH=$$arch KERNEL= -j$(shell nproc) run-sweep || exit 1; \
	done
	$(Q)$(RUN_TESTS) --sum $(TEST_ARCHES:%=build/%/results/sweep)
test-arch:
	$(Q)for arch in $(TEST_ARCHES); do \
		$(SUBMAKE) ARCH=$$arch KERNEL= deps && $(SUBMAKE) ARCH=$$arch KERNEL= -j$(shell nproc) run-arch || exit 1; \
	done
	$(Q)$(RUN_TESTS) --sum $(TEST_ARCHES:%=build/%/results/arch)

# The table that vm/sizing is built from: the measured architectures' parts are new, the others' stay.
#   make measure-reserve MEASURE=s390x   one of them; QUICK=1: looks only, fails if the table is off by more than 5 %
SIZING_TABLE := host-tools/vm/sizing_table.def
MEASURE      ?= $(ALL_ARCHES)
table-part    = { sed -n '/^\/\* $(1), Linux/,/^$$/p' $(SIZING_TABLE) | sed '/^$$/d'; }
.PHONY: measure-reserve run-measure run-measure-check
run-measure: all kernel $(INITRD_IMG) rootfs
	$(Q)host-tools/vm/measure-reserve $(ARCH) $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS) > $(BUILD)/sizing_rows.new
	$(Q)mv $(BUILD)/sizing_rows.new $(BUILD)/sizing_rows
run-measure-check: all kernel $(INITRD_IMG) rootfs
	$(Q)host-tools/vm/measure-reserve --check $(SIZING_TABLE) $(ARCH) $(KERNEL_IMAGE) $(INITRD_IMG) $(DEMO_ROOTFS)
measure-reserve:
	$(Q)for arch in $(MEASURE); do \
		$(SUBMAKE) ARCH=$$arch KERNEL= deps-run && $(SUBMAKE) ARCH=$$arch KERNEL= -j$(shell nproc) $(if $(QUICK),run-measure-check,run-measure) || exit 1; \
	done
	$(if $(QUICK),,$(Q){ sed -n '/^\/\*/,/^ \*\//p;/^ \*\//q' $(SIZING_TABLE) && \
		$(foreach arch,$(ALL_ARCHES),$(if $(filter $(arch),$(MEASURE)),cat build/$(arch)/sizing_rows,echo && $(call table-part,$(arch))) &&) \
		printf '\n#undef SIZING_ARCH\n#undef SIZING_POINT\n'; } > build/sizing_table.def)
	$(if $(QUICK),,$(Q)mv build/sizing_table.def $(SIZING_TABLE))
