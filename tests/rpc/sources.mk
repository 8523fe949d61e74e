# The agent as an ordinary process on a unix socket (tests/lib/agent_fixture.h). Run as root.
RPC_TESTS += tests/rpc/test_memory.c
RPC_TESTS += $(addprefix tests/rpc/, test_lifecycle.c test_streams.c test_refusals.c test_vanishing.c test_terminal.c test_queued_answers.c test_shared_pids.c test_copy_file.c test_passfd.c)
RPC_TESTS += tests/rpc/test_freeze.c
RPC_TESTS += $(addprefix tests/rpc/, test_races.c test_removal.c test_destroy.c)
RPC_TESTS += $(addprefix tests/rpc/, test_devices.c test_hooks.c test_guest_hooks.c test_kernel_modules.c)
RPC_TESTS += tests/rpc/test_update.c
RPC_TESTS += tests/rpc/test_small_calls.c
RPC_TESTS += tests/rpc/test_network.c
RPC_TESTS += tests/rpc/test_relay.c
$(BUILD)/tests/rpc/test_relay: $(HOST)/cradle
