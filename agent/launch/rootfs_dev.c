/*
 * rootfs_dev: fills a container's /dev: default links and nodes, the plan's devices, the console.
 * Part of rootfs.h; called by launch_child. An image may bring a /dev of its own: what is right
 * already is left alone, what is in the way of a node is replaced.
 */
#include "launch/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "launch/root_target.h"

/* OCI runtime spec config-linux.md, "Default Devices" (Documentation/admin-guide/devices.txt). */
static const struct {
	const char *path;
	unsigned major, minor;
} default_devices[] = {
	{"/dev/null", 1, 3},
	{"/dev/zero", 1, 5},
	{"/dev/full", 1, 7},
	{"/dev/random", 1, 8},
	{"/dev/urandom", 1, 9},
	{"/dev/tty", 5, 0},
};

static const struct {
	const char *name, *target;
	bool replace; /* something else there is wrong: a master of the guest's devpts */
} links[] = {
	{"fd", "/proc/self/fd", false},
	{"stdin", "/proc/self/fd/0", false},
	{"stdout", "/proc/self/fd/1", false},
	{"stderr", "/proc/self/fd/2", false},
	{"ptmx", "pts/ptmx", true},
};

static int make_link(int dev, const char *target, const char *name, bool replace, struct error *err)
{
	char old[64];
	ssize_t n;

	if (symlinkat(target, dev, name) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "link /dev/%s to %s", name, target);
	if (!replace)
		return 0;
	n = readlinkat(dev, name, old, sizeof(old) - 1);
	if (n > 0) {
		old[n] = '\0';
		if (str_eq(old, target))
			return 0;
	}
	if (unlinkat(dev, name, 0) < 0 || symlinkat(target, dev, name) < 0)
		return error_errno(err, errno, "replace /dev/%s by a link to %s", name, target);
	return 0;
}

static int make_links(int root, struct error *err)
{
	_cleanup_fd_ int dev = root_target_open(root, "/dev", ROOT_TARGET_DIRECTORY, false, err);
	int r = 0;

	if (dev < 0)
		return dev;
	for (size_t i = 0; i < ARRAY_SIZE(links) && r >= 0; i++)
		r = make_link(dev, links[i].target, links[i].name, links[i].replace, err);
	if (r >= 0 && file_exists("/proc/kcore"))
		r = make_link(dev, "/proc/kcore", "core", false, err);
	return r;
}

/* Where mknod(2) is not allowed (user namespace, no CAP_MKNOD): the guest's node of that name. */
static int bind_device(const struct plan_device *d, int parent, const char *name, struct error *err)
{
	_cleanup_fd_ int target = -1;
	struct stat st;

	if (stat(d->path, &st) < 0)
		return error_errno(err, errno, "bind the guest's %s", d->path);
	if ((st.st_mode & S_IFMT) != d->kind || (d->kind != S_IFIFO && st.st_rdev != d->dev))
		return error_errno(err, EPERM, "the guest's %s is another device", d->path);
	if (mknodat(parent, name, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make %s", d->path);
	target = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return error_errno(err, errno, "open %s", d->path);
	return rootfs_bind(d->path, target, d->path, err);
}

/* 1 when a node of that name is there and is the right one; something else is removed. */
static int clear_the_way(
	const struct plan_device *d, int parent, const char *name, struct error *err)
{
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "stat %s", d->path);
	if ((st.st_mode & S_IFMT) == d->kind && (d->kind == S_IFIFO || st.st_rdev == d->dev))
		return 1;
	if (unlinkat(parent, name, 0) < 0)
		return error_errno(err, errno, "remove what is at %s", d->path);
	return 0;
}

static mode_t device_mode(const struct plan_device *d)
{
	struct stat st;

	if (d->mode)
		return d->mode;
	if (stat(d->path, &st) == 0 && (st.st_mode & S_IFMT) == d->kind)
		return st.st_mode & 07777;
	return 0666;
}

static bool is_as_wanted(const struct plan_device *d, mode_t mode, int parent, const char *name)
{
	struct stat st;

	return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == d->uid &&
	       st.st_gid == d->gid && (st.st_mode & 07777) == mode;
}

/* Mostly there is nothing of that name, so it is made first and looked at afterwards. */
static int make_device(const struct plan_device *d, int parent, const char *name, struct error *err)
{
	mode_t mode = device_mode(d);
	int r = mknodat(parent, name, d->kind | mode, d->dev);

	if (r < 0 && errno == EEXIST) {
		r = clear_the_way(d, parent, name, err);
		if (r < 0)
			return r;
		r = r == 1 ? 0 : mknodat(parent, name, d->kind | mode, d->dev);
	}
	if (r < 0) {
		if (errno != EPERM)
			return error_errno(err, errno, "mknod %s", d->path);
		return bind_device(d, parent, name, err);
	}
	/* Also for one that was there: mode and owner are the spec's. */
	if (is_as_wanted(d, mode, parent, name))
		return 0;
	if (fchownat(parent, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(parent, name, mode, 0) < 0)
		return error_errno(err, errno, "set owner and mode of %s", d->path);
	return 0;
}

static int make_default_devices(int root, struct error *err)
{
	_cleanup_fd_ int dev = root_target_open(root, "/dev", ROOT_TARGET_DIRECTORY, false, err);
	int r = dev < 0 ? dev : 0;

	for (size_t i = 0; i < ARRAY_SIZE(default_devices) && r >= 0; i++) {
		const struct plan_device device = {
			.path = default_devices[i].path,
			.kind = S_IFCHR,
			.dev = makedev(default_devices[i].major, default_devices[i].minor),
			.mode = 0666,
		};

		r = make_device(&device, dev, device.path + strlen("/dev/"), err);
	}
	return r;
}

static int make_planned_device(const struct plan_device *d, int root, struct error *err)
{
	_cleanup_fd_ int parent = -1;
	const char *name;

	parent = root_target_parent(root, d->path, &name, err);
	return parent < 0 ? parent : make_device(d, parent, name, err);
}

int rootfs_make_dev(const struct launch_plan *plan, int root, struct error *err)
{
	int r = make_links(root, err);

	if (r >= 0)
		r = make_default_devices(root, err);
	for (size_t i = 0; i < plan->device_count && r >= 0; i++)
		r = make_planned_device(&plan->devices[i], root, err);
	return r;
}

int rootfs_bind_console(int root, int slave, struct error *err)
{
	_cleanup_fd_ int target = -1;
	char path[FD_PATH_SIZE];

	target = root_target_open(root, "/dev/console", ROOT_TARGET_FILE, false, err);
	if (target < 0)
		return target;
	return rootfs_bind(rootfs_fd_path(slave, path), target, "/dev/console", err);
}
