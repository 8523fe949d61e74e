/* Tests agent/base/path.c. */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static void test_text(void **state)
{
	char out[8];

	assert_true(path_is_absolute("/a"));
	assert_false(path_is_absolute("a"));
	assert_false(path_is_absolute(NULL));
	assert_true(path_has_dotdot(".."));
	assert_true(path_has_dotdot("/a/../b"));
	assert_true(path_has_dotdot("a/.."));
	assert_true(path_has_dotdot("../a"));
	assert_false(path_has_dotdot("/a/..b/c../..."));
	assert_string_equal(path_basename("/a/b"), "b");
	assert_string_equal(path_basename("b"), "b");
	assert_int_equal(path_join(out, sizeof(out), "/a", "b"), 0);
	assert_string_equal(out, "/a/b");
	assert_int_equal(path_join(out, sizeof(out), "/a//", "//b"), 0);
	assert_string_equal(out, "/a/b");
	assert_int_equal(path_join(out, sizeof(out), "/", "b"), 0);
	assert_string_equal(out, "/b");
	assert_int_equal(path_join(out, sizeof(out), "/aaaa", "bb"), -ENAMETOOLONG);
}

static void test_mkdirs(void **state)
{
	char too_long[PATH_MAX + 10];

	assert_int_equal(path_mkdirs(scratch_path("a/b//c/"), 0755), 0);
	assert_int_equal(path_mkdirs(scratch_path("a/b/c"), 0755), 0);
	assert_true(file_exists(scratch_path("a/b/c")));
	scratch_file("a/file", "");
	assert_int_equal(path_mkdirs(scratch_path("a/file"), 0755), -ENOTDIR);
	assert_int_equal(path_mkdirs(scratch_path("a/file/x"), 0755), -ENOTDIR);
	assert_int_equal(path_mkdirs("/", 0755), 0);
	assert_int_equal(path_mkdirs("", 0755), -ENOENT);
	memset(too_long, 'a', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(path_mkdirs(too_long, 0755), -ENAMETOOLONG);
	assert_int_equal(path_mkdir_parents(scratch_path("p/q/file"), 0755), 0);
	assert_true(file_exists(scratch_path("p/q")));
	assert_false(file_exists(scratch_path("p/q/file")));
	assert_int_equal(path_mkdir_parents("/x", 0755), 0);
	assert_int_equal(path_mkdir_parents("x", 0755), 0);
}

static void test_remove_tree(void **state)
{
	int fds = test_count_fds();

	scratch_file("t/a/b/file", "x");
	scratch_file("t/a/file", "x");
	scratch_mkdir("t/empty");
	scratch_file("t/z/y/x/w/file", "x");
	assert_int_equal(path_remove_tree(scratch_path("t")), 0);
	assert_false(file_exists(scratch_path("t")));
	assert_int_equal(path_remove_tree(scratch_path("t")), 0);
	assert_int_equal(path_remove_tree(scratch_path("no/such")), 0);
	assert_int_equal(path_remove_tree(scratch_file("plain", "x")), 0);
	assert_false(file_exists(scratch_path("plain")));
	scratch_mkdir("slash");
	assert_int_equal(path_remove_tree(scratch_path("slash///")), 0);
	assert_false(file_exists(scratch_path("slash")));
	assert_int_equal(path_remove_tree("/"), -EINVAL);
	assert_int_equal(path_remove_tree(scratch_path(".")), -EINVAL);
	assert_int_equal(path_remove_tree(scratch_path("x/..")), -EINVAL);
	assert_int_equal(path_remove_tree(""), -EINVAL);
	assert_int_equal(test_count_fds(), fds);
}

static void test_remove_follows_no_link(void **state)
{
	scratch_file("outside/precious", "x");
	scratch_mkdir("links");
	assert_int_equal(symlink(scratch_path("outside"), scratch_path("links/dir")), 0);
	assert_int_equal(symlink(scratch_path("outside/precious"), scratch_path("links/file")), 0);
	assert_int_equal(symlink("..", scratch_path("links/up")), 0);
	assert_int_equal(symlink("nowhere", scratch_path("links/dangling")), 0);
	assert_int_equal(path_remove_tree(scratch_path("links")), 0);
	assert_true(file_exists(scratch_path("outside/precious")));
	assert_int_equal(symlink(scratch_path("outside"), scratch_path("link")), 0);
	assert_int_equal(path_remove_tree(scratch_path("link")), 0);
	assert_true(file_exists(scratch_path("outside/precious")));
}

/* Deeper than any descriptor limit or path length would allow at once. */
static void test_remove_deep(void **state)
{
	int fd = open(scratch_mkdir("deep"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fds = test_count_fds();

	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "abcdefgh", 0755), 0);
		next = openat(fd, "abcdefgh", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	assert_int_equal(path_remove_tree(scratch_path("deep")), 0);
	assert_false(file_exists(scratch_path("deep")));
	assert_int_equal(test_count_fds(), fds);
	close(fd);
}

static void test_remove_wide(void **state)
{
	scratch_mkdir("wide");
	for (int i = 0; i < 2000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "wide/%d%s", i, i % 4 ? "" : "/sub");
		scratch_file(name, "");
	}
	assert_int_equal(path_remove_tree(scratch_path("wide")), 0);
	assert_false(file_exists(scratch_path("wide")));
}

/* As root here, and as what we are outside: an ordinary user may mount in a namespace of its own.
 */
static int enter_mount_namespace(void)
{
	char users[64], groups[64];
	int user = geteuid() == 0 ? 0 : CLONE_NEWUSER;

	snprintf(users, sizeof(users), "0 %d 1", (int)geteuid());
	snprintf(groups, sizeof(groups), "0 %d 1", (int)getegid());
	if (unshare(CLONE_NEWNS | user) < 0)
		return -1;
	if (user && (file_write("/proc/self/uid_map", users) < 0 ||
			    file_write("/proc/self/setgroups", "deny") < 0 ||
			    file_write("/proc/self/gid_map", groups) < 0))
		return -1;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* A bind mount of the same file system (same st_dev) and a tmpfs, inside and as the top. */
static int remove_around_mounts(void)
{
	if (enter_mount_namespace() < 0)
		return 1;
	if (mount(scratch_path("kept"), scratch_path("m/x/bind"), NULL, MS_BIND, NULL) < 0)
		return 2;
	if (mount("none", scratch_path("m/y/tmp"), "tmpfs", 0, NULL) < 0)
		return 3;
	scratch_file("m/y/tmp/inside", "x");
	if (path_remove_tree(scratch_path("m/x")) != -EBUSY)
		return 4;
	if (path_remove_tree(scratch_path("m/x/bind")) != -EBUSY)
		return 5;
	if (!file_exists(scratch_path("kept/file")))
		return 6;
	if (path_remove_tree(scratch_path("m/y")) != -EBUSY)
		return 7;
	if (!file_exists(scratch_path("m/y/tmp/inside")))
		return 8;
	umount(scratch_path("m/x/bind"));
	umount(scratch_path("m/y/tmp"));
	if (path_remove_tree(scratch_path("m")) != 0 || file_exists(scratch_path("m")))
		return 9;
	return file_exists(scratch_path("kept/file")) ? 0 : 10;
}

static void test_remove_enters_no_mount(void **state)
{
	int status;
	pid_t pid;

	scratch_file("kept/file", "x");
	scratch_file("m/x/file", "x");
	scratch_mkdir("m/x/bind");
	scratch_file("m/y/file", "x");
	scratch_mkdir("m/y/tmp");
	pid = fork();
	if (pid == 0)
		_exit(remove_around_mounts());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_open_in_root(void **state)
{
	_cleanup_fd_ int root = -1, fd = -1;
	char out[16] = "";

	scratch_file("root/etc/passwd", "inside");
	scratch_file("secret", "outside");
	assert_int_equal(symlink("/etc/passwd", scratch_path("root/absolute")), 0);
	assert_int_equal(symlink("../../../../secret", scratch_path("root/escape")), 0);
	root = open(scratch_path("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = path_open_in_root(root, "/absolute", O_RDONLY);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read(fd, out, sizeof(out) - 1), 6);
	assert_string_equal(out, "inside");
	assert_int_equal(path_open_in_root(root, "escape", O_RDONLY), -ENOENT);
	assert_int_equal(path_open_in_root(root, "../secret", O_RDONLY), -ENOENT);
}

/* Not even a link that stays below. */
static void test_open_beneath(void **state)
{
	_cleanup_fd_ int root = -1, fd = -1;

	scratch_file("tree/folder/file", "inside");
	assert_int_equal(symlink("folder", scratch_path("tree/link")), 0);
	root = open(scratch_path("tree"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = path_open_beneath(root, "folder/file", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(path_open_beneath(root, "link/file", O_RDONLY), -ELOOP);
	assert_int_equal(path_open_beneath(root, "link", O_RDONLY), -ELOOP);
	assert_int_equal(path_open_beneath(root, "../secret", O_RDONLY), -EXDEV);
	assert_int_equal(path_open_beneath(root, "/etc", O_RDONLY), -EXDEV);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_text),
	cmocka_unit_test(test_mkdirs),
	cmocka_unit_test(test_remove_tree),
	cmocka_unit_test(test_remove_follows_no_link),
	cmocka_unit_test(test_remove_deep),
	cmocka_unit_test(test_remove_wide),
	cmocka_unit_test(test_remove_enters_no_mount),
	cmocka_unit_test(test_open_in_root),
	cmocka_unit_test(test_open_beneath),
};
TEST_MAIN(tests)
