/* Tests of agent/ttrpc/status.c: codes, their names and errno. */
#include "lib/test_main.h"

#include <errno.h>

#include "base/cleanup.h"
#include "ttrpc/status.h"

/* wire.md section 3, typed by hand. */
static void every_code_has_its_name(void **state)
{
	static const char *const names[] = {"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
		"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_string_equal(status_name((int)i), names[i]);
	assert_string_equal(status_name(17), "UNKNOWN");
	assert_string_equal(status_name(-1), "UNKNOWN");
	assert_string_equal(status_name(1 << 30), "UNKNOWN");
}

static void a_code_survives_the_way_over_errno(void **state)
{
	for (int code = STATUS_CANCELLED; code <= STATUS_UNAUTHENTICATED; code++) {
		int errnum = status_to_errno(code);

		assert_true(errnum > 0);
		if (code == STATUS_UNKNOWN) /* EPROTO says nothing */
			assert_int_equal(status_from_errno(errnum), STATUS_INTERNAL);
		else if (code == STATUS_UNAUTHENTICATED) /* EPERM comes from the kernel mostly */
			assert_int_equal(status_from_errno(errnum), STATUS_PERMISSION_DENIED);
		else
			assert_int_equal(status_from_errno(errnum), code);
	}
	assert_int_equal(status_to_errno(STATUS_OK), 0);
	assert_int_equal(status_to_errno(99), EPROTO);
	assert_int_equal(status_to_errno(-5), EPROTO);
}

static void errno_finds_its_code(void **state)
{
	assert_int_equal(status_from_errno(ENOENT), STATUS_NOT_FOUND);
	assert_int_equal(status_from_errno(-ENOENT), STATUS_NOT_FOUND);
	assert_int_equal(status_from_errno(ESRCH), STATUS_NOT_FOUND);
	assert_int_equal(status_from_errno(EINVAL), STATUS_INVALID_ARGUMENT);
	assert_int_equal(status_from_errno(EEXIST), STATUS_ALREADY_EXISTS);
	assert_int_equal(status_from_errno(ENOMEM), STATUS_RESOURCE_EXHAUSTED);
	assert_int_equal(status_from_errno(ETIMEDOUT), STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(status_from_errno(EOPNOTSUPP), STATUS_UNIMPLEMENTED);
	assert_int_equal(status_from_errno(EXDEV), STATUS_INTERNAL);
	assert_int_equal(status_from_errno(0), STATUS_INTERNAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_code_has_its_name),
	cmocka_unit_test(a_code_survives_the_way_over_errno),
	cmocka_unit_test(errno_finds_its_code),
};
TEST_MAIN(tests)
