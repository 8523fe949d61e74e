UNIT_TESTS += \
	tests/unit/base/test_arena.c \
	tests/unit/base/test_buffer.c \
	tests/unit/base/test_error.c \
	tests/unit/base/test_log.c \
	tests/unit/base/test_parse.c \
	tests/unit/base/test_strings.c \
	tests/unit/base/test_waiter.c
