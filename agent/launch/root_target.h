/*
 * root_target: finds, and makes where missing, a path inside a container's root. Links are followed
 * as the container will see them, so they cannot lead out; nothing is opened but directories and
 * O_PATH descriptors. Used by the child (rootfs, rootfs_dev). May sleep (the image's file system).
 */
#ifndef LAUNCH_ROOT_TARGET_H
#define LAUNCH_ROOT_TARGET_H

#include "base/error.h"

#include <stdbool.h>

enum root_target_kind {
	ROOT_TARGET_EXISTING,  /* -ENOENT when it is not there */
	ROOT_TARGET_DIRECTORY, /* made with its parents, 0755 */
	ROOT_TARGET_FILE,      /* an empty file is made (0644) when nothing is there */
};

/*
 * An O_PATH descriptor of path (absolute, resolved in the directory root), or negative errno with
 * err filled. plain: refuse links on the way (-ELOOP).
 */
int root_target_open(
	int root, const char *path, enum root_target_kind kind, bool plain, struct error *err);
/*
 * The directory in which the last component of path lies, made with its parents where missing;
 * *name points at that component in path.
 */
int root_target_parent(int root, const char *path, const char **name, struct error *err);

#endif
