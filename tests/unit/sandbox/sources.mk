UNIT_TESTS += $(addprefix tests/unit/sandbox/, test_container.c test_process_stream.c)
