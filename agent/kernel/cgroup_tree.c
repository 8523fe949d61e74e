/* cgroup_tree: see cgroup_tree.h. */
#include "kernel/cgroup_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "hard_limits.h"

/*
 * On directories above containers' groups that we made. Kept in the kernel, not in a struct:
 * several containers may share one, and the last to go takes it along, whoever made it.
 */
#define MADE_BY_US "trusted.cradle"

/* Removes the directories above path that we made, innermost first, up to one that is in use. */
static void remove_made_above(const char *path)
{
	char dir[PATH_MAX], *slash;

	str_copy(dir, sizeof(dir), path);
	while ((slash = strrchr(dir, '/')) && slash != dir) {
		*slash = '\0';
		if (getxattr(dir, MADE_BY_US, NULL, 0) >= 0 ? rmdir(dir) < 0 : errno != ENOENT)
			return;
	}
}

/* *made: the last component is there, and is ours. */
static int make_components(
	const char *mount, const char *path, cgroup_made_fn visit, bool *made, struct error *err)
{
	char dir[PATH_MAX];
	char *p;

	str_copy(dir, sizeof(dir), path);
	for (p = dir + strlen(mount) + 1; p; *p++ = '/') {
		bool last;

		p = strchr(p, '/');
		last = !p;
		if (p)
			*p = '\0';
		if (mkdir(dir, 0755) == 0) {
			*made = last;
			if (!last)
				setxattr(dir, MADE_BY_US, "", 0, 0);
		} else if (errno != EEXIST) {
			return error_errno(err, errno, "make cgroup %s", dir);
		} else if (last) {
			return error_set(err, STATUS_ALREADY_EXISTS, EEXIST, "make cgroup %s", dir);
		}
		if (visit)
			visit(mount, dir, last);
		if (last)
			return 0;
	}
	return 0;
}

int cgroup_tree_make(const char *mount, const char *path, cgroup_made_fn visit, struct error *err)
{
	bool made = false;
	int r = make_components(mount, path, visit, &made, err);

	if (r == 0)
		return 0;
	if (made)
		rmdir(path);
	remove_made_above(path);
	return r;
}

struct tree_walk {
	cgroup_tree_fn visit;
	void *context;
	unsigned left; /* groups that may still be visited */
};

static int walk(struct tree_walk *all, int parent, unsigned depth)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	/* every directory below is a child group */
	while ((entry = readdir(dir))) {
		int child, r;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (depth == 0)
			return -ELOOP;
		if (all->left == 0)
			return -E2BIG;
		all->left--;
		child = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (child < 0)
			continue;
		r = walk(all, child, depth - 1);
		if (r == 0)
			r = all->visit(fd, entry->d_name, child, all->context);
		close(child);
		if (r != 0)
			return r;
	}
	return 0;
}

int cgroup_tree_walk(int dir, unsigned most, cgroup_tree_fn visit, void *context)
{
	struct tree_walk all = {visit, context, most};

	return walk(&all, dir, CGROUP_DEPTH_MAX);
}

/* What is left starts the next turn: nothing has to be remembered. */
static int remove_one(int parent, const char *name, int dir, void *context)
{
	unsigned *left = context;

	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return --*left == 0 ? -EINPROGRESS : 0;
}

static int remove_below(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned left = CGROUP_REMOVE_TURN;

	if (fd < 0)
		return -errno;
	return cgroup_tree_walk(fd, CGROUP_DESCENDANTS_MAX, remove_one, &left);
}

int cgroup_tree_remove(const char *path)
{
	int r = 0;

	/* one without groups below needs no descriptor: it is removed when there are none, too */
	if (rmdir(path) < 0 && errno != ENOENT) {
		r = remove_below(path);
		if (r < 0 && r != -ENOENT)
			return r;
		if (rmdir(path) < 0 && errno != ENOENT)
			return -errno;
	}
	remove_made_above(path);
	return 0;
}
