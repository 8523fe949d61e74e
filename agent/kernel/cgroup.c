/* cgroup: see cgroup.h. Called by sandbox/ when containers come and go, and by main at start. */
#include "kernel/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "kernel/cgroup_tree.h"
#include "kernel/cgroup_versions.h"

/* ---- hierarchies ---- */

/* Where processes are looked for on a machine with v1 alone: the freezer can stop them there. */
static const struct cgroup_hierarchy *home_of_v1(const struct cgroup_hierarchies *v1)
{
	static const char *const wanted[] = {"freezer", "pids", "memory", "devices"};
	const struct cgroup_hierarchy *home = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(wanted) && !home; i++)
		home = cgroup_hierarchies_find(v1, wanted[i]);
	return home ? home : v1->count ? &v1->list[0] : NULL;
}

static int find_home(struct cgroup_root *root, struct error *err)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	const struct cgroup_hierarchy *home;

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
		if (cgroup_v2_mounted_at(mounts[i]))
			return str_copy(root->mount, sizeof(root->mount), mounts[i]);
	home = home_of_v1(&root->v1);
	if (!home)
		return error_errno(err, ENODEV,
			"find cgroup2 at /sys/fs/cgroup or /sys/fs/cgroup/unified, or a mounted "
			"cgroup v1 hierarchy");
	root->v1_only = true;
	return str_copy(root->mount, sizeof(root->mount), home->mount);
}

static int make_parent(struct cgroup_root *root, const char *parent, struct error *err)
{
	if (path_join(root->base, sizeof(root->base), root->mount, parent) < 0)
		return error_invalid(err, "cgroup parent '%s' is too long", parent);
	if (!root->v1_only)
		cgroup_v2_enable(root->mount, root->mount);
	if (mkdir(root->base, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make cgroup %s", root->base);
	if (!root->v1_only)
		cgroup_v2_enable(root->mount, root->base);
	return 0;
}

int cgroup_root_open(struct cgroup_root *root, const char *parent, struct error *err)
{
	int r;

	memset(root, 0, sizeof(*root));
	r = cgroup_hierarchies_read(&root->v1, NULL);
	if (r < 0)
		return error_errno(err, -r, "read /proc/self/mountinfo");
	r = find_home(root, err);
	if (r < 0)
		return r;
	str_copy(root->base, sizeof(root->base), root->mount);
	return parent ? make_parent(root, parent, err) : 0;
}

bool cgroup_root_v1_has(const struct cgroup_root *root, const char *controller)
{
	return root && cgroup_hierarchies_find(&root->v1, controller);
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

/* ---- one group ---- */

void cgroup_init(struct cgroup *cgroup)
{
	cgroup->path = NULL;
	cgroup->root = NULL;
}

bool cgroup_exists(const struct cgroup *cgroup)
{
	return cgroup->path != NULL;
}

int cgroup_open(const struct cgroup *cgroup)
{
	int fd;

	if (!cgroup_exists(cgroup))
		return -EBADF;
	fd = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static const char *relative_path(const struct cgroup *cgroup)
{
	return cgroup->path + strlen(cgroup->root->mount);
}

int cgroup_dir(const struct cgroup *cgroup, const char *controller, char *out, size_t size)
{
	const struct cgroup_hierarchy *v1 =
		cgroup->root ? cgroup_hierarchies_find(&cgroup->root->v1, controller) : NULL;

	if (v1)
		return str_format(out, size, "%s%s", v1->mount, relative_path(cgroup)) < 0
			       ? -ENAMETOOLONG
			       : 0;
	if (!cgroup_exists(cgroup) || (cgroup->root && cgroup->root->v1_only))
		return -ENOENT;
	return str_copy(out, size, cgroup->path);
}

/* A control file of home's directory. */
static int home_file(const struct cgroup *cgroup, const char *file, char *out, size_t size)
{
	return cgroup_exists(cgroup) ? path_join(out, size, cgroup->path, file) : -EBADF;
}

ssize_t cgroup_read(const struct cgroup *cgroup, const char *controller, const char *file,
	char *out, size_t size)
{
	char dir[PATH_MAX], path[PATH_MAX];
	int r = cgroup_dir(cgroup, controller, dir, sizeof(dir));

	if (r == 0)
		r = path_join(path, sizeof(path), dir, file);
	return r < 0 ? r : file_read(path, out, size);
}

int cgroup_write(
	const struct cgroup *cgroup, const char *controller, const char *file, const char *value)
{
	char dir[PATH_MAX], path[PATH_MAX];
	int r = cgroup_dir(cgroup, controller, dir, sizeof(dir));

	if (r == 0)
		r = path_join(path, sizeof(path), dir, file);
	return r < 0 ? r : file_write(path, value);
}

static void made_v2(const char *mount, const char *dir, bool last)
{
	if (!last)
		cgroup_v2_enable(mount, dir);
}

static void made_cpuset(const char *mount, const char *dir, bool last)
{
	cgroup_v1_fill_cpuset(dir);
}

/* v1: its directories, home's among them when home is v1; up to `count` hierarchies. */
static void remove_v1(const struct cgroup_root *root, const char *relative, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char path[PATH_MAX];

		str_format(path, sizeof(path), "%s%s", root->v1.list[i].mount, relative);
		cgroup_tree_remove(path);
	}
}

static int make_v1(const struct cgroup_root *root, const char *relative, struct error *err)
{
	const struct cgroup_hierarchy *cpuset = cgroup_hierarchies_find(&root->v1, "cpuset");

	for (size_t i = 0; i < root->v1.count; i++) {
		const struct cgroup_hierarchy *h = &root->v1.list[i];
		char path[PATH_MAX];
		int r = str_format(path, sizeof(path), "%s%s", h->mount, relative);

		if (r < 0)
			r = error_errno(err, -r, "make cgroup %s%s", h->mount, relative);
		else
			r = cgroup_tree_make(h->mount, path, h == cpuset ? made_cpuset : NULL, err);
		if (r < 0) {
			remove_v1(root, relative, i);
			return r;
		}
	}
	return 0;
}

static int make_directories(const struct cgroup_root *root, const char *path, struct error *err)
{
	int r;

	if (root->v1_only)
		return make_v1(root, path + strlen(root->mount), err);
	if (str_eq(root->base, root->mount))
		cgroup_v2_enable(root->mount, root->mount);
	r = cgroup_tree_make(root->mount, path, made_v2, err);
	if (r < 0)
		return r;
	r = make_v1(root, path + strlen(root->mount), err);
	if (r < 0)
		cgroup_tree_remove(path);
	return r;
}

/* Takes path. */
static int settle(
	struct cgroup *cgroup, const struct cgroup_root *root, char *path, struct error *err)
{
	_cleanup_fd_ int fd = -1;

	cgroup->path = path;
	cgroup->root = root;
	if (root->v1_only)
		return 0;
	fd = cgroup_open(cgroup);
	if (fd >= 0) {
		cgroup_v2_bound_nesting(fd);
		return 0;
	}
	error_errno(err, -fd, "open cgroup %s", path);
	remove_v1(root, relative_path(cgroup), root->v1.count);
	cgroup_tree_remove(path);
	cgroup_release(cgroup);
	return fd;
}

int cgroup_create(
	struct cgroup *cgroup, const struct cgroup_root *root, const char *path, struct error *err)
{
	char *copy = strdup(path);
	int r;

	if (!copy)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "make cgroup %s", path);
	r = make_directories(root, path, err);
	if (r < 0) {
		free(copy);
		return r;
	}
	return settle(cgroup, root, copy, err);
}

int cgroup_open_for_clone(const struct cgroup *cgroup, int *ret)
{
	int fd = -1;

	if (!(cgroup->root && cgroup->root->v1_only)) {
		fd = cgroup_open(cgroup);
		if (fd < 0)
			return fd;
	}
	*ret = fd;
	return 0;
}

/* "0::/POD/ID/init", as seen from the root of the hierarchy: what comes behind our own path. */
static int path_below(const struct cgroup *cgroup, pid_t pid, char *out, size_t size)
{
	const char *own = relative_path(cgroup), *found;
	char path[64], text[4096];
	int r;

	str_format(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	r = (int)file_read(path, text, sizeof(text));
	if (r < 0)
		return r;
	found = str_starts(text, "0::") ? text : strstr(text, "\n0::");
	found = found ? strchr(found, '/') : NULL;
	if (!found)
		return -ENOENT;
	text[(size_t)(found - text) + strcspn(found, "\n")] = '\0';
	if (!str_starts(found, own) || !strchr("/", found[strlen(own)]))
		return -EXDEV;
	found += strlen(own);
	return str_copy(out, size, *found ? found + 1 : ".");
}

int cgroup_open_beside(const struct cgroup *cgroup, pid_t beside, int *ret)
{
	char text[4096];
	_cleanup_fd_ int own = -1;
	int fd, r = cgroup_open_for_clone(cgroup, &own);

	if (r < 0 || own < 0 ||
		file_read_at(own, "cgroup.subtree_control", text, sizeof(text)) <= 1) {
		*ret = r < 0 ? -1 : take_fd(&own);
		return r;
	}
	r = path_below(cgroup, beside, text, sizeof(text));
	if (r < 0)
		return r;
	fd = openat(own, text, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int cgroup_kill(const struct cgroup *cgroup)
{
	char path[PATH_MAX];
	int r;

	if (cgroup->root->v1_only)
		return cgroup_v1_kill(cgroup);
	r = home_file(cgroup, "cgroup.kill", path, sizeof(path));
	return r < 0 ? r : file_write(path, "1");
}

int cgroup_freeze(const struct cgroup *cgroup, bool freeze)
{
	char path[PATH_MAX];
	int r = -ENOENT;

	if (!cgroup->root->v1_only) {
		r = home_file(cgroup, "cgroup.freeze", path, sizeof(path));
		if (r == 0)
			r = file_write(path, freeze ? "1" : "0");
	}
	/* a hybrid machine with a kernel before 5.2 */
	if (r == -ENOENT && cgroup->root->v1.count)
		r = cgroup_v1_freeze(cgroup, freeze);
	return r;
}

int cgroup_populated(const struct cgroup *cgroup)
{
	_cleanup_fd_ int fd = cgroup_open(cgroup);

	if (fd < 0)
		return fd;
	return cgroup->root->v1_only ? cgroup_v1_populated(fd) : cgroup_v2_populated(fd);
}

int cgroup_remove(struct cgroup *cgroup)
{
	int r = 0;

	if (!cgroup_exists(cgroup))
		return 0;
	for (size_t i = 0; i < cgroup->root->v1.count; i++) {
		char path[PATH_MAX];
		int one;

		str_format(path, sizeof(path), "%s%s", cgroup->root->v1.list[i].mount,
			relative_path(cgroup));
		one = cgroup_tree_remove(path);
		if (one == -EINPROGRESS)
			return one;
		if (r == 0)
			r = one;
	}
	if (r == 0 && !cgroup->root->v1_only)
		r = cgroup_tree_remove(cgroup->path);
	if (r == 0)
		cgroup_release(cgroup);
	return r;
}

void cgroup_release(struct cgroup *cgroup)
{
	free(cgroup->path);
	cgroup_init(cgroup);
}
