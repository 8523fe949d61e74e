/* copy_file: see copy_file.h. */
#include "sandbox/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "sandbox/sandbox.h"

#define SHARED "/shared/containers"
/* Parts of files that are not whole yet. A name of the host's that begins so is refused. */
#define PART_PREFIX ".cradle-part-"
#define PARENT_MODE 0755
#define PERMISSIONS 07777
#define FNV_OFFSET  14695981039346656037ull
#define FNV_PRIME   1099511628211ull

struct target {
	int folder; /* owned: where it lies */
	char name[NAME_MAX + 1];
	char part[sizeof(PART_PREFIX) + 16];
};

/* ---- checks ---- */

/* S_IFMT is one value and no set of bits: sockets and block devices have directory's bit (g24). */
static int check_type(const Grpc__CopyFileRequest *request, struct error *err)
{
	uint32_t type = request->file_mode & S_IFMT;

	if (type == S_IFDIR || type == S_IFREG || type == 0)
		return 0;
	if (type != S_IFLNK)
		return error_invalid(err, "file_mode 0%o: only files, directories and links",
			request->file_mode);
	if (request->data.len == 0 || request->data.len >= PATH_MAX ||
		memchr(request->data.data, '\0', request->data.len))
		return error_invalid(err, "a link's target of %zu bytes", request->data.len);
	return 0;
}

static bool is_file(const Grpc__CopyFileRequest *request)
{
	uint32_t type = request->file_mode & S_IFMT;

	return type == S_IFREG || type == 0;
}

static int check_piece(const Grpc__CopyFileRequest *request, struct error *err)
{
	int64_t len = (int64_t)request->data.len;

	if (!is_file(request))
		return 0;
	if (request->file_size < 0 || request->offset < 0 || len > request->file_size ||
		request->offset > request->file_size - len)
		return error_invalid(err, "%" PRId64 " bytes at %" PRId64 " of a file of %" PRId64,
			len, request->offset, request->file_size);
	return 0;
}

static int check(const char *directory, const Grpc__CopyFileRequest *request, struct error *err)
{
	const char *path = request->path;
	size_t len = strlen(directory);
	int r;

	if (!str_starts(path, directory) || path[len] != '/' || path_has_dotdot(path) ||
		path[strlen(path) - 1] == '/')
		return error_invalid(
			err, "path '%.200s' is not one of a file below %s", path, directory);
	r = check_type(request, err);
	if (r == 0)
		r = check_piece(request, err);
	return r < 0 ? error_prefix(err, "copy %.200s", path) : 0;
}

/* ---- the folder it lies in ---- */

static int own(int fd, const Grpc__CopyFileRequest *request)
{
	return fchown(fd, (uid_t)request->uid, (gid_t)request->gid) < 0 ? -errno : 0;
}

static int open_folder(int folder, const char *name)
{
	return path_open_beneath(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/* One folder down. Those that are there keep what they are: only new ones get owner and mode. */
static int step_into(
	int folder, const char *name, mode_t mode, const Grpc__CopyFileRequest *request)
{
	int made = mkdirat(folder, name, 0700);
	int fd, r = 0;

	if (made < 0 && errno != EEXIST)
		return -errno;
	fd = open_folder(folder, name);
	if (fd < 0 || made < 0)
		return fd;
	r = own(fd, request);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int name_part(struct target *target)
{
	uint64_t hash = FNV_OFFSET;

	/* of the whole name: a.crt and a.key are two (g24); a name of 255 bytes has one too */
	for (const char *p = target->name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * FNV_PRIME;
	return str_format(target->part, sizeof(target->part), PART_PREFIX "%016" PRIx64, hash);
}

/* dir_mode 0 is what runtime-rs sends, who means the usual one. */
static int find_target(const char *directory, const Grpc__CopyFileRequest *request,
	struct target *target, struct error *err)
{
	mode_t mode = request->dir_mode & 0777 ? request->dir_mode & 0777 : PARENT_MODE;
	const char *at = request->path + strlen(directory);
	int r = path_mkdirs(directory, PARENT_MODE);

	target->folder = r < 0 ? r : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target->folder < 0)
		return error_errno(err, r < 0 ? -r : errno, "open %s", directory);
	for (;;) {
		size_t len;
		int next;

		at += strspn(at, "/");
		len = strcspn(at, "/");
		if (len > NAME_MAX)
			return error_errno(err, ENAMETOOLONG, "copy %.200s", request->path);
		str_format(target->name, sizeof(target->name), "%.*s", (int)len, at);
		if (str_starts(target->name, PART_PREFIX))
			return error_invalid(err,
				"path '%.200s': names with " PART_PREFIX " are the agent's",
				request->path);
		at += len;
		if (!*at)
			return name_part(target);
		next = step_into(target->folder, target->name, mode, request);
		if (next < 0)
			return error_errno(err, -next, "copy %.200s: enter the folder %.64s",
				request->path, target->name);
		close(target->folder);
		target->folder = next;
	}
}

/* ---- putting it in its place ---- */

/* Whatever is there, a tree too; mounts are not crossed. */
static int remove_old(const struct target *target)
{
	char path[NAME_MAX + 64];

	str_format(path, sizeof(path), "/proc/self/fd/%d/%s", target->folder, target->name);
	return path_remove_tree(path);
}

static int take_place(
	const struct target *target, const Grpc__CopyFileRequest *request, struct error *err)
{
	int r = renameat(target->folder, target->part, target->folder, target->name) < 0 ? -errno
											 : 0;

	if (r == -EISDIR || r == -ENOTEMPTY || r == -EEXIST) {
		r = remove_old(target);
		if (r == 0 &&
			renameat(target->folder, target->part, target->folder, target->name) < 0)
			r = -errno;
	}
	if (r == 0)
		return 0;
	unlinkat(target->folder, target->part, 0);
	return error_errno(err, -r, "copy %.200s: put it in its place", request->path);
}

static int make_directory(
	const struct target *target, const Grpc__CopyFileRequest *request, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r = 0;

	if (fstatat(target->folder, target->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		!S_ISDIR(st.st_mode) && unlinkat(target->folder, target->name, 0) < 0)
		r = -errno;
	if (r == 0 && mkdirat(target->folder, target->name, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0) {
		fd = open_folder(target->folder, target->name);
		r = fd < 0 ? fd : own(fd, request);
	}
	if (r == 0 && fchmod(fd, request->file_mode & PERMISSIONS) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, -r, "copy %.200s: make the directory", request->path) : 0;
}

static int make_link(
	const struct target *target, const Grpc__CopyFileRequest *request, struct error *err)
{
	char to[PATH_MAX];

	str_format(
		to, sizeof(to), "%.*s", (int)request->data.len, (const char *)request->data.data);
	unlinkat(target->folder, target->part, 0);
	if (symlinkat(to, target->folder, target->part) < 0 ||
		fchownat(target->folder, target->part, (uid_t)request->uid, (gid_t)request->gid,
			AT_SYMLINK_NOFOLLOW) < 0) {
		error_errno(err, errno, "copy %.200s: make the link", request->path);
		unlinkat(target->folder, target->part, 0);
		return -err->errnum;
	}
	return take_place(target, request, err);
}

/* ---- a file, piece by piece ---- */

static int open_part(
	const struct target *target, const Grpc__CopyFileRequest *request, struct error *err)
{
	int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC, fd;
	struct stat st;

	if (request->offset == 0) {
		unlinkat(target->folder, target->part, 0);
		flags |= O_CREAT | O_EXCL;
	}
	fd = openat(target->folder, target->part, flags, 0600);
	if (fd < 0 && errno == ENOENT)
		return error_invalid(err, "copy %.200s: a piece at %" PRId64 " before the first",
			request->path, request->offset);
	if (fd < 0)
		return error_errno(err, errno, "copy %.200s: open its part", request->path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < request->offset) {
		close(fd);
		return error_invalid(err,
			"copy %.200s: a piece at %" PRId64 ", %" PRId64 " bytes are there",
			request->path, request->offset, (int64_t)st.st_size);
	}
	return fd;
}

/* In order, as both runtimes send them: a file is whole when its last byte has come. */
static int write_piece(
	const struct target *target, const Grpc__CopyFileRequest *request, struct error *err)
{
	_cleanup_fd_ int fd = open_part(target, request, err);
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return fd;
	n = lseek(fd, request->offset, SEEK_SET) < 0
		    ? -errno
		    : fd_write_full(fd, request->data.data, request->data.len);
	if (n < 0) {
		unlinkat(target->folder, target->part, 0);
		return error_errno(err, (int)-n, "copy %.200s: write %zu bytes at %" PRId64,
			request->path, request->data.len, request->offset);
	}
	if (request->offset + (int64_t)request->data.len < request->file_size)
		return 0;
	/* chown first: it takes set-user-ID away */
	r = own(fd, request);
	if (r == 0 && fchmod(fd, request->file_mode & PERMISSIONS) < 0)
		r = -errno;
	if (r < 0)
		return error_errno(err, -r, "copy %.200s: owner %d:%d and mode 0%o", request->path,
			request->uid, request->gid, request->file_mode & PERMISSIONS);
	return take_place(target, request, err);
}

int file_copy_run(const char *directory, const Grpc__CopyFileRequest *request, struct error *err)
{
	struct target target = {.folder = -1};
	int r = check(directory, request, err);

	if (r == 0)
		r = find_target(directory, request, &target, err);
	if (r >= 0)
		switch (request->file_mode & S_IFMT) {
		case S_IFDIR:
			r = make_directory(&target, request, err);
			break;
		case S_IFLNK:
			r = make_link(&target, request, err);
			break;
		default:
			r = write_piece(&target, request, err);
		}
	if (target.folder >= 0)
		close(target.folder);
	return r < 0 ? r : 0;
}

static int copy_in_helper(void *arg, struct error *err)
{
	const struct file_copy *copy = arg;
	char directory[PATH_MAX];

	if (str_format(directory, sizeof(directory), "%s" SHARED,
		    copy->sandbox->options.run_directory) < 0)
		return error_errno(err, ENAMETOOLONG, "shared directory");
	return file_copy_run(directory, copy->request, err);
}

int file_copy_start(
	struct sandbox *sandbox, struct file_copy *copy, helper_done_fn done, struct error *err)
{
	copy->sandbox = sandbox;
	return helper_run(sandbox->loop, &copy->helper, copy_in_helper, copy, SHARE_TIMEOUT_MS,
		done, "copy file", err);
}
