/* path: text of paths, and the calls that walk, make and remove trees. Holds no state. */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"

#define TREE_DEPTH_MAX 65536 /* 16 bytes a level: a hostile tree costs at most 1 MiB */

bool path_is_absolute(const char *path)
{
	return path && path[0] == '/';
}

bool path_has_dotdot(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += len;
		path += strspn(path, "/");
	}
	return false;
}

int path_join(char *out, size_t size, const char *a, const char *b)
{
	size_t len = strlen(a);
	int r;

	while (len > 0 && a[len - 1] == '/')
		len--;
	b += strspn(b, "/");
	r = str_format(out, size, "%.*s/%s", (int)len, a, b);
	return r < 0 ? r : 0;
}

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int check_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int path_mkdirs(const char *path, mode_t mode)
{
	char copy[PATH_MAX];
	char *end = copy;

	if (str_copy(copy, sizeof(copy), path) < 0)
		return -ENAMETOOLONG;
	if (!*copy)
		return -ENOENT;
	for (;;) {
		char saved;

		end += strspn(end, "/");
		end += strcspn(end, "/");
		saved = *end;
		*end = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*end = saved;
		if (end[strspn(end, "/")] == '\0')
			break;
	}
	return check_directory(copy);
}

int path_mkdir_parents(const char *path, mode_t mode)
{
	char copy[PATH_MAX];
	size_t len = strlen(path);

	if (str_copy(copy, sizeof(copy), path) < 0)
		return -ENAMETOOLONG;
	while (len > 0 && copy[len - 1] == '/')
		len--;
	while (len > 0 && copy[len - 1] != '/')
		len--;
	while (len > 1 && copy[len - 1] == '/')
		len--;
	copy[len] = '\0';
	return len == 0 ? 0 : path_mkdirs(copy, mode);
}

static int open_resolved(int dirfd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve};
	int fd, tries = 0;

	if (flags & O_CREAT)
		how.mode = 0644;
	/* EAGAIN: something was renamed meanwhile, openat2(2) asks to try again. */
	do
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 32)));
	return fd < 0 ? -errno : fd;
}

int path_open_in_root(int rootfd, const char *path, int flags)
{
	return open_resolved(rootfd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_beneath(int dirfd, const char *path, int flags)
{
	return open_resolved(dirfd, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* ---- removing a tree ------------------------------------------------------------------------- */

/*
 * One directory is open at a time, whatever the depth. The way back up is "..", which is checked
 * against what was seen on the way down: somebody may move directories about meanwhile.
 */
struct tree_level {
	dev_t dev;
	ino_t ino;
};

struct tree_walk {
	struct tree_level *levels; /* from the top to the parent of the current directory */
	size_t depth, room;
	DIR *dir; /* the current one */
};

enum scan { SCAN_EMPTY, SCAN_DESCEND };

static int walk_enter(struct tree_walk *walk, int fd)
{
	DIR *dir = fdopendir(fd);

	if (!dir) {
		int r = errno ? -errno : -ENOMEM;

		close(fd);
		return r;
	}
	if (walk->dir)
		closedir(walk->dir);
	walk->dir = dir;
	return 0;
}

static int walk_push(struct tree_walk *walk)
{
	struct stat st;

	if (walk->depth == TREE_DEPTH_MAX)
		return -ELOOP;
	if (walk->depth == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 16;
		struct tree_level *levels = realloc(walk->levels, room * sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		walk->levels = levels;
		walk->room = room;
	}
	if (fstat(dirfd(walk->dir), &st) < 0)
		return -errno;
	walk->levels[walk->depth].dev = st.st_dev;
	walk->levels[walk->depth].ino = st.st_ino;
	walk->depth++;
	return 0;
}

/* RESOLVE_NO_XDEV refuses mount points, bind mounts of the same file system included. */
static int open_subdirectory(int dirfd, const char *name)
{
	int fd = open_resolved(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
		RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);

	return fd == -EXDEV ? -EBUSY : fd;
}

static int walk_down(struct tree_walk *walk, const char *name)
{
	int fd, r;

	r = walk_push(walk);
	if (r < 0)
		return r;
	fd = open_subdirectory(dirfd(walk->dir), name);
	return fd < 0 ? fd : walk_enter(walk, fd);
}

static int walk_up(struct tree_walk *walk)
{
	const struct tree_level *level = &walk->levels[walk->depth - 1];
	struct stat st;
	int fd;

	fd = openat(dirfd(walk->dir), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_dev != level->dev || st.st_ino != level->ino) {
		close(fd);
		return -ESTALE;
	}
	walk->depth--;
	return walk_enter(walk, fd);
}

/* 0: gone; 1: a directory with something in it; else negative errno. */
static int remove_entry(int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	/* EBUSY here: something is mounted on it. */
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTDIR)
		return -EPERM; /* a file after all, an immutable one */
	return errno == ENOTEMPTY || errno == EEXIST ? 1 : -errno;
}

/* Removes what it can of the current directory; stops at the first full subdirectory. */
static int walk_scan(struct tree_walk *walk, char *name, size_t size)
{
	for (;;) {
		struct dirent *entry;
		int r;

		errno = 0;
		entry = readdir(walk->dir);
		if (!entry)
			return errno ? -errno : SCAN_EMPTY;
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		r = remove_entry(dirfd(walk->dir), entry->d_name);
		if (r < 0)
			return r;
		if (r > 0)
			return str_copy(name, size, entry->d_name) < 0 ? -ENAMETOOLONG
								       : SCAN_DESCEND;
	}
}

/*
 * Empties the directory of walk->dir. A directory that was left is empty; its parent, scanned from
 * the start again, removes it like a file, so no names are kept.
 */
static int walk_all(struct tree_walk *walk)
{
	char name[NAME_MAX + 1];

	for (;;) {
		int r = walk_scan(walk, name, sizeof(name));

		if (r == SCAN_DESCEND)
			r = walk_down(walk, name);
		else if (r == SCAN_EMPTY && walk->depth == 0)
			return 0;
		else if (r == SCAN_EMPTY)
			r = walk_up(walk);
		if (r < 0)
			return r;
	}
}

static int remove_tree_at(int parent, const char *name)
{
	struct tree_walk walk = {0};
	int r, fd;

	r = remove_entry(parent, name);
	if (r <= 0)
		return r;
	fd = open_subdirectory(parent, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = walk_enter(&walk, fd);
	if (r == 0)
		r = walk_all(&walk);
	if (walk.dir)
		closedir(walk.dir);
	free(walk.levels);
	if (r < 0)
		return r;
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int path_remove_tree(const char *path)
{
	_cleanup_fd_ int parent = -1;
	char copy[PATH_MAX];
	const char *name;
	size_t len;

	if (str_copy(copy, sizeof(copy), path) < 0)
		return -ENAMETOOLONG;
	for (len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	name = path_basename(copy);
	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return -EINVAL;
	len = (size_t)(name - copy);
	if (len == 0) {
		parent = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	} else {
		char up[PATH_MAX];

		str_format(up, sizeof(up), "%.*s", (int)len, copy);
		parent = open(up, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (parent < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_tree_at(parent, name);
}
