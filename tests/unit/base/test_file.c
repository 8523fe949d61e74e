/* Tests agent/base/file.c. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static void test_read_sizes(void **state)
{
	const char *path = scratch_file("f", "12345");
	char out[16];

	assert_int_equal(file_read(path, out, 6), 5);
	assert_string_equal(out, "12345");
	assert_int_equal(file_read(path, out, 5), -EFBIG);
	assert_int_equal(file_read(path, out, 0), -EINVAL);
	assert_int_equal(file_read(scratch_path("none"), out, 5), -ENOENT);
	assert_int_equal(file_read(scratch_dir(), out, 5), -EISDIR);
	assert_true(file_exists(path));
	assert_false(file_exists(scratch_path("none")));
}

static void test_read_at(void **state)
{
	_cleanup_fd_ int dir = open(scratch_dir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	char out[16];

	scratch_file("at", "x\n");
	assert_int_equal(file_read_at(dir, "at", out, sizeof(out)), 2);
	assert_int_equal(file_write_at(dir, "at", "yz"), 0);
	assert_int_equal(file_read_at(dir, "at", out, sizeof(out)), 2);
	assert_string_equal(out, "yz");
	assert_int_equal(file_write_at(dir, "none", "x"), -ENOENT);
}

static void test_read_alloc(void **state)
{
	static char big[20001];
	char *text = NULL;

	memset(big, 'b', sizeof(big) - 1);
	assert_int_equal(file_read_alloc(scratch_file("big", big), 20000, &text), 20000);
	assert_string_equal(text, big);
	free(text);
	text = NULL;
	assert_int_equal(file_read_alloc(scratch_path("big"), 19999, &text), -EFBIG);
	assert_null(text);
	assert_int_equal(file_read_alloc(scratch_file("empty", ""), 0, &text), 0);
	assert_string_equal(text, "");
	free(text);
	/* procfs tells no size. */
	assert_true(file_read_alloc("/proc/self/status", 65536, &text) > 100);
	free(text);
}

static void test_number(void **state)
{
	uint64_t v = 3;

	assert_int_equal(file_read_u64(scratch_file("n", "  42 99\n"), &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(file_read_u64(scratch_file("n", "max\n"), &v), -EINVAL);
	assert_int_equal(file_read_u64(scratch_file("n", ""), &v), -EINVAL);
	assert_int_equal(file_read_u64(scratch_path("none"), &v), -ENOENT);
	assert_int_equal(v, 42);
}

static void test_write_creates_nothing(void **state)
{
	assert_int_equal(file_write(scratch_path("new"), "x"), -ENOENT);
	assert_false(file_exists(scratch_path("new")));
	assert_int_equal(file_write("/dev/full", "x"), -ENOSPC);
}

static int count_entries(void)
{
	_cleanup_dir_ DIR *dir = opendir(scratch_dir());
	int n = 0;

	while (readdir(dir))
		n++;
	return n;
}

static void test_replace(void **state)
{
	const char *path = scratch_path("replaced");
	char out[16];
	struct stat st;
	int before;

	assert_int_equal(file_replace(path, "one", 3, 0600), 0);
	umask(077);
	before = count_entries();
	assert_int_equal(file_replace(path, "two", 3, 0644), 0);
	assert_int_equal(file_read(path, out, sizeof(out)), 3);
	assert_string_equal(out, "two");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	/* Nothing is left beside it, after failure neither. */
	scratch_mkdir("is-a-folder");
	assert_int_equal(file_replace(scratch_path("is-a-folder"), "x", 1, 0644), -EISDIR);
	assert_int_equal(count_entries(), before + 1);
	assert_int_equal(file_replace(scratch_path("none/x"), "x", 1, 0644), -ENOENT);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_read_sizes),
	cmocka_unit_test(test_read_at),
	cmocka_unit_test(test_read_alloc),
	cmocka_unit_test(test_number),
	cmocka_unit_test(test_write_creates_nothing),
	cmocka_unit_test(test_replace),
};
TEST_MAIN(tests)
