/* agent/storage/storage_fs_group.c: who is changed and who is not; links are not followed (g17). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/own_mounts.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "storage/storage_driver.h"

/* In an ordinary user's namespace only group 0 exists; modes still tell. */
static gid_t group(void)
{
	return own_mounts_all_ids() ? 4242 : 0;
}

static struct stat look(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(scratch_path("%s", name), &st), 0);
	return st;
}

static void assert_is(const char *name, mode_t mode, gid_t gid)
{
	struct stat st = look(name);

	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_gid, gid);
}

static int apply(int policy)
{
	Grpc__FSGroup fs_group = GRPC__FSGROUP__INIT;
	struct error err = ERROR_INIT;
	char volume[300];

	fs_group.group_id = group();
	fs_group.group_change_policy = policy;
	snprintf(volume, sizeof(volume), "%s", scratch_path("volume"));
	return storage_apply_fs_group(volume, &fs_group, &err);
}

static int setup(void **state)
{
	umask(022);
	scratch_file("outside/secret", "");
	scratch_file("volume/dir/file", "");
	scratch_file("volume/tight", "");
	assert_int_equal(chmod(scratch_path("volume/tight"), 0600), 0);
	assert_int_equal(symlink(scratch_path("outside"), scratch_path("volume/link")), 0);
	assert_int_equal(symlink(".", scratch_path("volume/loop")), 0);
	scratch_mkdir("volume/mounted");
	return mount("t", scratch_path("volume/mounted"), "tmpfs", 0, "mode=0700");
}

static int teardown(void **state)
{
	umount(scratch_path("volume/mounted"));
	scratch_remove();
	return 0;
}

static void test_always(void **state)
{
	assert_int_equal(apply(TYPES__FSGROUP_CHANGE_POLICY__Always), 0);
	assert_is("volume", 02775, group());
	assert_is("volume/dir", 02775, group());
	assert_is("volume/dir/file", 0664, group());
	assert_is("volume/tight", 0660, group());
	/* Behind a link, and on another file system: untouched. */
	assert_is("outside", 0755, getgid());
	assert_is("outside/secret", 0644, getgid());
	assert_is("volume/mounted", 0700, getgid());
	assert_int_equal(look("volume/link").st_gid, getgid());
}

static void test_on_root_mismatch(void **state)
{
	assert_int_equal(chown(scratch_path("volume"), (uid_t)-1, group()), 0);
	assert_int_equal(chmod(scratch_path("volume"), 02770), 0);
	assert_int_equal(apply(TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch), 0);
	assert_is("volume/tight", 0600, getgid());
	assert_int_equal(chmod(scratch_path("volume"), 0770), 0); /* no setgid */
	assert_int_equal(apply(TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch), 0);
	assert_is("volume/tight", 0660, group());
}

static void test_deep(void **state)
{
	int top = open(scratch_path("volume"), O_PATH | O_CLOEXEC), at = dup(top);

	for (int i = 0; i < 2100; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_PATH | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(at);
	assert_true(apply(TYPES__FSGROUP_CHANGE_POLICY__Always) < 0);
	close(top);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_always, setup, teardown),
	cmocka_unit_test_setup_teardown(test_on_root_mismatch, setup, teardown),
	cmocka_unit_test_setup_teardown(test_deep, setup, teardown),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	own_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
