# make bench-churn: a guest after 1,000 containers and 10,000 execs, and with 1,000 containers alive: rates, and that
# the agent holds at the end what it held before (tests/bench/churn.c). The last part of make bench.
#   make bench-churn QUICK=1   a tenth and less, about half a minute; says nothing about slowing down
CHURN := $(BUILD)/tests/bench/churn

$(CHURN): $(BUILD)/obj/tests/bench/churn.o $(call guest-objs,$(TEST_LIB_SRC)) $(GUEST_ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) $(TEST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(GUEST_LIBS) -lcmocka

.PHONY: bench-churn
bench-churn: $(CHURN) all kernel $(INITRD_IMG) rootfs
	$(Q)mkdir -p build/bench
	$(Q)$(CHURN) build/bench/churn.json $(if $(QUICK),quick)
