/*
 * storage_helper: what a helper process does for a storage: mount, or unmount and remove. It may
 * sleep, and it may be killed at any point: what it made stands in the shared struct storage_made,
 * what it mounted in mountinfo. Called by storage.c through base/helper_process, and by the
 * drivers.
 */
#include "storage/storage_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"

/* A busy mount gets a second: the last process of a container may still be on its way out. */
#define BUSY_TRIES   50
#define BUSY_WAIT_NS 20000000

bool storage_word_is_ours(const char *word)
{
	return str_starts(word, "io.katacontainers.") || str_starts(word, "X-kata.");
}

int storage_take_options(struct storage_mount *mount, const char *without, struct error *err)
{
	const struct storage_request *request = mount->request;

	mount_options_init(&mount->options);
	for (size_t i = 0; i < request->option_count; i++) {
		const char *word = request->options[i];
		int r;

		if (storage_word_is_ours(word) || (without && str_starts(word, without)))
			continue;
		r = mount_options_add(&mount->options, word, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int storage_make_directories(const char *path, mode_t mode, unsigned *made, struct error *err)
{
	char copy[PATH_MAX];
	struct stat st;

	if (str_copy(copy, sizeof(copy), path) < 0)
		return error_errno(err, ENAMETOOLONG, "make directory %.200s", path);
	for (char *end = copy + 1;; end++) {
		char saved;

		end += strcspn(end, "/");
		saved = *end;
		*end = '\0';
		if (mkdir(copy, mode) == 0)
			++*made;
		else if (errno != EEXIST && (errno != ENOSYS || stat(copy, &st) < 0))
			return error_errno(err, errno, "make directory %s", copy);
		*end = saved;
		if (!saved)
			break;
	}
	if (stat(copy, &st) < 0)
		return error_errno(err, errno, "make directory %s", copy);
	if (!S_ISDIR(st.st_mode))
		return error_errno(err, ENOTDIR, "make directory %s", copy);
	return 0;
}

/* Removes the trailing components that were made, the last one first, as far as they are empty. */
static void remove_directories(const char *path, unsigned made)
{
	char copy[PATH_MAX];

	if (str_copy(copy, sizeof(copy), path) < 0)
		return;
	while (made-- > 0) {
		char *slash = strrchr(copy, '/');

		if (rmdir(copy) < 0 && errno != ENOENT)
			return;
		if (!slash || slash == copy)
			return;
		*slash = '\0';
	}
}

/* ---- mount
 * ---------------------------------------------------------------------------------------- */

static int make_file(const char *path, struct storage_made *made, struct error *err)
{
	char parent[PATH_MAX];
	char *slash;
	int r, fd;

	if (str_copy(parent, sizeof(parent), path) < 0)
		return error_errno(err, ENAMETOOLONG, "make file %.200s", path);
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		r = storage_make_directories(parent, 0755, &made->directories, err);
		if (r < 0)
			return r;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return errno == EEXIST ? 0 : error_errno(err, errno, "make file %s", path);
	made->file = true;
	close(fd);
	return 0;
}

/* A bind of something that is no directory wants a file below it. */
static int make_mount_point(struct storage_mount *mount, struct error *err)
{
	const char *path = mount->request->mount_point;
	char resolved[PATH_MAX];
	struct stat st;
	int r;

	if ((mount->options.flags & MS_BIND || str_eq(mount->fstype, "bind")) &&
		stat(mount->source, &st) == 0 && !S_ISDIR(st.st_mode))
		r = make_file(path, mount->made, err);
	else
		r = storage_make_directories(path, 0755, &mount->made->directories, err);
	if (r < 0)
		return r;
	/* mount(2) follows links, mountinfo shows where they led: undoing would miss it. */
	if (!realpath(path, resolved))
		return error_errno(err, errno, "resolve mount point %s", path);
	if (!str_eq(path, resolved))
		return error_invalid(
			err, "mount point %.150s leads through a link to %.150s", path, resolved);
	return 0;
}

static int check_mount_point_is_free(const char *path, struct error *err)
{
	int count = mountinfo_count_at(path);

	if (count < 0)
		return error_errno(err, -count, "read /proc/self/mountinfo");
	if (count > 0)
		return error_set(err, STATUS_FAILED_PRECONDITION, EBUSY,
			"%s is a mount point already, and not of a storage", path);
	return 0;
}

int storage_do_mount(
	struct storage_mount *mount, const struct storage_driver *driver, struct error *err)
{
	const struct storage_request *request = mount->request;
	int r = check_mount_point_is_free(request->mount_point, err);

	if (r < 0)
		return r;
	mount->made->mount_point_was_free = true;
	mount->source = request->source;
	mount->fstype = request->fstype;
	r = driver->prepare(mount, err);
	if (r >= 0)
		r = make_mount_point(mount, err);
	if (r >= 0)
		r = mount_apply(
			mount->source, request->mount_point, mount->fstype, &mount->options, err);
	if (r < 0 && driver->explain)
		r = driver->explain(r, request, err);
	if (r >= 0 && driver->finish)
		r = driver->finish(mount, err);
	/* A read-only mount stays as it is: changing it would fail as a whole (sharp edge g17). */
	if (r >= 0 && request->fs_group && !(mount->options.flags & MS_RDONLY))
		r = storage_apply_fs_group(request->mount_point, request->fs_group, err);
	return r;
}

/* ---- unmount and remove
 * ----------------------------------------------------------------------------- */

static int unmount_patiently(const char *path, struct error *err)
{
	const struct timespec wait = {.tv_nsec = BUSY_WAIT_NS};

	for (int i = 0; i < BUSY_TRIES; i++) {
		struct error busy = ERROR_INIT;
		int r = mount_unmount_all_at(path, 0, &busy);

		if (r != -EBUSY)
			return r < 0 && err ? (*err = busy, r) : r;
		nanosleep(&wait, NULL);
	}
	/* Gone from the tree at least; the kernel ends it with its last user. */
	return mount_unmount_all_at(path, MNT_DETACH, err);
}

static void give_huge_pages_back(const struct storage_made *made)
{
	char path[128], text[32];
	uint64_t now;

	if (!made->huge_pages)
		return;
	snprintf(path, sizeof(path),
		"/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
		made->huge_page_kib);
	if (file_read_u64(path, &now) < 0)
		return;
	snprintf(text, sizeof(text), "%" PRIu64,
		now > made->huge_pages ? now - made->huge_pages : 0);
	file_write(path, text);
}

/* The last first: an earlier one may have made the folder that both lie in. */
static void remove_extra_directories(
	struct storage_mount *mount, const struct storage_driver *driver)
{
	char path[PATH_MAX];

	for (size_t i = STORAGE_DIRECTORIES_MAX; driver->directory && i-- > 0;) {
		unsigned made = mount->made->extra[i];

		/* One that was there before keeps what is in it. */
		if (!made || driver->directory(mount->request, mount->run_directory, i, path,
				     sizeof(path)) < 0)
			continue;
		path_remove_tree(path);
		remove_directories(path, made);
	}
}

int storage_do_unmount(
	struct storage_mount *mount, const struct storage_driver *driver, struct error *err)
{
	const char *path = mount->request->mount_point;

	if (mount->made->mount_point_was_free) {
		int r = unmount_patiently(path, err);

		/* What is below the mount must not be touched while it is there. */
		if (r < 0)
			return r;
	}
	if (mount->made->file) {
		char parent[PATH_MAX];
		char *slash;

		unlink(path);
		if (str_copy(parent, sizeof(parent), path) == 0 && (slash = strrchr(parent, '/')) &&
			slash != parent) {
			*slash = '\0';
			remove_directories(parent, mount->made->directories);
		}
	} else {
		remove_directories(path, mount->made->directories);
	}
	remove_extra_directories(mount, driver);
	give_huge_pages_back(mount->made);
	return 0;
}
