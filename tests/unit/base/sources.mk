UNIT_TESTS += \
	tests/unit/base/test_arena.c \
	tests/unit/base/test_buffer.c \
	tests/unit/base/test_child_process.c \
	tests/unit/base/test_error.c \
	tests/unit/base/test_event_loop.c \
	tests/unit/base/test_fd.c \
	tests/unit/base/test_file.c \
	tests/unit/base/test_helper_process.c \
	tests/unit/base/test_log.c \
	tests/unit/base/test_parse.c \
	tests/unit/base/test_path.c \
	tests/unit/base/test_resident.c \
	tests/unit/base/test_socket.c \
	tests/unit/base/test_strings.c \
	tests/unit/base/test_waiter.c \
	tests/unit/base/test_worker_process.c
UNIT_TESTS += tests/unit/base/test_command.c
