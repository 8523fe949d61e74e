/* path: text of paths, and the file system calls that walk or make them. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

bool path_is_absolute(const char *path);
/* True when a component is "..". */
bool path_has_dotdot(const char *path);
/* a + "/" + b with exactly one slash between; b may start with '/'. 0 or -ENAMETOOLONG. */
int path_join(char *out, size_t size, const char *a, const char *b);
const char *path_basename(const char *path); /* points into path */
/* mkdir -p; 0 also when it exists as a directory, else negative errno. May sleep. */
int path_mkdirs(const char *path, mode_t mode);
/* mkdir -p of everything but the last component. */
int path_mkdir_parents(const char *path, mode_t mode);
/*
 * rm -r that follows no symbolic link and enters no other mount (st_dev and mount id checked).
 * 0 when it is gone (or was never there). May sleep.
 */
int path_remove_tree(const char *path);
/*
 * openat2(2) with RESOLVE_IN_ROOT: `path` is resolved inside the directory rootfd, links included,
 * and cannot leave it. Returns an fd or negative errno.
 */
int path_open_in_root(int rootfd, const char *path, int flags);
/* The same below dirfd, following no link at all: -ELOOP is what one gives. */
int path_open_beneath(int dirfd, const char *path, int flags);

#endif
