/* agent/kernel/mount.c: option words, mountinfo's lines (hostile ones too), and real mounts. */
#include "kernel/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/own_mounts.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct mount_options options;
static struct error err;

#define PARSE(...)                                                                                 \
	({                                                                                         \
		const char *words_[] = {__VA_ARGS__};                                              \
		memset(&err, 0, sizeof(err));                                                      \
		mount_options_parse(&options, words_, ARRAY_SIZE(words_), &err);                   \
	})

static void test_words(void **state)
{
	assert_int_equal(PARSE("ro", "nosuid", "size=64k", "mode=0755", "", "defaults"), 0);
	assert_int_equal(options.flags, MS_RDONLY | MS_NOSUID);
	assert_string_equal(options.data, "size=64k,mode=0755");
	assert_int_equal(options.data_len, strlen(options.data));
	/* The later word wins, both ways. */
	assert_int_equal(PARSE("ro", "rw", "exec", "noexec"), 0);
	assert_int_equal(options.flags, MS_NOEXEC);
	assert_int_equal(options.cleared, MS_RDONLY);
	assert_int_equal(PARSE("rbind", "rslave", "rprivate"), 0);
	assert_int_equal(options.flags, MS_BIND | MS_REC);
	assert_int_equal(options.propagation, MS_PRIVATE | MS_REC);
	/* An element with commas is data as a whole. */
	assert_int_equal(PARSE("ro,nosuid"), 0);
	assert_int_equal(options.flags, 0);
	assert_string_equal(options.data, "ro,nosuid");
	assert_true(PARSE("loop") < 0);
	assert_non_null(strstr(err.text, "loop"));
}

static void test_data_is_bounded(void **state)
{
	char word[MOUNT_DATA_MAX + 1];

	memset(word, 'x', sizeof(word));
	word[MOUNT_DATA_MAX] = '\0';
	assert_int_equal(PARSE(word), -E2BIG);
	word[MOUNT_DATA_MAX - 1] = '\0';
	assert_int_equal(PARSE(word), 0);
	assert_int_equal(options.data_len, MOUNT_DATA_MAX - 1);
	assert_int_equal(mount_options_add(&options, "y", &err), -E2BIG);
	assert_int_equal(options.data_len, MOUNT_DATA_MAX - 1);
	assert_int_equal(mount_options_add(&options, "ro", &err), 0);
	word[MOUNT_DATA_MAX - 3] = '\0';
	assert_int_equal(PARSE(word, "y"), 0);
	assert_int_equal(options.data_len, MOUNT_DATA_MAX - 1);
	assert_int_equal(PARSE(word, "yy"), -E2BIG);
}

static int parse_line(const char *text, struct mount_entry *entry)
{
	static char line[512];

	snprintf(line, sizeof(line), "%s", text);
	return mountinfo_parse_line(line, entry);
}

static void test_mountinfo_line(void **state)
{
	struct mount_entry e;

	assert_int_equal(parse_line("36 35 98:1 /r\\040oot /mnt\\0111\\134 rw,noatime master:1 "
				    "shared:7 - ext3 /dev/root rw,errors=continue\n",
				 &e),
		0);
	assert_int_equal(e.id, 36);
	assert_int_equal(e.parent_id, 35);
	assert_int_equal(e.dev, makedev(98, 1));
	assert_string_equal(e.root, "/r oot");
	assert_string_equal(e.mount_point, "/mnt\t1\\");
	assert_string_equal(e.options, "rw,noatime");
	assert_string_equal(e.fstype, "ext3");
	assert_string_equal(e.source, "/dev/root");
	assert_string_equal(e.super_options, "rw,errors=continue");
	/* No optional fields; an empty source leaves two blanks. */
	assert_int_equal(parse_line("1 2 0:3 / /a rw - tmpfs  rw", &e), 0);
	assert_string_equal(e.source, "");
	assert_string_equal(e.super_options, "rw");
}

static void test_mountinfo_hostile(void **state)
{
	static const char *const bad[] = {"", "\n", "1", "1 2 0:3 / /a rw", "1 2 0:3 / /a rw -",
		"1 2 0:3 / /a rw - tmpfs", "1 2 0:3 / /a rw - tmpfs none",
		"x 2 0:3 / /a rw - a b c", "1 x 0:3 / /a rw - a b c", "1 2 03 / /a rw - a b c",
		"1 2 0:3x / /a rw - a b c", "1 2 0:3 / /a rw -- a b c"};
	static const char good[] =
		"36 35 98:1 /r\\040oot /mnt\\0111\\134 rw master:1 - ext3 /dev/root rw,a=b";
	char text[] = "\\\\0\\04\\040\\400\\9\\", line[256];
	struct mount_entry e;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_line(bad[i], &e), -EINVAL);
	mountinfo_unescape(text);
	assert_string_equal(text, "\\\\0\\04 \\400\\9\\");
	/* Every cut of a good line, under the sanitizers. */
	for (size_t len = 0; len < sizeof(good); len++) {
		memcpy(line, good, len);
		line[len] = '\0';
		mountinfo_parse_line(line, &e);
	}
}

/* ---- real mounts ----------------------------------------------------------------------------- */

static char point[300], other[300];

static int setup(void **state)
{
	if (!point[0]) {
		snprintf(point, sizeof(point), "%s", scratch_mkdir("a b\tpoint"));
		snprintf(other, sizeof(other), "%s", scratch_mkdir("other"));
	}
	memset(&err, 0, sizeof(err));
	return 0;
}

static void test_error_names_all(void **state)
{
	char text[ERROR_RENDER_MAX];

	assert_int_equal(mount_call("src", other, "tmpfs", 0, "size=banana", &err), -EINVAL);
	error_render(&err, text, sizeof(text));
	assert_non_null(strstr(text, "mount src on "));
	assert_non_null(strstr(text, other));
	assert_non_null(strstr(text, "tmpfs"));
	assert_non_null(strstr(text, "size=banana"));
	assert_non_null(strstr(text, "EINVAL"));
	assert_int_equal(mount_call("/nowhere/x", point, NULL, MS_BIND, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, "bind-mount"));
	assert_true(mount_unmount(point, 0, &err) < 0);
}

static void test_bind_gets_its_flags(void **state)
{
	const char *is;
	int fd;

	assert_int_equal(PARSE("nodev", "size=64k"), 0);
	assert_int_equal(mount_apply("t", other, "tmpfs", &options, &err), 0);
	assert_int_equal(PARSE("bind", "ro", "noexec"), 0);
	assert_int_equal(mount_apply(other, point, "bind", &options, &err), 0);
	fd = open(scratch_path("a b\tpoint/x"), O_CREAT | O_WRONLY, 0600);
	assert_true(fd < 0 && errno == EROFS);
	/* nodev came from what was bound and must not be lost by the remount. */
	is = own_mounts_at(scratch_path("a\\040b\\011point"));
	assert_non_null(is);
	assert_non_null(strstr(is, "ro,"));
	assert_non_null(strstr(is, "noexec"));
	assert_non_null(strstr(is, "nodev"));
	/* The other way to it is still writable. */
	fd = open(scratch_path("other/x"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mount_unmount(point, 0, &err), 0);
	assert_int_equal(mount_bind(other, point, true, MS_NOSUID, &err), 0);
	assert_non_null(strstr(own_mounts_at(scratch_path("a\\040b\\011point")), "nosuid"));
	assert_int_equal(mount_unmount(point, 0, &err), 0);
	assert_int_equal(mount_unmount(other, 0, &err), 0);
}

static void test_count_and_unmount_all(void **state)
{
	assert_int_equal(mountinfo_count_at(point), 0);
	assert_int_equal(mount_unmount_all_at(point, 0, &err), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mount_call("t", point, "tmpfs", 0, NULL, &err), 0);
	assert_int_equal(mount_call("t", other, "tmpfs", 0, NULL, &err), 0);
	/* The blank and the tab in the name come back unescaped. */
	assert_int_equal(mountinfo_count_at(point), 3);
	assert_int_equal(mount_unmount_all_at(point, 0, &err), 0);
	assert_int_equal(mountinfo_count_at(point), 0);
	assert_int_equal(mountinfo_count_at(other), 1);
	assert_int_equal(mount_unmount(other, 0, &err), 0);
}

static void test_busy_is_said(void **state)
{
	int fd;

	assert_int_equal(mount_call("t", point, "tmpfs", 0, NULL, &err), 0);
	fd = open(point, O_PATH | O_CLOEXEC);
	assert_int_equal(mount_unmount_all_at(point, 0, &err), -EBUSY);
	assert_int_equal(mountinfo_count_at(point), 1);
	assert_int_equal(mount_unmount_all_at(point, MNT_DETACH, &err), 0);
	close(fd);
}

/* A failure after the mount itself takes the mount back. */
static void test_apply_undoes(void **state)
{
	assert_int_equal(PARSE("size=64k", "rshared"), 0);
	options.propagation |= MS_SLAVE; /* two at once: EINVAL */
	assert_int_equal(mount_apply("t", point, "tmpfs", &options, &err), -EINVAL);
	assert_int_equal(mountinfo_count_at(point), 0);
	assert_non_null(strstr(err.text, "propagation"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_words),
	cmocka_unit_test(test_data_is_bounded),
	cmocka_unit_test(test_mountinfo_line),
	cmocka_unit_test(test_mountinfo_hostile),
	cmocka_unit_test_setup(test_error_names_all, setup),
	cmocka_unit_test_setup(test_bind_gets_its_flags, setup),
	cmocka_unit_test_setup(test_count_and_unmount_all, setup),
	cmocka_unit_test_setup(test_busy_is_said, setup),
	cmocka_unit_test_setup(test_apply_undoes, setup),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	own_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
