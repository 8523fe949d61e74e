/*
 * launch_sync: see launch_sync.h. read(2) and write(2) where no descriptor travels: a container's
 * seccomp filter, already installed at the last steps, allows those if it allows anything.
 */
#include "launch/launch_sync.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/socket.h"

int launch_sync_pair(int fds[2])
{
	int r = socket_pair(SOCK_SEQPACKET, fds);

	if (r < 0)
		return r;
	r = fd_set_nonblock(fds[0], true);
	if (r < 0) {
		close_fd(&fds[0]);
		close_fd(&fds[1]);
	}
	return r;
}

int launch_sync_send(int fd, enum launch_step step, const struct error *error)
{
	struct launch_message message;
	ssize_t n;

	memset(&message, 0, sizeof(message)); /* its padding too goes to the other side */
	message.step = (int)step;
	if (error)
		message.error = *error;
	do
		n = write(fd, &message, sizeof(message));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int launch_sync_send_terminal(int sync, int master)
{
	struct launch_message message;
	ssize_t n;

	memset(&message, 0, sizeof(message));
	message.step = LAUNCH_STEP_TERMINAL;
	n = socket_send_fds(sync, &message, sizeof(message), &master, 1);
	return n < 0 ? (int)n : 0;
}

int launch_sync_receive(int sync, struct launch_message *ret, int *fd)
{
	size_t fds = 1;
	ssize_t n;

	*fd = -1;
	n = socket_recv_fds(sync, ret, sizeof(*ret), fd, &fds);
	if (n <= 0)
		/* Unread bytes of ours at its end: it was killed, which is an end of file too. */
		return n == -ECONNRESET ? 0 : (int)n;
	if (fds == 0)
		*fd = -1;
	if (n != (ssize_t)sizeof(*ret)) {
		close_fd(fd);
		return -EPROTO;
	}
	ret->error.text[sizeof(ret->error.text) - 1] = '\0';
	return 1;
}

int launch_sync_wait(int sync, enum launch_step step)
{
	struct launch_message message;
	ssize_t n;

	do
		n = read(sync, &message, sizeof(message));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(message) && message.step == (int)step ? 0 : -EPROTO;
}

const char *launch_step_name(int step)
{
	static const char *const names[] = {
		[LAUNCH_STEP_MAPPED] = "mapped",
		[LAUNCH_STEP_WARNING] = "warning",
		[LAUNCH_STEP_TERMINAL] = "terminal",
		[LAUNCH_STEP_HOOKS] = "hooks",
		[LAUNCH_STEP_HOOKED] = "hooked",
		[LAUNCH_STEP_CREATED] = "created",
		[LAUNCH_STEP_START] = "start",
		[LAUNCH_STEP_FAILED] = "failed",
	};

	return step > 0 && (size_t)step < ARRAY_SIZE(names) ? names[step] : "unknown";
}
