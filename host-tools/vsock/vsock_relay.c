/* vsock_relay: see the header. */
#include "vsock/vsock_relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

static struct vsock_relay_end *other(struct vsock_relay_end *end)
{
	struct vsock_relay *relay = end->relay;

	return end == &relay->ends[0] ? &relay->ends[1] : &relay->ends[0];
}

static void on_patience(struct event_timer *timer)
{
	struct vsock_relay *relay = container_of(timer, struct vsock_relay, patience);

	vsock_relay_release(relay);
	relay->done(relay);
}

/* It will not read any more: what is under way to it is lost, and its writer should know. */
static void end_is_gone(struct vsock_relay_end *end)
{
	struct vsock_relay_end *from = other(end);

	if (end->gone)
		return;
	end->gone = true;
	from->ended = true;
	from->len = 0;
	shutdown(from->source.fd, SHUT_RD);
	event_timer_start(end->relay->loop, &end->relay->patience, VSOCK_RELAY_PATIENCE_MS,
		on_patience, "vsock relay");
}

/* One read, if there is room. True when something was done. */
static bool pull(struct vsock_relay_end *end)
{
	ssize_t n;

	if (end->ended || end->dry || end->len > 0)
		return false;
	n = recv(end->source.fd, end->data, VSOCK_RELAY_BUFFER, MSG_DONTWAIT);
	end->dry = n < VSOCK_RELAY_BUFFER;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0) {
		end->at = 0;
		end->len = n;
		if (end->relay->tap)
			end->relay->tap(end->relay, end == &end->relay->ends[1], end->data, n);
		return true;
	}
	end->ended = true;
	if (n < 0)
		end_is_gone(end);
	return true;
}

/* Writes what was read; passes the end on after the last byte. True when something was done. */
static bool push(struct vsock_relay_end *end)
{
	struct vsock_relay_end *to = other(end);
	size_t most = end->relay->send_max;
	ssize_t n;

	if (end->len > 0) {
		if (most == 0 || most > end->len)
			most = end->len;
		n = send(to->source.fd, end->data + end->at, most, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) {
			end_is_gone(to);
			return true;
		}
		end->at += n;
		end->len -= n;
		if (event_timer_running(&end->relay->patience))
			event_timer_start(end->relay->loop, &end->relay->patience,
				VSOCK_RELAY_PATIENCE_MS, on_patience, "vsock relay");
		return true;
	}
	if (!end->ended || end->passed)
		return false;
	end->passed = true;
	shutdown(to->source.fd, SHUT_WR);
	return true;
}

static int watch(struct vsock_relay_end *end)
{
	uint32_t events = 0;

	if (!end->ended && end->len == 0)
		events |= EPOLLIN;
	if (other(end)->len > 0)
		events |= EPOLLOUT;
	if (!events && !end->gone)
		events = EPOLLHUP; /* worth knowing, once */
	return event_source_set(&end->source, events);
}

static void on_end(struct event_source *source, uint32_t events)
{
	struct vsock_relay_end *end = container_of(source, struct vsock_relay_end, source);
	struct vsock_relay *relay = end->relay;
	/* A bounded turn: the loop has others to serve, epoll says when there is more. */
	int turns = 16;
	bool busy = true;

	/* Only what the event is about: asking the other one as well costs a call a message. */
	end->dry = !(events & EPOLLIN);
	other(end)->dry = !(events & EPOLLOUT);
	if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
		end_is_gone(end);
	while (busy && turns-- > 0) {
		busy = false;
		for (int i = 0; i < 2; i++) {
			busy = pull(&relay->ends[i]) || busy;
			busy = push(&relay->ends[i]) || busy;
		}
	}
	if ((relay->ends[0].passed && relay->ends[1].passed) || watch(&relay->ends[0]) < 0 ||
		watch(&relay->ends[1]) < 0) {
		vsock_relay_release(relay);
		relay->done(relay);
	}
}

int vsock_relay_start(
	struct vsock_relay *relay, struct event_loop *loop, int a, int b, vsock_relay_fn done)
{
	int fds[2] = {a, b}, r = 0;

	memset(relay, 0, sizeof(*relay));
	relay->loop = loop;
	relay->done = done;
	for (int i = 0; i < 2; i++) {
		struct vsock_relay_end *end = &relay->ends[i];

		end->relay = relay;
		end->data = malloc(VSOCK_RELAY_BUFFER);
		if (!end->data)
			r = -ENOMEM;
		if (r >= 0)
			r = event_source_add(
				loop, &end->source, fds[i], EPOLLIN, on_end, "vsock relay");
		if (r < 0)
			close(fds[i]);
	}
	if (r < 0)
		vsock_relay_release(relay);
	return r;
}

void vsock_relay_release(struct vsock_relay *relay)
{
	event_timer_stop(&relay->patience);
	for (int i = 0; i < 2; i++) {
		struct vsock_relay_end *end = &relay->ends[i];
		int fd = end->source.fd;

		if (event_source_added(&end->source)) {
			event_source_remove(&end->source);
			close(fd);
		}
		free(take_ptr(end->data));
	}
}
