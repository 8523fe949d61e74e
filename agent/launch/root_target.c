/*
 * root_target: see root_target.h. A walk of our own instead of openat2(2) with RESOLVE_IN_ROOT
 * alone, because missing parts are to be made where the links lead. Each component is opened
 * without following it; whoever swaps directories meanwhile cannot lead the walk out of the root.
 */
#include "launch/root_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"

/* As many links as Linux follows in one path (path_resolution(7)). */
#define LINKS_MAX 40

struct walk {
	int root; /* not owned */
	int at;	  /* O_PATH, where the walk stands; owned */
	enum root_target_kind kind;
	bool plain;
	unsigned links;
	char resolved[PATH_MAX]; /* the way to it, without links */
	char rest[PATH_MAX];	 /* still to walk */
};

static int walk_move(struct walk *w, int fd)
{
	if (fd < 0)
		return fd;
	close_fd(&w->at);
	w->at = fd;
	return 0;
}

static int walk_to_root(struct walk *w)
{
	w->resolved[0] = '\0';
	return walk_move(w, path_open_in_root(w->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int walk_up(struct walk *w)
{
	char *slash = strrchr(w->resolved, '/');

	if (slash)
		*slash = '\0';
	if (!w->resolved[0])
		return walk_to_root(w);
	return walk_move(
		w, path_open_in_root(w->root, w->resolved, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* Cuts the next component from rest into name; 0 at the end. */
static size_t walk_next(struct walk *w, char name[NAME_MAX + 1])
{
	size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");

	if (n > NAME_MAX)
		return SIZE_MAX;
	memcpy(name, w->rest + skip, n);
	name[n] = '\0';
	memmove(w->rest, w->rest + skip + n, strlen(w->rest + skip + n) + 1);
	return n;
}

static bool walk_at_end(const struct walk *w)
{
	return w->rest[strspn(w->rest, "/")] == '\0';
}

static int walk_open(const struct walk *w, const char *name)
{
	int fd = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int walk_make(const struct walk *w, const char *name)
{
	bool file = walk_at_end(w) && w->kind == ROOT_TARGET_FILE;
	int r = file ? mknodat(w->at, name, S_IFREG | 0644, 0) : mkdirat(w->at, name, 0755);

	if (r < 0 && errno != EEXIST)
		return -errno;
	return walk_open(w, name);
}

static int walk_follow(struct walk *w, int link)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (w->plain || ++w->links > LINKS_MAX)
		return -ELOOP;
	if (str_format(rest, sizeof(rest), "%s/%s", target, w->rest) < 0)
		return -ENAMETOOLONG;
	str_copy(w->rest, sizeof(w->rest), rest);
	return target[0] == '/' ? walk_to_root(w) : 0;
}

static int walk_step(struct walk *w, const char *name)
{
	_cleanup_fd_ int fd = -1;
	size_t len = strlen(w->resolved);
	struct stat st;

	if (str_eq(name, "."))
		return 0;
	if (str_eq(name, ".."))
		return walk_up(w);
	fd = walk_open(w, name);
	if (fd == -ENOENT && w->kind != ROOT_TARGET_EXISTING)
		fd = walk_make(w, name);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return walk_follow(w, fd);
	if (!walk_at_end(w) && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (str_format(w->resolved + len, sizeof(w->resolved) - len, "/%s", name) < 0)
		return -ENAMETOOLONG;
	return walk_move(w, take_fd(&fd));
}

static int walk(struct walk *w)
{
	int r = walk_to_root(w);

	while (r >= 0) {
		char name[NAME_MAX + 1];
		size_t n = walk_next(w, name);

		if (n == SIZE_MAX)
			return -ENAMETOOLONG;
		if (n == 0)
			return 0;
		r = walk_step(w, name);
	}
	return r;
}

int root_target_open(
	int root, const char *path, enum root_target_kind kind, bool plain, struct error *err)
{
	struct walk w = {.root = root, .at = -1, .kind = kind, .plain = plain};
	struct stat st;
	int r = str_copy(w.rest, sizeof(w.rest), path);

	if (r >= 0)
		r = walk(&w);
	if (r >= 0 && kind == ROOT_TARGET_DIRECTORY &&
		(fstat(w.at, &st) < 0 || !S_ISDIR(st.st_mode)))
		r = -ENOTDIR;
	if (r < 0) {
		close_fd(&w.at);
		return error_errno(err, -r, "%s %s in the container's root",
			kind == ROOT_TARGET_EXISTING ? "open" : "make", path);
	}
	return w.at;
}

int root_target_parent(int root, const char *path, const char **name, struct error *err)
{
	char parent[PATH_MAX];

	*name = path_basename(path);
	if (str_copy(parent, sizeof(parent), path) < 0)
		return error_errno(err, ENAMETOOLONG, "make %.100s", path);
	parent[*name - path] = '\0';
	return root_target_open(root, parent, ROOT_TARGET_DIRECTORY, false, err);
}
