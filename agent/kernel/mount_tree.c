/*
 * mount_tree: see mount_tree.h. Used by launch/.
 */
#include "kernel/mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"

/* As in mount.c: younger than glibc 2.36. */
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

static const struct {
	unsigned long ms;
	uint64_t attr;
} flag_map[] = {
	{MS_RDONLY, MOUNT_ATTR_RDONLY},
	{MS_NOSUID, MOUNT_ATTR_NOSUID},
	{MS_NODEV, MOUNT_ATTR_NODEV},
	{MS_NOEXEC, MOUNT_ATTR_NOEXEC},
	{MS_NODIRATIME, MOUNT_ATTR_NODIRATIME},
	{MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW},
};

static uint64_t attributes(unsigned long flags)
{
	uint64_t attr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flag_map); i++)
		if (flags & flag_map[i].ms)
			attr |= flag_map[i].attr;
	return attr;
}

/* The atime family is one field of several bits: it is set as a whole or left. */
static void atime_attributes(unsigned long set, unsigned long cleared, struct mount_attr *attr)
{
	if (set & MS_NOATIME)
		attr->attr_set |= MOUNT_ATTR_NOATIME;
	else if (set & MS_STRICTATIME)
		attr->attr_set |= MOUNT_ATTR_STRICTATIME;
	else if (!(set & MS_RELATIME) && !(cleared & (MS_NOATIME | MS_STRICTATIME)))
		return;
	attr->attr_clr |= MOUNT_ATTR__ATIME;
}

int mount_tree_clone(const char *path, bool recursive, struct error *err)
{
	int fd = open_tree(AT_FDCWD, path,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));

	if (fd < 0)
		return error_errno(err, errno, "open_tree: bind source %s", path);
	return fd;
}

int mount_tree_clone_fd(int fd, bool recursive, const char *what, struct error *err)
{
	int tree = open_tree(fd, "",
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
			(recursive ? AT_RECURSIVE : 0));

	if (tree < 0)
		return error_errno(err, errno, "open_tree: clone the mount of %s", what);
	return tree;
}

int mount_tree_change(int fd, unsigned long set, unsigned long cleared, unsigned long propagation,
	bool recursive, const char *what, struct error *err)
{
	const unsigned long kinds = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
	struct mount_attr attr = {
		.attr_set = attributes(set),
		.attr_clr = attributes(cleared & ~set),
	};

	atime_attributes(set, cleared, &attr);
	if ((attr.attr_set || attr.attr_clr) &&
		mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
			sizeof(attr)) < 0)
		return error_errno(err, errno, "mount_setattr: change the flags of %s", what);
	if (!(propagation & kinds))
		return 0;
	attr = (struct mount_attr){.propagation = propagation & kinds};
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (propagation & MS_REC ? AT_RECURSIVE : 0), &attr,
		    sizeof(attr)) < 0)
		return error_errno(err, errno, "mount_setattr: change the propagation of %s", what);
	return 0;
}

int mount_tree_new(const char *fstype, struct error *err)
{
	_cleanup_fd_ int context = fsopen(fstype, FSOPEN_CLOEXEC);
	int fd;

	if (context < 0)
		return error_errno(err, errno, "fsopen %s", fstype);
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(err, errno, "fsconfig %s", fstype);
	fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? error_errno(err, errno, "fsmount %s", fstype) : fd;
}

int mount_tree_attach(int tree, int target, const char *what, struct error *err)
{
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, errno, "move_mount: attach on %s", what);
	return 0;
}
