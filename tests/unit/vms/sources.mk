HOST_UNIT_TESTS += $(addprefix tests/unit/vms/, test_vm_store.c test_vm_record.c test_vm_logs.c)
