/* image: the cache of root images: look up, build under a lock, prune. */
#include "run/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"
#include "run/fingerprint.h"
#include "run/image_build.h"

#define TEMP	 ".building-"
#define LOCKFILE ".lock"

int image_cache_folder(char *out, size_t size, struct error *err)
{
	const char *own = getenv("CRADLE_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	int r;

	if (!str_empty(own))
		r = str_copy(out, size, own);
	else if (!str_empty(xdg) && path_is_absolute(xdg))
		r = str_format(out, size, "%s/cradle", xdg);
	else if (!str_empty(home))
		r = str_format(out, size, "%s/.cache/cradle", home);
	else
		return error_invalid(err, "no place for the image cache: set HOME or CRADLE_CACHE");
	return r < 0 ? error_errno(err, -r, "image cache") : 0;
}

void image_release(struct image *image)
{
	close_fd(&image->fd);
	close_fd(&image->passwd_fd);
	close_fd(&image->group_fd);
}

static int open_part(const char *entry, const char *name, int *fd)
{
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), entry, name) < 0)
		return -ENAMETOOLONG;
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* 0, or -ENOENT when the entry is not there or is being pruned. */
static int open_entry(const char *entry, struct image *ret)
{
	struct image image = IMAGE_INIT;
	struct stat st;

	if (open_part(entry, IMAGE_FILE, &image.fd) < 0 ||
		open_part(entry, PASSWD_FILE, &image.passwd_fd) < 0 ||
		open_part(entry, GROUP_FILE, &image.group_fd) < 0 || fstat(image.fd, &st) < 0) {
		image_release(&image);
		return -ENOENT;
	}
	image.bytes = (uint64_t)st.st_size;
	path_join(image.path, sizeof(image.path), entry, IMAGE_FILE);
	/* Its time says when it was used last. Losing that is no failure. */
	utimensat(AT_FDCWD, entry, NULL, 0);
	*ret = image;
	return 0;
}

static int lock_cache(const char *images, struct error *err)
{
	char path[PATH_MAX];
	int fd;

	path_join(path, sizeof(path), images, LOCKFILE);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR) {
			int saved = errno;

			close(fd);
			return error_errno(err, saved, "lock %s", path);
		}
	}
	return fd;
}

/* Under the lock every temporary folder is the leftover of a builder that was killed. */
static void remove_leftovers(const char *images)
{
	_cleanup_dir_ DIR *dir = opendir(images);
	struct dirent *entry;
	char path[PATH_MAX];

	while (dir && (entry = readdir(dir))) {
		if (str_starts(entry->d_name, TEMP) &&
			path_join(path, sizeof(path), images, entry->d_name) == 0)
			path_remove_tree(path);
	}
}

/* The entry unused for longest, when there are more than may stay. False: nothing to remove. */
static bool find_oldest(const char *images, char *path, size_t size)
{
	_cleanup_dir_ DIR *dir = opendir(images);
	struct timespec oldest = {0};
	struct dirent *entry;
	unsigned entries = 0;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (entries++ == 0 || st.st_mtim.tv_sec < oldest.tv_sec ||
			(st.st_mtim.tv_sec == oldest.tv_sec &&
				st.st_mtim.tv_nsec < oldest.tv_nsec)) {
			oldest = st.st_mtim;
			path_join(path, size, images, entry->d_name);
		}
	}
	return entries > IMAGE_CACHE_ENTRIES;
}

static void prune(const char *images)
{
	char path[PATH_MAX], doomed[PATH_MAX];

	while (find_oldest(images, path, sizeof(path))) {
		/* Renamed first: an entry is whole or not there. */
		if (path_join(doomed, sizeof(doomed), images, TEMP "pruned") < 0 ||
			rename(path, doomed) < 0 || path_remove_tree(doomed) < 0)
			return;
	}
}

/* Part of every key: what else an image depends on. The number rises when the recipe changes. */
static const char *recipe(void)
{
	return geteuid() == 0 ? "cradle-image-1 root" : "cradle-image-1 user";
}

struct build {
	const char *rootfs, *images, *key, *entry;
	bool is_folder;
};

static int sync_folder(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int build_into(const struct build *build, const char *temp, struct error *err)
{
	char after[FINGERPRINT_SIZE];
	int r = image_build(build->rootfs, build->is_folder, temp, err);

	if (r == 0)
		r = fingerprint_make(build->rootfs, recipe(), after, err);
	if (r < 0)
		return r;
	if (!str_eq(after, build->key))
		return error_set(err, STATUS_ABORTED, 0, "%s changed while it was being packed",
			build->rootfs);
	r = sync_folder(temp);
	if (r == 0 && rename(temp, build->entry) < 0)
		r = -errno;
	if (r == 0)
		r = sync_folder(build->images);
	return r < 0 ? error_errno(err, -r, "keep image %s", build->entry) : 0;
}

static int build_entry(const struct build *build, struct error *err)
{
	char temp[PATH_MAX];
	int r;

	remove_leftovers(build->images);
	path_join(temp, sizeof(temp), build->images, TEMP "XXXXXX");
	if (!mkdtemp(temp))
		return error_errno(err, errno, "create a folder in %s", build->images);
	r = build_into(build, temp, err);
	if (r < 0)
		path_remove_tree(temp);
	else
		prune(build->images);
	return r;
}

static int check_rootfs(const char *rootfs, bool *is_folder, struct error *err)
{
	struct stat st;

	if (stat(rootfs, &st) < 0)
		return error_errno(err, errno, "%s", rootfs);
	*is_folder = S_ISDIR(st.st_mode);
	if (!*is_folder && !S_ISREG(st.st_mode))
		return error_invalid(err, "%s is neither a folder nor a tar file", rootfs);
	if (!*is_folder && st.st_size == 0)
		return error_invalid(err, "%s is an empty file, not a tar", rootfs);
	return 0;
}

static int open_or_build(const struct build *build, void (*announce)(const char *rootfs),
	struct image *ret, struct error *err)
{
	_cleanup_fd_ int lock = -1;
	int r = open_entry(build->entry, ret);

	if (r == 0)
		return 0;
	lock = lock_cache(build->images, err);
	if (lock < 0)
		return lock;
	/* Somebody may have built it while we waited. */
	if (open_entry(build->entry, ret) == 0)
		return 0;
	if (announce)
		announce(build->rootfs);
	r = build_entry(build, err);
	if (r < 0)
		return r;
	r = open_entry(build->entry, ret);
	if (r < 0)
		return error_errno(err, -r, "open image %s", build->entry);
	ret->built = true;
	return 0;
}

int image_open(const char *rootfs, const char *cache, void (*announce)(const char *rootfs),
	struct image *ret, struct error *err)
{
	char images[PATH_MAX], entry[PATH_MAX], real[PATH_MAX], key[FINGERPRINT_SIZE];
	struct build build = {.rootfs = real, .images = images, .key = key, .entry = entry};
	int r;

	if (!realpath(rootfs, real))
		return error_errno(err, errno, "%s", rootfs);
	r = check_rootfs(real, &build.is_folder, err);
	if (r < 0)
		return r;
	/* Room for the longest name below it, so that later joins cannot fail. */
	r = strlen(cache) > PATH_MAX - 256 ? -ENAMETOOLONG
					   : path_join(images, sizeof(images), cache, "images");
	if (r == 0)
		r = path_mkdirs(images, 0700);
	if (r < 0)
		return error_errno(err, -r, "image cache %s", cache);
	r = fingerprint_make(real, recipe(), key, err);
	if (r < 0)
		return r;
	path_join(entry, sizeof(entry), images, key);
	return open_or_build(&build, announce, ret, err);
}
