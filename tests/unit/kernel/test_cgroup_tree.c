/* How much of a tree is done at once. Ordinary directories: the code knows nothing but those. */
#include "kernel/cgroup_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static void make_many(const char *dir, unsigned count)
{
	char path[PATH_MAX];

	for (unsigned i = 0; i < count; i++) {
		str_format(path, sizeof(path), "%s/%u", dir, i);
		assert_int_equal(mkdir(path, 0755), 0);
	}
}

static int count_one(int parent, const char *name, int dir, void *context)
{
	++*(unsigned *)context;
	return 0;
}

static int count_all(const char *path, unsigned *count)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*count = 0;
	return cgroup_tree_walk(fd, CGROUP_DESCENDANTS_MAX, count_one, count);
}

static void test_walk_is_bounded(void **state)
{
	const char *dir = scratch_mkdir("walk");
	unsigned count;

	make_many(dir, CGROUP_DESCENDANTS_MAX);
	assert_int_equal(count_all(dir, &count), 0);
	assert_int_equal(count, CGROUP_DESCENDANTS_MAX);
	/* one more, below one of the others */
	assert_int_equal(mkdir(scratch_path("walk/7/below"), 0755), 0);
	assert_int_equal(count_all(dir, &count), -E2BIG);
	assert_in_range(count, CGROUP_DESCENDANTS_MAX - 1, CGROUP_DESCENDANTS_MAX);
}

static void test_removal_takes_turns(void **state)
{
	char dir[PATH_MAX], path[PATH_MAX];
	unsigned before = 3 * CGROUP_REMOVE_TURN + 10, count, turns = 0;
	int r;

	str_copy(dir, sizeof(dir), scratch_mkdir("many"));
	make_many(dir, 10);
	for (unsigned i = 0; i < 3; i++) {
		str_format(path, sizeof(path), "%s/%u", dir, i);
		make_many(path, CGROUP_REMOVE_TURN);
	}
	while ((r = cgroup_tree_remove(dir)) == -EINPROGRESS) {
		turns++;
		assert_int_equal(count_all(dir, &count), 0);
		assert_int_equal(count, before - CGROUP_REMOVE_TURN);
		before = count;
	}
	assert_int_equal(r, 0);
	assert_int_equal(turns, 3);
	assert_int_equal(access(dir, F_OK), -1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_walk_is_bounded),
	cmocka_unit_test(test_removal_takes_turns),
};

int main(void)
{
	test_begin(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
