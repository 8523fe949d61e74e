/* relay_dial: see the header. */
#include "relay/relay_dial.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define LINE_MAX_BYTES 64

static void try_once(struct event_timer *timer);

static void drop_socket(struct relay_dial *dial)
{
	int fd = dial->source.fd;

	if (event_source_added(&dial->source)) {
		event_source_remove(&dial->source);
		close(fd);
	}
	dial->line_sent = false;
}

/* This try failed: another one while there is time. */
static void try_later(struct relay_dial *dial, int error)
{
	drop_socket(dial);
	dial->last_error = error;
	if (event_loop_now_ns() >= dial->deadline_ns) {
		event_timer_stop(&dial->timer);
		dial->done(dial, -error);
		return;
	}
	event_timer_start(
		dial->loop, &dial->timer, RELAY_DIAL_AGAIN_MS, try_once, "relay dial again");
}

static void on_too_slow(struct event_timer *timer)
{
	try_later(container_of(timer, struct relay_dial, timer), ETIMEDOUT);
}

static void finish(struct relay_dial *dial)
{
	int fd = dial->source.fd;

	event_timer_stop(&dial->timer);
	event_source_remove(&dial->source);
	dial->done(dial, fd);
}

/* host-side.md 4.3, 4.4: the line in one write; the answer's newline ends it, then the stream. */
static void send_line(struct relay_dial *dial)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "CONNECT %u\n", dial->to->port);

	dial->line_sent = true;
	if (send(dial->source.fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len ||
		event_source_set(&dial->source, EPOLLIN) < 0)
		try_later(dial, ECONNRESET);
}

/* Not a byte behind the newline is taken. */
static void read_line(struct relay_dial *dial)
{
	char line[LINE_MAX_BYTES];
	ssize_t n = recv(dial->source.fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);
	char *newline = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
	size_t take;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* End of file without a line: nobody listens in the guest (yet). */
	if (n <= 0) {
		try_later(dial, n < 0 ? errno : ECONNREFUSED);
		return;
	}
	if (!newline) {
		/* A part stays in the socket, which would wake us again and again. */
		if (n == sizeof(line) || memchr(line, '\0', (size_t)n))
			try_later(dial, EPROTO);
		else
			event_source_set(&dial->source, EPOLLIN | EPOLLET);
		return;
	}
	take = (size_t)(newline - line) + 1;
	if (recv(dial->source.fd, line, take, MSG_DONTWAIT) != (ssize_t)take ||
		strncmp(line, "OK", 2) != 0)
		try_later(dial, EPROTO);
	else
		finish(dial);
}

static void connected(struct relay_dial *dial)
{
	if (dial->to->kind == ADDRESS_HVSOCK)
		send_line(dial);
	else
		finish(dial);
}

static void on_socket(struct event_source *source, uint32_t events)
{
	struct relay_dial *dial = container_of(source, struct relay_dial, source);
	socklen_t len = sizeof(int);
	int error = 0;

	if (dial->line_sent) {
		read_line(dial);
		return;
	}
	if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error)
		try_later(dial, error);
	else
		connected(dial);
}

static int start_connect(int fd, const struct address *to)
{
	struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = to->cid, .svm_port = to->port};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = strlen(to->path);
	socklen_t un_len = sizeof(un);

	if (to->kind == ADDRESS_VSOCK)
		return connect(fd, (struct sockaddr *)&vm, sizeof(vm)) < 0 ? errno : 0;
	memcpy(un.sun_path, to->path, len);
	if (to->path[0] == '@') { /* abstract: the length ends the name (unix(7)) */
		un.sun_path[0] = '\0';
		un_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	return connect(fd, (struct sockaddr *)&un, un_len) < 0 ? errno : 0;
}

static void try_once(struct event_timer *timer)
{
	struct relay_dial *dial = container_of(timer, struct relay_dial, timer);
	int family = dial->to->kind == ADDRESS_VSOCK ? AF_VSOCK : AF_UNIX;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	if (fd < 0) {
		try_later(dial, errno);
		return;
	}
	error = start_connect(fd, dial->to);
	if ((error && error != EINPROGRESS) || event_source_add(dial->loop, &dial->source, fd,
						       EPOLLOUT, on_socket, "relay dial") < 0) {
		close(fd);
		try_later(dial, error ? error : ENOMEM);
		return;
	}
	event_timer_start(dial->loop, &dial->timer, RELAY_DIAL_TRY_MS, on_too_slow, "relay dial");
	if (!error)
		connected(dial);
}

void relay_dial_start(struct relay_dial *dial, struct event_loop *loop, const struct address *to,
	uint64_t timeout_ms, relay_dial_fn done)
{
	memset(dial, 0, sizeof(*dial));
	dial->loop = loop;
	dial->to = to;
	dial->done = done;
	dial->deadline_ns = event_loop_now_ns() + timeout_ms * 1000000;
	event_timer_start(loop, &dial->timer, 0, try_once, "relay dial");
}

void relay_dial_cancel(struct relay_dial *dial)
{
	event_timer_stop(&dial->timer);
	drop_socket(dial);
}
