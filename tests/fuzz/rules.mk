# Fuzzing. Included by the Makefile.
#   make fuzz RUNS=10000000   coverage-guided (libFuzzer of clang, address and undefined-behaviour sanitizers): RUNS
#                             executions in all over the vsock device's targets, and a tenth of it over each
#                             of the others; time and speed of each are shown. Crashes: build/fuzz/crashes
#   make fuzz-TARGET RUNS=N   one of them; the corpus it has grown is in build/fuzz/grown/TARGET
#   make fuzz-corpus          keeps of the grown corpora what covers most: tests/fuzz/corpus, small files
# `make test` runs the kept corpora with the usual compiler (replay.c), also under SAN=1.
FUZZ       := build/fuzz
FUZZ_CC    := clang-14
RUNS       ?= 10000000
FUZZ_VSOCK := vring packets vhost
FUZZ_HOST  := $(FUZZ_VSOCK) trace
FUZZ_AGENT := frame request launch_plan command_line
# How many hundredths of RUNS each has, and the longest input.
fuzz_share_vring   := 70
fuzz_share_packets := 22
fuzz_share_vhost   := 8
fuzz_share          = $(or $(fuzz_share_$(1)),10)
fuzz_length_vring   := 768
fuzz_length_packets := 1024
fuzz_length_vhost   := 512
fuzz_length          = $(or $(fuzz_length_$(1)),2048)

FUZZ_CFLAGS = $(filter-out -W%,$(COMMON)) -w -iquote host-tools -iquote tests -O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=undefined
$(eval $(call flags-file,$(FUZZ)/.cflags,$$(FUZZ_CC) $$(FUZZ_CFLAGS)))
fuzz-objs = $(patsubst %.c,$(FUZZ)/obj/%.o,$(1))
$(FUZZ)/obj/%.o: %.c $(FUZZ)/.cflags | $(PROTO_HDR)
	$(call say,FUZZCC,$@)
	$(Q)mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<
$(eval $(call archive,$(FUZZ)/libhost.a,$$(call fuzz-objs,$$(HOST_SRC))))
$(eval $(call archive,$(FUZZ)/libagent.a,$$(call fuzz-objs,$$(AGENT_SRC))))
$(eval $(call archive,$(FUZZ)/libshared.a,$$(call fuzz-objs,$$(TTRPC_SRC) $$(PROTO_GEN) $$(BASE_SRC) tests/lib/echo_service.c)))

fuzz-link = $(Q)mkdir -p $(@D) && $(FUZZ_CC) -fsanitize=fuzzer$(comma)address$(comma)undefined -o $@ $(filter %.o,$^) \
	-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(GUEST_LIBS) $(HOST_LIBS)
$(FUZZ_HOST:%=$(FUZZ)/fuzz_%): $(FUZZ)/fuzz_%: $(FUZZ)/obj/tests/fuzz/fuzz_%.o $(FUZZ)/libhost.a $(FUZZ)/libshared.a
	$(call say,LD,$@)
	$(fuzz-link)
$(FUZZ_AGENT:%=$(FUZZ)/fuzz_%): $(FUZZ)/fuzz_%: $(FUZZ)/obj/tests/fuzz/fuzz_%.o $(FUZZ)/libagent.a $(FUZZ)/libshared.a
	$(call say,LD,$@)
	$(fuzz-link)

FUZZ_TARGETS := $(FUZZ_HOST) $(FUZZ_AGENT)
.PHONY: fuzz deps-fuzz run-fuzz fuzz-bins fuzz-corpus $(FUZZ_TARGETS:%=fuzz-%)
# First the compiler, then the rest in a make of its own (a fresh machine has none when make reads this).
fuzz: deps-fuzz
	$(Q)$(SUBMAKE) $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc)) fuzz-bins
	$(Q)$(SUBMAKE) run-fuzz
deps-fuzz:
	$(Q)rootfs-builder/install-packages build fuzz
fuzz-bins: $(FUZZ_TARGETS:%=$(FUZZ)/fuzz_%)
run-fuzz: $(FUZZ_TARGETS:%=fuzz-%)
	$(Q)echo "fuzz: $$(($$(cat $(FUZZ_VSOCK:%=$(FUZZ)/grown/%.runs) | paste -sd+))) executions of the vsock device without a report"
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: $(FUZZ)/fuzz_%
	$(Q)tests/fuzz/run-target $< $* $$(($(RUNS) / 100 * $(call fuzz_share,$*))) $(call fuzz_length,$*) $(FUZZ)
fuzz-corpus: $(FUZZ_TARGETS:%=$(FUZZ)/fuzz_%)
	$(Q)for t in $(FUZZ_TARGETS); do tests/fuzz/keep-corpus $(FUZZ)/fuzz_$$t $$t $(FUZZ) || exit 1; done

# ---- the kept corpora, in make test ----------------------------------------------------------------------
FUZZ_HOST_REPLAYS  := $(FUZZ_HOST:%=$(HOST)/tests/fuzz/replay_%)
FUZZ_AGENT_REPLAYS := $(FUZZ_AGENT:%=$(BUILD)/tests/fuzz/replay_%)
$(FUZZ_HOST_REPLAYS): $(HOST)/tests/fuzz/replay_%: $(HOST)/obj/tests/fuzz/fuzz_%.o $(call host-objs,tests/fuzz/replay.c) $(HOST_ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(HOST_LIBS)
$(FUZZ_AGENT_REPLAYS): $(BUILD)/tests/fuzz/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(call guest-objs,tests/fuzz/replay.c tests/lib/echo_service.c) $(GUEST_ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) $(TEST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(GUEST_LIBS)
unit-bins: $(FUZZ_HOST_REPLAYS) $(FUZZ_AGENT_REPLAYS)
FUZZ_REPLAYS = $(foreach t,$(FUZZ_HOST),"$(HOST)/tests/fuzz/replay_$(t) tests/fuzz/corpus/$(t)") \
	$(foreach t,$(FUZZ_AGENT),"$(BUILD)/tests/fuzz/replay_$(t) tests/fuzz/corpus/$(t)")
