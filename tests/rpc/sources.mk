# The agent as an ordinary process on a unix socket (tests/lib/agent_fixture.h). Run as root.
RPC_TESTS += tests/rpc/test_memory.c
RPC_TESTS += $(addprefix tests/rpc/, test_lifecycle.c test_streams.c test_refusals.c test_vanishing.c test_terminal.c test_queued_answers.c test_shared_pids.c test_copy_file.c test_passfd.c test_pod_lives.c test_exhaustion.c test_hygiene.c test_blockers.c)
RPC_TESTS += tests/rpc/test_freeze.c
RPC_TESTS += $(addprefix tests/rpc/, test_races.c test_removal.c test_destroy.c)
RPC_TESTS += $(addprefix tests/rpc/, test_devices.c test_hooks.c test_guest_hooks.c test_kernel_modules.c)
RPC_TESTS += tests/rpc/test_update.c tests/rpc/test_oci.c
RPC_TESTS += tests/rpc/test_small_calls.c
RPC_TESTS += tests/rpc/test_network.c
RPC_TESTS += tests/rpc/test_relay.c
$(BUILD)/tests/rpc/test_relay: $(HOST)/cradle
# cgroup v1's controllers can be had only where v2 has not got them. There the agent is also tried
# without any cgroup2 (tests/lib/test_groups.h).
ifneq ($(wildcard /sys/fs/cgroup/memory/memory.limit_in_bytes),)
RPC_TESTS += tests/rpc/test_cgroup_v1.c
# g1: a kernel without v1's memory or devices controller still has containers.
RPC_V1_BARE := test_freeze test_memory
RPC_V1_ONLY := test_cgroup_v1 test_devices test_freeze test_lifecycle test_races test_vanishing
endif
