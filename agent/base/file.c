/* file: whole small files, mostly of procfs, sysfs and cgroupfs. Holds no state. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/strings.h"

static int open_at(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOCTTY, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

ssize_t file_read_at(int dirfd, const char *name, char *out, size_t size)
{
	_cleanup_fd_ int fd = -1;
	ssize_t n;
	char more;

	if (size == 0)
		return -EINVAL;
	fd = open_at(dirfd, name, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	n = fd_read_full(fd, out, size - 1);
	if (n < 0)
		return n;
	out[n] = '\0';
	if ((size_t)n == size - 1) {
		ssize_t extra = fd_read_full(fd, &more, 1);

		if (extra != 0)
			return extra < 0 ? extra : -EFBIG;
	}
	return n;
}

ssize_t file_read(const char *path, char *out, size_t size)
{
	return file_read_at(AT_FDCWD, path, out, size);
}

/* The size that stat tells is of no use in procfs: read until the end. */
static ssize_t read_into(int fd, struct buffer *buf, size_t max)
{
	for (;;) {
		size_t want = buf->len < 4096 ? 4096 : buf->len;
		uint8_t *room;
		ssize_t n;

		if (want > max + 1 - buf->len)
			want = max + 1 - buf->len;
		room = buffer_reserve(buf, want);
		if (!room)
			return -ENOMEM;
		n = fd_read_full(fd, room, want);
		if (n < 0)
			return n;
		buf->len += (size_t)n;
		if (buf->len > max)
			return -EFBIG;
		if ((size_t)n < want)
			return (ssize_t)buf->len;
	}
}

ssize_t file_read_alloc(const char *path, size_t max, char **ret)
{
	_cleanup_fd_ int fd = open_at(AT_FDCWD, path, O_RDONLY, 0);
	struct buffer buf;
	ssize_t n;
	char *text;

	if (fd < 0)
		return fd;
	if (max >= SSIZE_MAX)
		return -EINVAL;
	buffer_init(&buf, 0);
	n = read_into(fd, &buf, max);
	text = n < 0 ? NULL : buffer_steal(&buf);
	buffer_release(&buf);
	if (n < 0)
		return n;
	if (!text)
		return -ENOMEM;
	*ret = text;
	return n;
}

int file_read_u64(const char *path, uint64_t *ret)
{
	char text[256], *word;
	ssize_t n = file_read(path, text, sizeof(text));

	if (n < 0 && n != -EFBIG) /* the first number is in front */
		return (int)n;
	word = text + strspn(text, " \t\n");
	word[strcspn(word, " \t\n")] = '\0';
	return parse_u64(word, ret);
}

int file_write_at(int dirfd, const char *name, const char *text)
{
	_cleanup_fd_ int fd = open_at(dirfd, name, O_WRONLY, 0);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int file_write(const char *path, const char *text)
{
	return file_write_at(AT_FDCWD, path, text);
}

static int write_new(const char *path, const void *data, size_t len, mode_t mode)
{
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	fd = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (fd < 0)
		return fd;
	n = fd_write_full(fd, data, len);
	if (n < 0)
		return (int)n;
	if (fchmod(fd, mode) < 0) /* exactly mode, whatever the umask says */
		return -errno;
	return 0;
}

int file_replace(const char *path, const void *data, size_t len, mode_t mode)
{
	char temporary[PATH_MAX];
	int r;

	r = str_format(temporary, sizeof(temporary), "%s.%d.new", path, (int)getpid());
	if (r < 0)
		return r;
	unlink(temporary); /* left by an earlier process of this number */
	r = write_new(temporary, data, len, mode);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0 && r != -EEXIST)
		unlink(temporary);
	return r;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
