/* Tests agent/base/error.c. */
#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "lib/test_main.h"

static void test_set_and_render(void **state)
{
	struct error err = ERROR_INIT;
	char out[ERROR_RENDER_MAX];

	assert_int_equal(
		error_errno(&err, ENOENT, "mount %s on %s", "/dev/vda", "/run/x"), -ENOENT);
	assert_int_equal(err.status, STATUS_INTERNAL);
	assert_string_equal(error_render(&err, out, sizeof(out)),
		"mount /dev/vda on /run/x: ENOENT: No such file or directory");
	assert_int_equal(error_set(&err, STATUS_NOT_FOUND, 0, "container %s", "c1"), -EPROTO);
	assert_int_equal(err.status, STATUS_NOT_FOUND);
	assert_string_equal(error_render(&err, out, sizeof(out)), "container c1");
	assert_int_equal(error_invalid(&err, "empty id"), -EPROTO);
	assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
}

static void test_null_is_fine(void **state)
{
	assert_int_equal(error_errno(NULL, EBUSY, "x"), -EBUSY);
	assert_int_equal(error_set(NULL, STATUS_ABORTED, 0, "x"), -EPROTO);
	assert_int_equal(error_prefix(NULL, "x"), -EPROTO);
}

static void test_prefix(void **state)
{
	struct error err = ERROR_INIT;

	error_errno(&err, EIO, "read block");
	assert_int_equal(error_prefix(&err, "storage %d", 2), -EIO);
	assert_int_equal(error_prefix(&err, "container c"), -EIO);
	assert_string_equal(err.text, "container c: storage 2: read block");
}

/* The arguments may be the old text itself. */
static void test_text_from_itself(void **state)
{
	struct error err = ERROR_INIT;

	error_errno(&err, EIO, "read");
	error_errno(&err, EIO, "again: %s", err.text);
	assert_string_equal(err.text, "again: read");
}

/* A long path is cut, the errno is not. */
static void test_cut_keeps_errno(void **state)
{
	struct error err = ERROR_INIT;
	char path[2000], out[ERROR_RENDER_MAX];

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	error_errno(&err, ENAMETOOLONG, "open %s", path);
	error_prefix(&err, "%s", path);
	error_render(&err, out, sizeof(out));
	assert_non_null(strstr(out, ": ENAMETOOLONG: File name too long"));
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void test_render_never_overflows(void **state)
{
	struct error err = ERROR_INIT;
	char out[16];

	error_errno(&err, EIO, "something longer than that");
	memset(out, 'Z', sizeof(out));
	error_render(&err, out, 8);
	assert_string_equal(out, "somethi");
	assert_int_equal(out[8], 'Z');
	error_render(&err, out, 0);
	/* A struct that came through a pipe may lack its NUL. */
	memset(err.text, 'x', sizeof(err.text));
	error_render(&err, out, sizeof(out));
	assert_string_equal(out, "xxxxxxxxxxxxxxx");
	assert_int_equal(error_prefix(&err, "p"), -EIO);
}

static void test_text_is_clean(void **state)
{
	struct error err = ERROR_INIT;
	char out[ERROR_RENDER_MAX];

	error_errno(&err, EIO, "a\x1b[31mb\nc\x7f");
	assert_string_equal(err.text, "a?[31mb?c?");
	error_errno(&err, EIO, "bad \xff\xc3 good \xc3\xa9");
	assert_string_equal(err.text, "bad ?? good \xc3\xa9");
	memcpy(err.text, "\x01", 2);
	error_render(&err, out, sizeof(out));
	assert_string_equal(out, "?: EIO: Input/output error");
}

static void test_names(void **state)
{
	assert_string_equal(errno_name(ENOENT), "ENOENT");
	assert_string_equal(errno_name(-ENOENT), "ENOENT");
	assert_string_equal(errno_name(12345), "E12345");
	assert_string_equal(errno_text(EPERM), "Operation not permitted");
	assert_string_equal(errno_text(12345), "unknown error");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_set_and_render),
	cmocka_unit_test(test_null_is_fine),
	cmocka_unit_test(test_prefix),
	cmocka_unit_test(test_text_from_itself),
	cmocka_unit_test(test_cut_keeps_errno),
	cmocka_unit_test(test_render_never_overflows),
	cmocka_unit_test(test_text_is_clean),
	cmocka_unit_test(test_names),
};
TEST_MAIN(tests)
