/*
 * storage_fs_group: a volume's files for a group; see storage_driver.h. Called in a helper.
 * The volume's content is not ours and may be hostile: every step is relative to an open directory,
 * links are not followed, other file systems are not entered, depth is bounded.
 */
#include "storage/storage_driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"

/* A path that a program can name has at most PATH_MAX / 2 components. */
#define DEPTH_MAX 2048

#define FILE_BITS      0660
#define DIRECTORY_BITS (FILE_BITS | 0110 | S_ISGID)

struct walk {
	gid_t gid;
	dev_t dev;
	unsigned depth;
	const char *top;
	struct error *err;
};

/* Changes what an O_PATH descriptor refers to; /proc/self/fd because chmod has no AT_EMPTY_PATH. */
static int change_one(const struct walk *walk, int fd, const struct stat *st, const char *name)
{
	mode_t bits = S_ISDIR(st->st_mode) ? DIRECTORY_BITS : FILE_BITS;
	mode_t mode = (st->st_mode & 07777) | bits;
	char self[64];

	if (fchownat(fd, "", (uid_t)-1, walk->gid, AT_EMPTY_PATH) < 0)
		return error_errno(walk->err, errno, "fs_group of %.150s: change group of %.100s",
			walk->top, name);
	str_format(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (mode != (st->st_mode & 07777) && chmod(self, mode) < 0)
		return error_errno(walk->err, errno, "fs_group of %.150s: change mode of %.100s",
			walk->top, name);
	return 0;
}

static int change_directory(struct walk *walk, int fd);

static int change_entry(struct walk *walk, int dirfd, const char *name)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : error_errno(walk->err, errno, "fs_group of %.150s: open %.100s",
					 walk->top, name);
	if (fstat(fd, &st) < 0)
		return error_errno(
			walk->err, errno, "fs_group of %.150s: stat %.100s", walk->top, name);
	if (S_ISLNK(st.st_mode) || st.st_dev != walk->dev)
		return 0;
	r = change_one(walk, fd, &st, name);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	return change_directory(walk, fd);
}

static int change_directory(struct walk *walk, int fd)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	int r = 0, own;

	if (++walk->depth > DEPTH_MAX)
		return error_errno(walk->err, ELOOP, "fs_group of %.150s: deeper than %d folders",
			walk->top, DEPTH_MAX);
	own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own >= 0)
		dir = fdopendir(own);
	if (!dir) {
		r = error_errno(walk->err, errno, "fs_group of %.150s: open a folder", walk->top);
		if (own >= 0)
			close(own);
		return r;
	}
	while (r >= 0 && (errno = 0, entry = readdir(dir)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			r = change_entry(walk, dirfd(dir), entry->d_name);
	if (r >= 0 && errno)
		r = error_errno(walk->err, errno, "fs_group of %.150s: read a folder", walk->top);
	walk->depth--;
	return r;
}

int storage_apply_fs_group(const char *path, const Grpc__FSGroup *fs_group, struct error *err)
{
	struct walk walk = {.gid = fs_group->group_id, .top = path, .err = err};
	_cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "fs_group of %s: open it", path);
	walk.dev = st.st_dev;
	if (fs_group->group_change_policy == TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch &&
		st.st_gid == walk.gid && (st.st_mode & DIRECTORY_BITS) == DIRECTORY_BITS)
		return 0;
	r = change_one(&walk, fd, &st, ".");
	return r < 0 ? r : change_directory(&walk, fd);
}
