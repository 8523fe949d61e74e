UNIT_TESTS += $(addprefix tests/unit/sandbox/, test_container.c test_copy_file.c test_process_stream.c)
