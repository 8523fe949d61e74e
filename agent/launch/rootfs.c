/*
 * rootfs: see rootfs.h. Targets are opened inside the root first and mounted on by descriptor, so a
 * link in the image cannot make us mount anywhere else.
 */
#include "launch/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "kernel/mount.h"
#include "kernel/mount_tree.h"
#include "launch/copy_up.h"
#include "launch/root_target.h"

const char *rootfs_fd_path(int fd, char out[FD_PATH_SIZE])
{
	snprintf(out, FD_PATH_SIZE, "/proc/self/fd/%d", fd);
	return out;
}

static bool is_on(int fd, unsigned long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type == magic;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- the root itself ------------------------------------------------------------------------ */

/* No component of it may be a link: mountinfo would name it otherwise. */
static int open_plain_directory(const char *path, struct error *err)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0)
		return error_errno(err, errno, "open the root file system %s", path);
	return fd;
}

int rootfs_open(const struct launch_plan *plan, struct error *err)
{
	_cleanup_fd_ int below = -1, root = -1;
	int r = mount_set_propagation("/", MS_REC | MS_SLAVE, err);

	if (r < 0)
		return r;
	below = open_plain_directory(plan->rootfs, err);
	if (below < 0)
		return below;
	/* Recursive: a user namespace may not look under mounts that it did not make. */
	root = mount_tree_clone_fd(below, true, plan->rootfs, err);
	if (root < 0)
		return root;
	/* pivot_root(2) wants a mount that is not shared; what happens in it stays in it. */
	r = mount_tree_change(root, 0, 0, MS_REC | MS_PRIVATE, false, plan->rootfs, err);
	if (r >= 0)
		r = mount_tree_attach(root, below, plan->rootfs, err);
	return r < 0 ? r : take_fd(&root);
}

/* ---- mounts --------------------------------------------------------------------------------- */

static int open_target(const struct plan_mount *m, int root, bool directory, struct error *err)
{
	_cleanup_fd_ int target = root_target_open(root, m->destination,
		directory ? ROOT_TARGET_DIRECTORY : ROOT_TARGET_FILE, m->plain_target, err);

	if (target < 0)
		return target;
	/* By where a link led: the plan has checked the words only. */
	if ((m->flags & MS_BIND) && !m->over_proc && !m->from_proc && !m->plain_target &&
		is_on(target, PROC_SUPER_MAGIC))
		return error_set(
			err, STATUS_INVALID_ARGUMENT, EPERM, "a bind must not lie inside /proc");
	return take_fd(&target);
}

static int mount_bind_at(const struct plan_mount *m, int root, struct error *err)
{
	_cleanup_fd_ int tree = mount_tree_clone(m->source, m->flags & MS_REC, err), target = -1;
	int r;

	if (tree < 0)
		return tree;
	if (m->from_proc && !is_on(tree, PROC_SUPER_MAGIC))
		return error_set(err, STATUS_INVALID_ARGUMENT, EPERM,
			"only a proc file system may be bound on /proc");
	target = open_target(m, root, is_directory(tree), err);
	if (target < 0)
		return target;
	r = mount_tree_change(tree, m->all_set, m->all_cleared, 0, true, m->destination, err);
	if (r >= 0)
		r = mount_tree_change(
			tree, m->flags, m->cleared, m->propagation, false, m->destination, err);
	return r < 0 ? r : mount_tree_attach(tree, target, m->destination, err);
}

/*
 * A user namespace may mount sysfs and mqueue only with network and ipc namespaces of its own; what
 * it shares it gets as the guest has it, or as the parent has made it. 1: no such case.
 */
static int mount_shared(const struct launch_plan *plan, const struct plan_mount *m, int root,
	int target, int mqueue, struct error *err)
{
	struct plan_mount bind = *m;
	int r;

	if (!plan->uid_map)
		return 1;
	if (str_eq(m->type, "mqueue") && mqueue >= 0) {
		r = mount_tree_change(
			mqueue, m->flags, m->cleared, m->propagation, false, m->destination, err);
		return r < 0 ? r : mount_tree_attach(mqueue, target, m->destination, err);
	}
	if (!str_eq(m->type, "sysfs"))
		return 1;
	bind.source = "/sys";
	bind.flags = m->flags | MS_BIND | MS_REC;
	return mount_bind_at(&bind, root, err);
}

static int mount_new_at(const struct launch_plan *plan, const struct plan_mount *m, int root,
	int mqueue, struct error *err)
{
	_cleanup_fd_ int target = open_target(m, root, true, err), top = -1;
	const char *source = str_empty(m->source) ? m->type : m->source;
	struct error own = ERROR_INIT;
	char path[FD_PATH_SIZE];
	int r;

	if (target < 0)
		return target;
	r = mount_call(source, rootfs_fd_path(target, path), m->type, m->flags, m->data, &own);
	if (r == -EPERM) {
		int shared = mount_shared(plan, m, root, target, mqueue, err);

		if (shared <= 0)
			return shared;
	}
	if (r < 0) {
		if (err)
			*err = own;
		return r;
	}
	if (!m->propagation && !m->copy_up)
		return 0;
	top = root_target_open(root, m->destination, ROOT_TARGET_EXISTING, false, err);
	if (top < 0)
		return top;
	r = m->copy_up ? copy_up(target, top, err) : 0;
	return r < 0 ? r : mount_tree_change(top, 0, 0, m->propagation, false, m->destination, err);
}

int rootfs_mount_all(const struct launch_plan *plan, int root, int mqueue, struct error *err)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct plan_mount *m = &plan->mounts[i];
		int r = m->flags & MS_BIND ? mount_bind_at(m, root, err)
					   : mount_new_at(plan, m, root, mqueue, err);

		if (r < 0)
			return error_prefix(err, "%s", m->what);
	}
	return 0;
}

int rootfs_bind(const char *source, int target, const char *what, struct error *err)
{
	_cleanup_fd_ int tree = mount_tree_clone(source, false, err);

	if (tree < 0)
		return tree;
	return mount_tree_attach(tree, target, what, err);
}

/* ---- sealing -------------------------------------------------------------------------------- */

/* Files are covered by /dev/null, directories by an empty read-only tmpfs. */
static int mask(int root, const char *path, struct error *err)
{
	_cleanup_fd_ int target = -1;
	char fd_path[FD_PATH_SIZE];

	target = root_target_open(root, path, ROOT_TARGET_EXISTING, false, err);
	if (target == -ENOENT || target == -ENOTDIR)
		return 1;
	if (target < 0)
		return target;
	if (!is_directory(target))
		return rootfs_bind("/dev/null", target, path, err);
	return mount_call("tmpfs", rootfs_fd_path(target, fd_path), "tmpfs",
		MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755", err);
}

/* What is mounted below becomes read-only with it. */
static int make_readonly(int root, const char *path, struct error *err)
{
	_cleanup_fd_ int target = -1, tree = -1;
	int r;

	target = root_target_open(root, path, ROOT_TARGET_EXISTING, false, err);
	if (target == -ENOENT || target == -ENOTDIR)
		return 1;
	if (target < 0)
		return target;
	tree = mount_tree_clone_fd(target, true, path, err);
	if (tree < 0)
		return tree;
	r = mount_tree_change(tree, MS_RDONLY, 0, 0, true, path, err);
	return r < 0 ? r : mount_tree_attach(tree, target, path, err);
}

/* A path that is missing is no error: then there is nothing to hide. */
static int seal_paths(const char *const *paths, size_t count, int root,
	int (*seal)(int root, const char *path, struct error *err), struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		struct error own = ERROR_INIT;
		int r = seal(root, paths[i], &own);

		if (r >= 0)
			continue;
		if (err)
			*err = own;
		return r;
	}
	return 0;
}

static int make_cwd(const struct launch_plan *plan, int root, struct error *err)
{
	int fd = root_target_open(root, plan->cwd, ROOT_TARGET_DIRECTORY, false, err);

	if (fd < 0)
		return error_prefix(err, "working directory");
	close(fd);
	return 0;
}

static int late_readonly(const struct launch_plan *plan, int root, struct error *err)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct plan_mount *m = &plan->mounts[i];
		_cleanup_fd_ int top = -1;
		int r;

		if (!m->late_readonly)
			continue;
		top = root_target_open(root, m->destination, ROOT_TARGET_EXISTING, false, err);
		if (top < 0)
			return top;
		r = mount_tree_change(top, MS_RDONLY, 0, 0, false, m->destination, err);
		if (r < 0)
			return error_prefix(err, "%s", m->what);
	}
	return 0;
}

int rootfs_seal(const struct launch_plan *plan, int root, struct error *err)
{
	int r = make_cwd(plan, root, err);

	if (r >= 0)
		r = seal_paths(
			plan->readonly_paths, plan->readonly_count, root, make_readonly, err);
	if (r >= 0)
		r = seal_paths(plan->masked_paths, plan->masked_count, root, mask, err);
	if (r >= 0)
		r = late_readonly(plan, root, err);
	if (r >= 0 && plan->readonly_root)
		r = mount_tree_change(root, MS_RDONLY, 0, 0, false, "the root", err);
	return r;
}

/* ---- entering ------------------------------------------------------------------------------- */

static int enter_by_pivot(struct error *err)
{
	/* The old root ends up on top of the new one (pivot_root(2), "."), from where it is taken.
	 */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return error_errno(err, errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return error_errno(err, errno, "detach the guest's root");
	return 0;
}

struct detach_list {
	const char *keep; /* the root file system */
	size_t keep_len;
	size_t len;
	char points[32768]; /* NUL-separated; what does not fit stays, unreachable for paths from /
			     */
};

static int note_mount(const struct mount_entry *entry, void *context)
{
	struct detach_list *list = context;
	const char *point = entry->mount_point;
	size_t n = strlen(point) + 1;

	if (str_eq(point, "/") || n > sizeof(list->points) - list->len)
		return 0;
	if (strncmp(point, list->keep, list->keep_len) == 0 &&
		(point[list->keep_len] == '\0' || point[list->keep_len] == '/'))
		return 0;
	memcpy(list->points + list->len, point, n);
	list->len += n;
	return 0;
}

/*
 * The initramfs cannot be pivoted away. The root is moved over it, and the guest's other mounts are
 * detached, which also keeps their file systems free to be unmounted by the agent. They are found
 * by their old names until chroot(2), because our own root is still below the moved one.
 */
static int enter_by_move(const struct launch_plan *plan, struct error *err)
{
	struct detach_list list = {.keep = plan->rootfs, .keep_len = strlen(plan->rootfs)};
	int r = mountinfo_for_each(NULL, note_mount, &list);

	if (r < 0)
		return error_errno(err, -r, "read /proc/self/mountinfo");
	r = mount_call(".", "/", NULL, MS_MOVE, NULL, err);
	if (r < 0)
		return r;
	/* EINVAL: it went with the mount it lay on. */
	for (const char *p = list.points; p < list.points + list.len; p += strlen(p) + 1)
		umount2(p, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (chroot(".") < 0)
		return error_errno(err, errno, "chroot");
	return 0;
}

int rootfs_enter(const struct launch_plan *plan, int root, struct error *err)
{
	int r;

	if (fchdir(root) < 0)
		return error_errno(err, errno, "enter the root file system");
	r = plan->no_pivot ? enter_by_move(plan, err) : enter_by_pivot(err);
	if (r < 0)
		return r;
	if (chdir("/") < 0)
		return error_errno(err, errno, "chdir to the new root");
	if (plan->root_propagation)
		return mount_set_propagation("/", plan->root_propagation, err);
	return 0;
}
