/*
 * child_fds: see child_fds.h. Called by launch_child.
 */
#include "launch/child_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

/* Standard streams move above this before they are put in place. */
#define LOWEST_OWN_FD 10

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Everything else is the agent's: a pipe end kept here would keep another container from its EOF.
 */
static int keep_only(struct launch_child *child, struct error *err)
{
	int keep[6 + NAMESPACE_COUNT], raw[6 + NAMESPACE_COUNT];
	size_t n = 0, count = 0;
	int r;

	raw[n++] = child->sync;
	raw[n++] = child->seccomp_fd;
	raw[n++] = child->mqueue;
	raw[n++] = child->stdio.in;
	raw[n++] = child->stdio.out;
	raw[n++] = child->stdio.err;
	memcpy(raw + n, child->join.fd, sizeof(child->join.fd));
	n += NAMESPACE_COUNT;
	qsort(raw, n, sizeof(raw[0]), compare_fds);
	for (size_t i = 0; i < n; i++)
		if (raw[i] >= 0 && (count == 0 || keep[count - 1] != raw[i]))
			keep[count++] = raw[i];
	r = fd_close_from(0, keep, count);
	return r < 0 ? error_errno(err, -r, "close the agent's descriptors") : 0;
}

static int move_above(int *fd)
{
	int moved;

	if (*fd < 0 || *fd >= LOWEST_OWN_FD)
		return 0;
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, LOWEST_OWN_FD);
	if (moved < 0)
		return -errno;
	*fd = moved;
	return 0;
}

/* Numbers 0 to 2 may be in use by anything of ours when the agent was started without them. */
static int clear_low_numbers(struct launch_child *child, struct error *err)
{
	int r = move_above(&child->sync);

	if (r >= 0)
		r = move_above(&child->seccomp_fd);
	if (r >= 0)
		r = move_above(&child->mqueue);
	if (r >= 0)
		r = move_above(&child->stdio.in);
	if (r >= 0)
		r = move_above(&child->stdio.out);
	if (r >= 0)
		r = move_above(&child->stdio.err);
	for (int i = 0; i < NAMESPACE_COUNT && r >= 0; i++)
		r = move_above(&child->join.fd[i]);
	return r < 0 ? error_errno(err, -r, "move descriptors") : 0;
}

int child_fds_keep_only(struct launch_child *child, struct error *err)
{
	int r = clear_low_numbers(child, err);

	return r < 0 ? r : keep_only(child, err);
}

int child_fds_open_streams(struct launch_child *child, struct error *err)
{
	int *streams[] = {&child->stdio.in, &child->stdio.out, &child->stdio.err};
	_cleanup_fd_ int opened = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_fd_ int null = opened < 0 ? -1 : fcntl(opened, F_DUPFD_CLOEXEC, LOWEST_OWN_FD);

	if (null < 0)
		return error_errno(err, errno, "open /dev/null");
	close_fd(&opened); /* it has one of the three numbers */
	for (int i = 0; i < (int)ARRAY_SIZE(streams); i++)
		if (dup2(*streams[i] >= 0 ? *streams[i] : null, i) < 0)
			return error_errno(err, errno, "standard stream %d", i);
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
		close_fd(streams[i]);
	return 0;
}

int child_fds_close_for_exec(struct launch_child *child, struct error *err)
{
	int keep[2] = {child->sync, child->seccomp_fd}, r;
	size_t count = keep[1] >= 0 ? 2 : 1;

	if (count == 2 && keep[1] < keep[0]) {
		keep[0] = child->seccomp_fd;
		keep[1] = child->sync;
	}
	for (size_t i = 0; i < count; i++)
		fd_set_cloexec(keep[i], true);
	r = fd_close_from(STDERR_FILENO + 1, keep, count);
	return r < 0 ? error_errno(err, -r, "close descriptors") : 0;
}
