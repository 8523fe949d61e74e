# Unit tests and the checks of the sources. Included by the Makefile.
#   make test               everything below, with its own set-up; last line: N passed, N failed
#   make test-rpc test-vm test-interop   the agent as a process; as PID 1 of a guest; with Go's ttrpc
#   make soak-oom       1,000 kills for memory, 1,000 signals, 1,000 exits: every event once, none too much; a part of make soak
#   make test-arch          a guest of each architecture, end to end
#   make test-unit          unit tests and the tests of scripts (SAN=1: unit tests under sanitizers)
#   make edges              today's agent's sharp edges: which test shows that we get each right
#   make lint               layers, banned calls, link map, format, clang-tidy, cppcheck
#   make format             clang-format over all sources
#   make size               what the agent's binary weighs, and whether that is within its bar
#   make compile_commands.json   for editors and clang-tidy; lands in the build folder
# Results of a suite go to $(BUILD)/results/<suite>; `tests/run-tests.sh --sum` adds them up.

RUN_TESTS    := tests/run-tests.sh
TEST_RESULTS := $(BUILD)/results

# Scripts that print TAP themselves and need neither a VM nor an agent.
SCRIPT_TESTS := tests/tools/test_run_tests.sh tests/tools/test_check_layers.sh tests/tools/test_ci_run.sh $(wildcard tests/image/test_*.sh)

.PHONY: test-unit
# The sum is the last line, and its exit code the target's.
test-unit: run-unit
	$(Q)$(RUN_TESTS) --sum $(TEST_RESULTS)/unit
.PHONY: run-unit
# Runs and records; whoever depends on this adds up.
run-unit: unit-bins
	$(Q)rm -f $(TEST_RESULTS)/unit
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/unit --timeout 90 $(UNIT_BINS) $(HOST_UNIT_BINS) $(FUZZ_REPLAYS) $(if $(SAN),,$(SCRIPT_TESTS) "tests/edges/index.sh --check")

.PHONY: edges
edges:
	$(Q)tests/edges/index.sh

# ---- the agent as a process, as PID 1 of a guest; the whole ------------------------------------------------
.PHONY: run-rpc run-vm run-tree test-rpc test-vm
# As root: containers are made. SAN=1: agent and client under sanitizers.
run-rpc: $(RPC_BINS)
	$(Q)rm -f $(TEST_RESULTS)/rpc
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/rpc --timeout 240 $(RPC_BINS) $(RPC_V1_ONLY:%="env CRADLE_TEST_CGROUP=v1 $(BUILD)/tests/rpc/%") \
		$(RPC_V1_BARE:%="env CRADLE_TEST_CGROUP=v1-bare $(BUILD)/tests/rpc/%")
test-rpc: run-rpc
	$(Q)$(RUN_TESTS) --sum $(TEST_RESULTS)/rpc
# A guest each; the real QEMU, the fetched kernel.
run-vm: $(VM_BINS) all kernel $(INITRD_IMG) rootfs
	$(Q)rm -f $(TEST_RESULTS)/vm
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/vm --timeout 1200 $(VM_BINS) $(VM_SCRIPT_TESTS)
test-vm: run-vm
	$(Q)$(RUN_TESTS) --sum $(TEST_RESULTS)/vm
# 1,000 of each kind of end: killed for memory, by SIGKILL, by itself.
.PHONY: soak soak-oom
soak: soak-oom
soak-oom: $(BUILD)/tests/vm/test_oom all kernel $(INITRD_IMG) rootfs
	$(Q)OOM_ROUNDS=100 $(BUILD)/tests/vm/test_oom
run-tree: $(BUILD)/cradle-agent
	$(Q)rm -f $(TEST_RESULTS)/tree
	$(Q)$(RUN_TESTS) --results $(TEST_RESULTS)/tree --timeout 60 "tests/lint/test_tree.sh $(BUILD)"

# Every suite, its own set-up included: packages first (a fresh machine has no compiler when make reads
# this file), then a make of its own that builds all there is with every core, then one suite after another.
ALL_RESULTS = $(addprefix build/$(ARCH)/results/,tree unit rpc interop vm) $(addprefix build/$(ARCH)-asan/results/,unit rpc) \
	$(OTHER_ARCH:%=build/%/results/arch)
# Beside this machine's architecture a big-endian one is booted on every change.
OTHER_ARCH  = $(filter-out $(ARCH),s390x)
SUBMAKE     = $(MAKE) --no-print-directory
.PHONY: test test-build result-files
# Where the results of make test lie, and those of TEST_ARCHES: .ci/run adds all up.
result-files:
	@echo $(sort $(ALL_RESULTS) $(TEST_ARCHES:%=build/%/results/arch))
test: deps
	$(Q)rootfs-builder/install-packages $(OTHER_ARCH:%=qemu-%) $(OTHER_ARCH:%=cross-%)
	$(Q)$(SUBMAKE) -j$(shell nproc) test-build
	$(Q)$(SUBMAKE) SAN=1 -j$(shell nproc) unit-bins rpc-bins
	$(Q)rm -rf build/$(ARCH)/results build/$(ARCH)-asan/results
	$(Q)$(SUBMAKE) run-tree
	$(Q)$(SUBMAKE) run-unit
	$(Q)$(SUBMAKE) SAN=1 run-unit
	$(Q)$(SUBMAKE) run-rpc
	$(Q)$(SUBMAKE) SAN=1 run-rpc
	$(Q)$(SUBMAKE) run-interop
	$(Q)$(SUBMAKE) run-vm
	$(Q)$(if $(OTHER_ARCH),$(SUBMAKE) ARCH=$(OTHER_ARCH) KERNEL= KERNEL_MODULES= -j$(shell nproc) run-arch)
	$(Q)$(RUN_TESTS) --sum $(ALL_RESULTS)
.PHONY: rpc-bins vm-bins
rpc-bins: $(RPC_BINS)
vm-bins: $(VM_BINS)
test-build: all unit-bins rpc-bins vm-bins $(INTEROP_BINS) kernel $(INITRD_IMG) rootfs

# ---- sources ------------------------------------------------------------------------------------------
LINT_GUEST   := $(BASE_SRC) $(TTRPC_SRC) $(AGENT_SRC) $(wildcard agent/main.c)
LINT_HOST    := $(HOST_SRC) $(wildcard host-tools/main.c)
LINT_TESTS   := $(UNIT_TESTS) $(HOST_UNIT_TESTS) $(TEST_LIB_SRC)
FORMAT_FILES  = $(shell find agent host-tools tests -name '*.[ch]')

.PHONY: lint lint-layers lint-format lint-tidy lint-cppcheck format
lint: lint-layers lint-format lint-cppcheck lint-tidy
lint-layers: $(if $(wildcard agent/main.c),$(BUILD)/cradle-agent.debug)
	$(call say,LAYERS,agent host-tools)
	$(Q)tests/check-layers.sh $(if $(wildcard agent/main.c),--map $(BUILD)/cradle-agent.debug.map)
lint-format:
	$(call say,FORMAT,agent host-tools tests)
	$(Q)clang-format --dry-run -Werror $(FORMAT_FILES)
format:
	$(Q)clang-format -i $(FORMAT_FILES)
lint-cppcheck: $(PROTO_HDR)
	$(call say,CPPCHECK,agent host-tools)
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
		--suppressions-list=tests/lint/cppcheck.txt -D_GNU_SOURCE -D__linux__ -DCRADLE_VERSION='"$(VERSION)"' \
		-Iagent -Ihost-tools $(LINT_GUEST) $(LINT_HOST)
# Each file is its own process: as many at once as make is told to use.
lint-tidy: $(patsubst %,$(BUILD)/lint/%.tidy,$(LINT_GUEST) $(LINT_HOST))
$(BUILD)/lint/%.tidy: % .clang-tidy $(BUILD)/.cflags | $(PROTO_HDR)
	$(call say,TIDY,$<)
	$(Q)mkdir -p $(@D) && clang-tidy --quiet $< -- $(filter-out -fno-common -ffile-prefix-map=%,$(COMMON)) -iquote host-tools -Wno-unknown-warning-option 2> $@.err || { cat $@.err; exit 1; }
	$(Q)rm -f $@.err && touch $@

.PHONY: size
size: $(BUILD)/cradle-agent
	$(Q)size $(BUILD)/cradle-agent.debug
	$(Q)bytes=$$(stat -c %s $<); echo "$<: $$bytes bytes of at most 1500000"; [ $$bytes -le 1500000 ]

# clangd and clang-tidy find it in the build folder.
.PHONY: compile_commands.json
compile_commands.json: build/compile_commands.json
build/compile_commands.json: $(BUILD)/.cflags $(HOST)/.cflags $(MAKEFILE_LIST)
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && { \
		for f in $(LINT_GUEST); do printf '%s\t%s\n' "$$f" $(call quote,$(CC) $(GUEST_CFLAGS)); done; \
		for f in $(LINT_HOST); do printf '%s\t%s\n' "$$f" $(call quote,$(CC) $(HOST_CFLAGS)); done; \
		for f in $(LINT_TESTS); do printf '%s\t%s\n' "$$f" $(call quote,$(CC) $(GUEST_CFLAGS) -iquote tests -iquote host-tools); done; \
	} | awk -F '\t' -v dir="$(CURDIR)" 'BEGIN { print "[" } \
		{ gsub(/["\\]/, "\\\\&", $$2); \
		  printf "%s{\"directory\": \"%s\", \"file\": \"%s\", \"command\": \"%s -c %s\"}", (NR > 1 ? ",\n" : ""), dir, $$1, $$2, $$1 } \
		END { print "\n]" }' > $@
quote = '$(subst ','\'',$(1))'
