HOST_UNIT_TESTS += tests/unit/run/test_bundle.c tests/unit/run/test_container_spec.c tests/unit/run/test_guest_session.c \
	tests/unit/run/test_host_output.c tests/unit/run/test_image.c \
	tests/unit/run/test_memory_report.c tests/unit/run/test_run_options.c \
	tests/unit/run/test_user_lookup.c tests/unit/run/test_nearest.c tests/unit/run/test_command_options.c tests/unit/run/test_timing.c \
	tests/unit/run/test_volumes.c
