/* fd: descriptors. Used by everything that owns one; holds no state. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

void close_fd(int *fd)
{
	int saved_errno = errno;

	/* Not repeated on EINTR: Linux has freed the number by then (close(2)). */
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved_errno;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);
	int want;

	if (flags < 0)
		return -errno;
	want = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	if (want != flags && fcntl(fd, F_SETFL, want) < 0)
		return -errno;
	return 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

ssize_t fd_read_full(int fd, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t fd_write_full(int fd, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* The system call and not glibc's wrapper: nothing of the C library's state is involved. */
static int close_gap(unsigned first, unsigned last)
{
	if (first > last)
		return 0;
	return syscall(SYS_close_range, first, last, 0) < 0 ? -errno : 0;
}

int fd_close_from(int lowest, const int *keep, size_t keep_count)
{
	unsigned next = lowest < 0 ? 0 : (unsigned)lowest;

	for (size_t i = 0; i < keep_count; i++) {
		int r;

		if (keep[i] < 0 || (unsigned)keep[i] < next)
			continue;
		r = (unsigned)keep[i] == next ? 0 : close_gap(next, (unsigned)keep[i] - 1);
		if (r < 0)
			return r;
		next = (unsigned)keep[i] + 1;
	}
	return close_gap(next, UINT_MAX);
}

int fd_move_above(int fd, int lowest)
{
	int moved;

	if (fd >= lowest) {
		int r = fd_set_cloexec(fd, true);

		return r < 0 ? r : fd;
	}
	moved = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
	if (moved < 0)
		return -errno;
	close(fd);
	return moved;
}
