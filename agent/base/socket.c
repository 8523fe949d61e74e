/*
 * socket: stream sockets by address, descriptors over AF_UNIX. Used by the agent's server and by
 * the host program's clients. Holds no state, asks no name service.
 */
#include "base/socket.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/parse.h"
#include "base/strings.h"

#define HVSOCK_LINE_MAX 64
#define RETRY_MS	10

/* ---- addresses --------------------------------------------------------------------------------
 */

static bool copy_part(char *out, size_t size, const char *text, size_t len)
{
	if (len == 0 || len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

/* The rest after "PATH:" or "CID:" is a port; the last colon counts, paths may hold some. */
static const char *split_port(const char *text, uint32_t *port)
{
	const char *colon = strrchr(text, ':');

	if (!colon || parse_u32(colon + 1, port) < 0)
		return NULL;
	return colon;
}

static bool parse_vsock(const char *text, struct address *address)
{
	char cid[16];
	const char *colon = split_port(text, &address->port);

	if (!colon || !copy_part(cid, sizeof(cid), text, (size_t)(colon - text)))
		return false;
	address->kind = ADDRESS_VSOCK;
	if (str_eq(cid, "-1")) {
		address->cid = VMADDR_CID_ANY;
		return true;
	}
	return parse_u32(cid, &address->cid) == 0;
}

static bool parse_unix(const char *text, struct address *address)
{
	address->kind = ADDRESS_UNIX;
	return !str_eq(text, "@") &&
	       copy_part(address->path, sizeof(address->path), text, strlen(text));
}

static bool parse_hvsock(const char *text, struct address *address)
{
	const char *colon = split_port(text, &address->port);

	address->kind = ADDRESS_HVSOCK;
	return colon &&
	       copy_part(address->path, sizeof(address->path), text, (size_t)(colon - text)) &&
	       !str_eq(address->path, "@");
}

int address_parse(const char *text, struct address *ret, struct error *err)
{
	struct address address = {0};
	bool ok = false;

	if (str_starts(text, "vsock://"))
		ok = parse_vsock(text + strlen("vsock://"), &address);
	else if (str_starts(text, "unix://"))
		ok = parse_unix(text + strlen("unix://"), &address);
	else if (str_starts(text, "hvsock://"))
		ok = parse_hvsock(text + strlen("hvsock://"), &address);
	if (!ok)
		return error_set(err, STATUS_INVALID_ARGUMENT, EINVAL,
			"address '%s' is none of vsock://CID:PORT, unix://PATH, unix://@NAME, "
			"hvsock://PATH:PORT",
			text ? text : "");
	*ret = address;
	return 0;
}

union sockaddr_any {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

static socklen_t fill_sockaddr(const struct address *address, union sockaddr_any *sa)
{
	size_t len = strlen(address->path);

	memset(sa, 0, sizeof(*sa));
	if (address->kind == ADDRESS_VSOCK) {
		sa->vm.svm_family = AF_VSOCK;
		sa->vm.svm_cid = address->cid;
		sa->vm.svm_port = address->port;
		return sizeof(sa->vm);
	}
	sa->un.sun_family = AF_UNIX;
	memcpy(sa->un.sun_path, address->path, len);
	if (address->path[0] != '@')
		return sizeof(sa->un);
	/* Abstract names are not ended by a NUL: the length says where they end (unix(7)). */
	sa->un.sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static const char *address_text(const struct address *address, char *out, size_t size)
{
	switch (address->kind) {
	case ADDRESS_VSOCK:
		snprintf(out, size, "vsock://%d:%u", (int)address->cid, address->port);
		break;
	case ADDRESS_UNIX:
		snprintf(out, size, "unix://%s", address->path);
		break;
	case ADDRESS_HVSOCK:
		snprintf(out, size, "hvsock://%s:%u", address->path, address->port);
		break;
	}
	return out;
}

static int open_socket(const struct address *address)
{
	int family = address->kind == ADDRESS_VSOCK ? AF_VSOCK : AF_UNIX;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* ---- listening --------------------------------------------------------------------------------
 */

/*
 * Only a socket is removed (a wrong path must not cost somebody a file), and only one that nobody
 * listens on any more: 0, or -EADDRINUSE. EAGAIN is a listener whose queue is full (unix(7)).
 */
static int remove_old_socket(
	const struct address *address, const union sockaddr_any *sa, socklen_t len)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (lstat(address->path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0;
	fd = open_socket(address);
	if (fd < 0 || connect(fd, &sa->any, len) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	unlink(address->path);
	return 0;
}

int address_listen(const struct address *address, int backlog, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	union sockaddr_any sa;
	socklen_t len;
	char text[160];

	address_text(address, text, sizeof(text));
	if (address->kind == ADDRESS_HVSOCK)
		return error_set(
			err, STATUS_INVALID_ARGUMENT, EINVAL, "listen on %s: connect only", text);
	fd = open_socket(address);
	if (fd < 0)
		return error_errno(err, -fd, "socket for %s", text);
	len = fill_sockaddr(address, &sa);
	if (address->kind == ADDRESS_UNIX && address->path[0] != '@' &&
		remove_old_socket(address, &sa, len) < 0)
		return error_errno(err, EADDRINUSE, "%s: somebody listens there", text);
	if (bind(fd, &sa.any, len) < 0)
		return error_errno(err, errno, "bind %s", text);
	if (listen(fd, backlog) < 0)
		return error_errno(err, errno, "listen on %s", text);
	return take_fd(&fd);
}

int socket_accept(int listen_fd)
{
	int fd;

	/* ECONNABORTED: that peer is gone already, the next one may be there. */
	do
		fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	return fd < 0 ? -errno : fd;
}

/* ---- connecting -------------------------------------------------------------------------------
 */

/* Milliseconds left, rounded up; 0 when the time is over. */
static int time_left(uint64_t deadline_ns)
{
	uint64_t now = event_loop_now_ns();

	return now >= deadline_ns ? 0 : (int)((deadline_ns - now + 999999) / 1000000);
}

/* 0, -ETIMEDOUT, or negative errno. */
static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	for (;;) {
		int n = poll(&pfd, 1, time_left(deadline_ns));

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int connect_until(int fd, const struct address *address, uint64_t deadline_ns)
{
	union sockaddr_any sa;
	socklen_t len = fill_sockaddr(address, &sa), size = sizeof(int);
	int r, so_error = 0;

	/* AF_UNIX has EAGAIN for a full backlog, and nothing to poll for until there is room. */
	while (connect(fd, &sa.any, len) < 0) {
		if (errno == EINPROGRESS)
			break;
		if (errno == EISCONN)
			return 0;
		if (errno == EINTR || errno == EALREADY)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (time_left(deadline_ns) == 0)
			return -ETIMEDOUT;
		poll(NULL, 0, RETRY_MS);
	}
	r = wait_for(fd, POLLOUT, deadline_ns);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &so_error, &size) < 0)
		return -errno;
	return -so_error;
}

/* One line, byte by byte: what follows it is the stream's. Length without '\n', or negative errno.
 */
static int read_line(int fd, char *line, size_t size, uint64_t deadline_ns)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno == EAGAIN) {
			int r = wait_for(fd, POLLIN, deadline_ns);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (line[len] == '\n') {
			line[len] = '\0';
			return (int)len;
		}
		if (++len == size)
			return -EPROTO;
	}
}

static int hvsock_exchange(int fd, const struct address *address, const char *text,
	uint64_t deadline_ns, struct error *err)
{
	char line[HVSOCK_LINE_MAX];
	int r, len = snprintf(line, sizeof(line), "CONNECT %u\n", address->port);

	/* A fresh socket has room for these bytes; EPIPE means that the other side closed. */
	r = send(fd, line, (size_t)len, MSG_NOSIGNAL) < 0 && errno != EPIPE ? -errno : 0;
	if (r == 0)
		r = read_line(fd, line, sizeof(line), deadline_ns);
	if (r == -ECONNRESET)
		return error_set(err, STATUS_UNAVAILABLE, ECONNRESET,
			"%s: closed without an answer: nobody listens on port %u in the guest",
			text, address->port);
	if (r == -ETIMEDOUT)
		return error_set(err, STATUS_DEADLINE_EXCEEDED, ETIMEDOUT,
			"%s: no answer to CONNECT %u", text, address->port);
	if (r == -EPROTO || (r >= 0 && !str_starts(line, "OK ")))
		return error_set(err, STATUS_UNAVAILABLE, EPROTO,
			"%s: the answer to CONNECT %u is not 'OK': '%.*s'", text, address->port,
			r >= 0 ? r : (int)sizeof(line), line);
	if (r < 0)
		return error_set(
			err, STATUS_UNAVAILABLE, -r, "%s: CONNECT %u", text, address->port);
	return 0;
}

int address_connect(const struct address *address, int timeout_ms, struct error *err)
{
	uint64_t deadline_ns = event_loop_now_ns() + (uint64_t)timeout_ms * 1000000;
	_cleanup_fd_ int fd = -1;
	char text[160];
	int r;

	address_text(address, text, sizeof(text));
	fd = open_socket(address);
	if (fd < 0)
		return error_errno(err, -fd, "socket for %s", text);
	r = connect_until(fd, address, deadline_ns);
	if (r < 0)
		return error_set(err,
			r == -ETIMEDOUT ? STATUS_DEADLINE_EXCEEDED : STATUS_UNAVAILABLE, -r,
			"connect to %s", text);
	if (address->kind == ADDRESS_HVSOCK) {
		r = hvsock_exchange(fd, address, text, deadline_ns, err);
		if (r < 0)
			return r;
	}
	return take_fd(&fd);
}

/* ---- pairs and descriptors --------------------------------------------------------------------
 */

int socket_pair(int type, int fds[2])
{
	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

union fds_control {
	char bytes[CMSG_SPACE(sizeof(int) * SOCKET_FDS_MAX)];
	struct cmsghdr align;
};

ssize_t socket_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	union fds_control control = {0};
	struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (n > SOCKET_FDS_MAX)
		return -EINVAL;
	if (n > 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* All descriptors of the message, which are ours from here on. */
static size_t collect_fds(struct msghdr *msg, int fds[SOCKET_FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count && n < SOCKET_FDS_MAX; i++)
			memcpy(&fds[n++], CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
	}
	return n;
}

ssize_t socket_recv_fds(int sock, void *data, size_t len, int *fds, size_t *n)
{
	union fds_control control;
	struct iovec iov = {.iov_base = data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	int got[SOCKET_FDS_MAX];
	size_t count, room = *n;
	ssize_t received;

	*n = 0;
	do
		received = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	count = collect_fds(&msg, got);
	if (count > room || msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) {
		for (size_t i = 0; i < count; i++)
			close(got[i]);
		return -EMSGSIZE;
	}
	if (count)
		memcpy(fds, got, count * sizeof(int));
	*n = count;
	return received;
}
