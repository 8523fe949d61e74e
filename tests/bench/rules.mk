# make bench: how fast, beside crun and beside the least that could be done; never a part of make test.
#   make bench            a table; build/bench/bench.json, build/bench/index.html; ten to fifteen minutes under TCG
#   make bench QUICK=1    fewer rounds, about three minutes
#   make bench-relay      its second part alone: what cradle relay adds to a direct connection (relay.mk)
#   make bench-churn      its third part alone: what stays behind after thousands (churn.mk)
#   make bench TRANSFERS=1   bulk output and the bare transfer, nothing else
# One guest, one run: compare by ratios. See tests/bench/bench_host.c.
BENCH       := $(BUILD)/tests/bench
BENCH_GUEST := $(BENCH)/bench_guest
BENCH_HOST  := $(BENCH)/bench_host
BENCH_IMG   := $(BENCH)/initrd.img
bench-objs   = $(patsubst %,$(BUILD)/obj/tests/bench/%.o,$(1))

$(BENCH)/bare_floor $(BENCH)/bare_vsock $(BENCH)/oom_hog: $(BENCH)/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/.ldflags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)
$(BENCH_GUEST): $(call bench-objs,bench_guest bench_calls) $(GUEST_ARCHIVES) $(BUILD)/.ldflags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) $(GUEST_LIBS) -Wl,--end-group
$(BENCH_HOST): $(call bench-objs,bench_host bench_calls bench_page bench_rows) $(GUEST_ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) -no-pie -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) $(GUEST_LIBS) -Wl,--end-group -lm

# Two archives in a row, as the kernel takes them: the usual initrd with bench_guest as /init, then /bench.
$(BENCH_IMG): $(BENCH_GUEST) $(BENCH)/bare_floor $(BENCH)/bare_vsock $(BENCH)/oom_hog $(BUILD)/cradle-agent tests/bench/make-tree tests/bench/modules.txt $(INITRD_FROM) $(if $(KERNEL),,$(FETCHED_KERNEL)/release)
	$(call say,INITRD,$@)
	$(Q)modules="$(INITRD_MODULES)"; rootfs-builder/build --type initrd --agent $(BENCH_GUEST) --module-names tests/bench/modules.txt $${modules:+--modules "$$modules"} --output $@.init
	$(Q)tests/bench/make-tree $@.tree $(BUILD)/cradle-agent $(BENCH)/bare_floor $(BENCH)/bare_vsock $(BENCH)/oom_hog
	$(Q)cat $@.init $@.tree > $@ && rm -f $@.init $@.tree

.PHONY: bench deps-bench run-bench
bench: deps-bench
	$(Q)$(SUBMAKE) -j$(shell nproc) run-bench
	$(Q)$(if $(TRANSFERS),,$(SUBMAKE) -j$(shell nproc) bench-relay)
	$(Q)$(if $(TRANSFERS),,$(SUBMAKE) -j$(shell nproc) bench-churn)
deps-bench:
	$(Q)rootfs-builder/install-packages build run bench
run-bench: all kernel $(INITRD_IMG) rootfs $(BENCH_HOST) $(BENCH_IMG)
	$(Q)mkdir -p build/bench
	$(Q)$(BENCH_HOST) build/cradle $(KERNEL_IMAGE) $(INITRD_IMG) $(BENCH_IMG) $(DEMO_ROOTFS) $(BUILD)/cradle-agent build/bench $(if $(TRANSFERS),transfers,$(if $(QUICK),quick))
include tests/bench/relay.mk
include tests/bench/churn.mk
