# Under QEMU: one boot, many checks (tests/lib/agent_fixture.h, agent_start_vm).
VM_TESTS += tests/vm/test_guest.c tests/vm/test_memory.c tests/vm/test_oom.c
