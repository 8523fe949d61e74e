# Interoperation of our ttrpc with containerd's Go implementation: `make test-interop`. The C ends are
# built here, the Go end by the script (so that a missing Go is a failed test with a clear text).
INTEROP      := $(HOST)/tests/interop
INTEROP_BINS := $(INTEROP)/echo_server $(INTEROP)/echo_client

$(INTEROP)/%: $(HOST)/obj/tests/interop/%.o $(HOST)/obj/tests/lib/echo_service.o $(HOST)/libttrpc.a $(HOST)/libmessages.a $(HOST)/libbase.a $(HOST)/.ldflags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(HOST_LIBS)

.PHONY: test-interop
test-interop: run-interop
	$(Q)$(RUN_TESTS) --sum $(TEST_RESULTS)/interop
.PHONY: run-interop
# Runs and records; whoever depends on this adds up (tests/rules.mk).
run-interop: $(INTEROP_BINS) $(BUILD)/cradle-agent
	$(Q)rm -f $(TEST_RESULTS)/interop
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/interop --timeout 300 "tests/interop/test_go.sh $(INTEROP) $(BUILD)/cradle-agent"
