/* private_folder: mkdtemp, flock, and a look for folders that nobody holds any more. */
#include "vm/private_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"

#define PREFIX	     "cradle-vm-"
#define TRIES	     10
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Ours, and still where its name says? A folder that was removed meanwhile has no links. */
static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && st.st_nlink > 0;
}

static void remove_if_dead(const char *base, const char *name)
{
	char path[PATH_MAX];
	_cleanup_fd_ int fd = -1;

	if (path_join(path, sizeof(path), base, name) < 0)
		return;
	fd = open(path, FOLDER_FLAGS);
	/* Removed while the lock is held: its maker, if it is just about to lock, starts over. */
	if (fd >= 0 && is_ours(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0)
		path_remove_tree(path);
}

static void remove_leftovers(const char *base)
{
	_cleanup_dir_ DIR *dir = opendir(base);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (str_starts(entry->d_name, PREFIX))
			remove_if_dead(base, entry->d_name);
	}
}

/* 0; -EAGAIN when somebody took it for a leftover before it was locked. */
static int make_once(struct private_folder *folder, const char *base)
{
	int r = str_format(folder->path, sizeof(folder->path), "%s/" PREFIX "XXXXXX", base);

	if (r >= 0)
		r = mkdtemp(folder->path) ? 0 : -errno;
	if (r < 0) {
		folder->path[0] = '\0';
		return r;
	}
	folder->lock_fd = open(folder->path, FOLDER_FLAGS);
	if (folder->lock_fd >= 0 && flock(folder->lock_fd, LOCK_EX | LOCK_NB) == 0 &&
		is_ours(folder->lock_fd))
		return 0;
	close_fd(&folder->lock_fd);
	folder->path[0] = '\0';
	return -EAGAIN;
}

int private_folder_make(struct private_folder *folder, struct error *err)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	int r = -EAGAIN;

	/* Too long for a socket below it is as useless as not writable. */
	if (str_empty(base) || strlen(base) > 48 || access(base, W_OK | X_OK) < 0)
		base = "/tmp";
	folder->lock_fd = -1;
	remove_leftovers(base);
	for (int i = 0; r == -EAGAIN && i < TRIES; i++)
		r = make_once(folder, base);
	return r < 0 ? error_errno(err, -r, "create a private folder in %s", base) : 0;
}

void private_folder_remove(struct private_folder *folder)
{
	if (!folder->path[0])
		return;
	path_remove_tree(folder->path);
	close_fd(&folder->lock_fd);
	folder->path[0] = '\0';
}
