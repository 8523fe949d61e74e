/*
 * cgroup_tree: directories of one hierarchy, v1 or v2: made, walked, removed. For cgroup*.c, and
 * for memory/, which walks. Never sleeps for long: v1 lets a container make as many groups as it
 * likes, so what is done at once is bounded. Deeper than CGROUP_DEPTH_MAX is -ELOOP.
 */
#ifndef KERNEL_CGROUP_TREE_H
#define KERNEL_CGROUP_TREE_H

#include <stdbool.h>

#include "base/error.h"

/* Each directory below the mount on the way, from the top; last: the group itself. */
typedef void (*cgroup_made_fn)(const char *mount, const char *dir, bool last);
/*
 * mkdir of every component of path below the mount; the last must not exist yet (ALREADY_EXISTS).
 * On failure what was made is removed again. visit may be NULL.
 */
int cgroup_tree_make(const char *mount, const char *path, cgroup_made_fn visit, struct error *err);
/*
 * rmdir of what is below, the directory and the ancestors that we made. 0 also when it is gone;
 * -EINPROGRESS after CGROUP_REMOVE_TURN groups: to be called again, others may have their turn.
 */
int cgroup_tree_remove(const char *path);
/*
 * Calls visit for every directory below, children before their parents (parent is the descriptor of
 * the directory name is in), until it returns non-zero; returns that, or 0, or negative errno:
 * -E2BIG when `most` have been visited and there are more.
 */
typedef int (*cgroup_tree_fn)(int parent, const char *name, int dir, void *context);
int cgroup_tree_walk(int dir, unsigned most, cgroup_tree_fn visit, void *context);

#endif
