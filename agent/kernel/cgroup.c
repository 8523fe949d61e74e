/* cgroup: see cgroup.h. Called by sandbox/ when containers come and go, and by main at start. */
#include "kernel/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strings.h"
#include "hard_limits.h"

/*
 * On directories above containers' groups that we made. Kept in the kernel, not in a struct:
 * several containers may share one, and the last to go takes it along, whoever made it.
 */
#define MADE_BY_US "trusted.cradle"

static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Is the word in a list with blanks between? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ' ') && strchr(" \n", at[len]))
			return true;
	return false;
}

/*
 * One write per controller: a controller that cannot be enabled must not take the others along.
 * What is enabled already, as in the parent of all containers, is only read.
 */
static void enable_controllers(const char *mount, const char *dir)
{
	char path[PATH_MAX], list[256], enabled[256], word[64];
	const char *p = list;
	int used;

	if (path_join(path, sizeof(path), mount, "cgroup.controllers") < 0 ||
		file_read(path, list, sizeof(list)) < 0)
		return;
	if (path_join(path, sizeof(path), dir, "cgroup.subtree_control") < 0)
		return;
	if (file_read(path, enabled, sizeof(enabled)) < 0)
		enabled[0] = '\0';
	for (; sscanf(p, "%62s%n", word + 1, &used) == 1; p += used) {
		word[0] = '+';
		if (!has_word(enabled, word + 1))
			file_write(path, word);
	}
}

int cgroup_root_open(struct cgroup_root *root, const char *parent, struct error *err)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	const char *mount = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(mounts) && !mount; i++)
		if (is_cgroup2(mounts[i]))
			mount = mounts[i];
	if (!mount)
		return error_errno(
			err, ENODEV, "find cgroup2 at /sys/fs/cgroup or /sys/fs/cgroup/unified");
	str_copy(root->mount, sizeof(root->mount), mount);
	str_copy(root->base, sizeof(root->base), mount);
	if (!parent)
		return 0;
	enable_controllers(mount, mount);
	if (path_join(root->base, sizeof(root->base), mount, parent) < 0)
		return error_invalid(err, "cgroup parent '%s' is too long", parent);
	if (mkdir(root->base, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make cgroup %s", root->base);
	enable_controllers(mount, root->base);
	return 0;
}

int cgroup_path_for(const struct cgroup_root *root, const char *cgroups_path,
	const char *container_id, char *out, size_t size, struct error *err)
{
	char relative[PATH_MAX];

	if (str_empty(cgroups_path))
		cgroups_path = container_id;
	while (*cgroups_path == '/')
		cgroups_path++;
	if (str_copy(relative, sizeof(relative), cgroups_path) < 0)
		return error_invalid(
			err, "Linux.CgroupsPath is longer than %d bytes", PATH_MAX - 1);
	for (char *p = relative; *p; p++)
		if (*p == ':')
			*p = '/';
	if (!relative[strspn(relative, "/.")] || path_has_dotdot(relative))
		return error_invalid(
			err, "Linux.CgroupsPath '%s' does not name a group", cgroups_path);
	if (path_join(out, size, root->base, relative) < 0)
		return error_invalid(err, "Linux.CgroupsPath '%s' is too long", cgroups_path);
	return 0;
}

void cgroup_init(struct cgroup *cgroup)
{
	cgroup->path[0] = '\0';
	cgroup->fd = -1;
}

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

/* mkdir every component below the root's mount. *made: the last one is there, and is ours. */
static int make_components(
	const struct cgroup_root *root, const char *path, bool *made, struct error *err)
{
	char dir[PATH_MAX];
	char *p;

	str_copy(dir, sizeof(dir), path);
	for (p = dir + strlen(root->mount) + 1; p; *p++ = '/') {
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
		if (last)
			return 0;
		enable_controllers(root->mount, dir);
	}
	return 0;
}

/* Kernels before 4.14 have no such files: there the walk of the removal has its own end. */
static void bound_nesting(int fd)
{
	char number[16];

	str_format(number, sizeof(number), "%d", CGROUP_DEPTH_MAX);
	file_write_at(fd, "cgroup.max.depth", number);
	str_format(number, sizeof(number), "%d", CGROUP_DESCENDANTS_MAX);
	file_write_at(fd, "cgroup.max.descendants", number);
}

int cgroup_create(
	struct cgroup *cgroup, const struct cgroup_root *root, const char *path, struct error *err)
{
	bool made = false;
	int fd, r;

	if (str_eq(root->base, root->mount))
		enable_controllers(root->mount, root->mount);
	r = make_components(root, path, &made, err);
	if (r < 0)
		goto undo;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		r = error_errno(err, errno, "open cgroup %s", path);
		goto undo;
	}
	str_copy(cgroup->path, sizeof(cgroup->path), path);
	cgroup->fd = fd;
	bound_nesting(fd);
	return 0;
undo:
	if (made)
		rmdir(path);
	remove_made_above(path);
	return r;
}

int cgroup_kill(const struct cgroup *cgroup)
{
	return file_write_at(cgroup->fd, "cgroup.kill", "1");
}

int cgroup_freeze(const struct cgroup *cgroup, bool freeze)
{
	return file_write_at(cgroup->fd, "cgroup.freeze", freeze ? "1" : "0");
}

int cgroup_populated(const struct cgroup *cgroup)
{
	char text[256];
	uint64_t value;
	int r;

	r = file_read_at(cgroup->fd, "cgroup.events", text, sizeof(text));
	if (r < 0)
		return r;
	r = parse_keyed_u64(text, "populated", &value);
	return r < 0 ? r : value != 0;
}

/* Depth first; every directory below is a child group (files of cgroupfs cannot be removed). */
static int remove_below(int parent, unsigned depth)
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
	while ((entry = readdir(dir))) {
		int child, r;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (depth == 0)
			return -ELOOP;
		child = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (child < 0)
			continue;
		r = remove_below(child, depth - 1);
		close(child);
		if (r == 0 && unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			r = -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_remove(struct cgroup *cgroup)
{
	int r;

	if (cgroup->fd < 0)
		return 0;
	r = remove_below(cgroup->fd, CGROUP_DEPTH_MAX);
	if (r < 0 && r != -ENOENT)
		return r;
	if (rmdir(cgroup->path) < 0 && errno != ENOENT)
		return -errno;
	remove_made_above(cgroup->path);
	cgroup_release(cgroup);
	return 0;
}

void cgroup_release(struct cgroup *cgroup)
{
	close_fd(&cgroup->fd);
	cgroup_init(cgroup);
}
