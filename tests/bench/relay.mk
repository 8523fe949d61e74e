# make bench-relay: what cradle relay adds to a direct connection (tests/bench/bench_relay.c). No VM; a part of make
# bench; QUICK=1 for half a minute. Included by rules.mk.
BENCH_RELAY := $(BENCH)/bench_relay
$(BENCH_RELAY): $(call bench-objs,bench_relay relay_peer bench_calls) $(call guest-objs,$(TEST_LIB_SRC)) $(GUEST_ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) -no-pie -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) $(GUEST_LIBS) -Wl,--end-group -lcmocka

.PHONY: bench-relay run-bench-relay
bench-relay: deps-bench
	$(Q)rootfs-builder/install-packages test
	$(Q)$(SUBMAKE) -j$(shell nproc) run-bench-relay
run-bench-relay: all $(BENCH_RELAY)
	$(Q)mkdir -p build/bench
	$(Q)$(BENCH_RELAY) build/bench/relay.json $(if $(QUICK),quick)
