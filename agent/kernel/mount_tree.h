/*
 * mount_tree: mounts by descriptor (open_tree(2), mount_setattr(2), move_mount(2); Linux 5.12). A
 * bind is cloned detached, given its flags, and only then attached to a target that was opened
 * before: no path is resolved twice, and nobody sees the mount without its flags. Flags that the
 * source mount has are kept unless they are cleared by name. Used by launch/ in children; calls
 * sleep where the source's file system does.
 */
#ifndef KERNEL_MOUNT_TREE_H
#define KERNEL_MOUNT_TREE_H

#include "base/error.h"

#include <stdbool.h>

/* Clones the mount that path is in, as a bind mount of path would. An fd, or negative errno. */
int mount_tree_clone(const char *path, bool recursive, struct error *err);
/* The same for what fd (O_PATH is enough) stands for; what names it in the error. */
int mount_tree_clone_fd(int fd, bool recursive, const char *what, struct error *err);
/*
 * Changes the mount (recursive: all below it too) whose root fd is. set and cleared are MS_* words
 * of a mount (ro, nosuid, nodev, noexec, the atime family); others are ignored. propagation is
 * MS_SHARED and so on with MS_REC for r-forms, 0 = leave.
 */
int mount_tree_change(int fd, unsigned long set, unsigned long cleared, unsigned long propagation,
	bool recursive, const char *what, struct error *err);
/* A new mount of a kernel file system, as of the namespaces of the caller. An fd, or negative
 * errno. */
int mount_tree_new(const char *fstype, struct error *err);
/* Attaches a detached tree on target (an O_PATH descriptor). */
int mount_tree_attach(int tree, int target, const char *what, struct error *err);

#endif
