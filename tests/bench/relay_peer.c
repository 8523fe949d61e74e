/* relay_peer: see relay_peer.h. */
#include "bench/relay_peer.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/socket.h"
#include "base/strings.h"
#include "bench/bench_calls.h"

#define BACKLOG 1024
#define PIECE	65536

struct connection {
	struct event_source source;
	size_t at, len; /* of an echo, in data: what was read and is not written yet */
	char data[4096];
};

static char zeroes[PIECE];

static void end(struct connection *connection)
{
	int fd = connection->source.fd;

	event_source_remove(&connection->source);
	close(fd);
	free(connection);
}

static void on_echo(struct event_source *source, uint32_t events)
{
	struct connection *c = container_of(source, struct connection, source);
	ssize_t n;

	if (c->len == 0) {
		n = recv(source->fd, c->data, sizeof(c->data), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			end(c);
			return;
		}
		c->at = 0;
		c->len = (size_t)n;
	}
	n = send(source->fd, c->data + c->at, c->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		end(c);
		return;
	}
	c->at += n > 0 ? (size_t)n : 0;
	c->len -= n > 0 ? (size_t)n : 0;
	event_source_set(source, c->len ? EPOLLOUT : EPOLLIN);
}

static void on_source(struct event_source *source, uint32_t events)
{
	ssize_t n;

	do
		n = send(source->fd, zeroes, sizeof(zeroes), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n > 0);
	if (errno != EAGAIN)
		end(container_of(source, struct connection, source));
}

/* One line, in one piece: whoever dials here is ours. */
static void on_line(struct event_source *source, uint32_t events)
{
	struct connection *c = container_of(source, struct connection, source);
	ssize_t n = recv(source->fd, c->data, sizeof(c->data) - 1, MSG_DONTWAIT);
	unsigned port;

	if (n <= 0) {
		end(c);
		return;
	}
	c->data[n] = '\0';
	if (sscanf(c->data, "CONNECT %u\n", &port) != 1 ||
		send(source->fd, "OK 1\n", 5, MSG_NOSIGNAL) != 5) {
		end(c);
		return;
	}
	source->callback = port == PEER_SOURCE ? on_source : on_echo;
	event_source_set(source, port == PEER_SOURCE ? EPOLLOUT : EPOLLIN);
}

static void on_connect(struct event_source *source, uint32_t events)
{
	int fd;

	while ((fd = socket_accept(source->fd)) >= 0) {
		struct connection *c = calloc(1, sizeof(*c));

		if (!c || event_source_add(source->loop, &c->source, fd, EPOLLIN, on_line, "peer") <
				  0)
			bench_die("peer", "no memory");
	}
}

static void serve(int fd)
{
	struct event_loop *loop = event_loop_new();
	struct event_source listener = {0};
	struct rlimit limit;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (!loop || event_source_add(loop, &listener, fd, EPOLLIN, on_connect, "peer") < 0)
		bench_die("peer", "no memory");
	event_loop_run(loop);
	_exit(1);
}

pid_t relay_peer_start(const char *path)
{
	struct address address = {.kind = ADDRESS_UNIX};
	struct error err = ERROR_INIT;
	pid_t pid;
	int fd;

	str_copy(address.path, sizeof(address.path), path);
	fd = address_listen(&address, BACKLOG, &err);
	if (fd < 0)
		bench_die(path, err.text);
	pid = fork();
	if (pid < 0)
		bench_die("fork", strerror(errno));
	if (pid == 0)
		serve(fd);
	close(fd);
	return pid;
}
