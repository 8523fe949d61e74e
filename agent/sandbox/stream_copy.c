/* stream_copy: see stream_copy.h. */
#include "sandbox/stream_copy.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "hard_limits.h"

/* One send too: larger ones stall some vsock devices (hard_limits.h). */
#define COPY_CHUNK VSOCK_SEND_MAX
/* Chunks before others have their turn. */
#define COPY_TURN 8

struct stream_copy {
	struct event_loop *loop;
	struct process_stream *stream; /* the process's */
	struct event_source peer;      /* the connection; owned */
	struct waiter waiter;	       /* parked on stream->waiters */
	struct event_task task;
	stream_copy_end_fn on_end;
	void *owner;
	bool over;
	size_t len, done;
	uint8_t data[COPY_CHUNK];
};

static void close_peer(struct stream_copy *copy)
{
	int fd = copy->peer.fd;

	event_source_remove(&copy->peer);
	if (fd >= 0)
		close(fd);
	copy->peer.fd = -1;
}

static void end(struct stream_copy *copy)
{
	if (copy->over)
		return;
	copy->over = true;
	waiter_unlink(&copy->waiter);
	event_task_cancel(&copy->task);
	close_peer(copy);
	process_stream_close(copy->stream, -EPIPE);
	copy->on_end(copy, copy->owner);
}

/* The stream's side is not ready: wait for that alone. */
static void park_on_stream(struct stream_copy *copy)
{
	event_source_set(&copy->peer, 0);
	waiter_park(&copy->stream->waiters, &copy->waiter);
	process_stream_want(copy->stream);
}

static ssize_t put(struct stream_copy *copy)
{
	const uint8_t *from = copy->data + copy->done;
	size_t len = copy->len - copy->done;
	ssize_t n;

	if (!copy->stream->readable_end)
		return process_stream_write(copy->stream, from, len);
	do
		n = send(copy->peer.fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t get(struct stream_copy *copy)
{
	ssize_t n;

	if (copy->stream->readable_end)
		return process_stream_read(copy->stream, copy->data, sizeof(copy->data));
	do
		n = recv(copy->peer.fd, copy->data, sizeof(copy->data), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Bytes moved; 0: that side has ended; -EAGAIN: it has to be waited for, which is set up. */
static ssize_t step(struct stream_copy *copy)
{
	bool putting = copy->done < copy->len;
	bool on_stream = putting != copy->stream->readable_end;
	ssize_t n = putting ? put(copy) : get(copy);

	if (n == -EAGAIN && on_stream)
		park_on_stream(copy);
	else if (n == -EAGAIN)
		event_source_set(&copy->peer, putting ? EPOLLOUT : EPOLLIN);
	if (n <= 0)
		return n;
	if (putting) {
		copy->done += (size_t)n;
	} else {
		copy->len = (size_t)n;
		copy->done = 0;
	}
	return n;
}

/* Input is to end (CloseStdin): nothing that has arrived before is left. */
static bool drained(const struct stream_copy *copy)
{
	return copy->stream->close_when_written && copy->done == copy->len;
}

static void pump(struct stream_copy *copy);

static void on_task(struct event_task *task)
{
	pump(container_of(task, struct stream_copy, task));
}

static void pump(struct stream_copy *copy)
{
	for (int i = 0; i < 2 * COPY_TURN; i++) {
		ssize_t n = step(copy);

		if (n == -EAGAIN && !drained(copy))
			return;
		if (n <= 0) {
			end(copy);
			return;
		}
	}
	event_source_set(&copy->peer, 0);
	event_task_defer(copy->loop, &copy->task, on_task);
}

static void on_peer(struct event_source *source, uint32_t events)
{
	struct stream_copy *copy = container_of(source, struct stream_copy, peer);

	event_source_set(source, 0);
	pump(copy);
}

static void on_stream(struct waiter *waiter, int value)
{
	struct stream_copy *copy = container_of(waiter, struct stream_copy, waiter);

	if (value < 0)
		end(copy);
	else
		pump(copy);
}

void stream_copy_finish(struct stream_copy *copy)
{
	copy->stream->close_when_written = true;
	/* if it is the stream that holds it up, that goes on */
	if (!copy->over && list_empty(&copy->waiter.node))
		event_task_defer(copy->loop, &copy->task, on_task);
}

struct stream_copy *stream_copy_new(struct event_loop *loop, struct process_stream *stream,
	int connection, stream_copy_end_fn on_end, void *owner)
{
	struct stream_copy *copy = malloc(sizeof(*copy));
	int r;

	if (!copy) {
		close(connection);
		errno = ENOMEM;
		return NULL;
	}
	/* not the data: pages that nothing is copied through stay untouched */
	memset(copy, 0, offsetof(struct stream_copy, data));
	copy->loop = loop;
	copy->stream = stream;
	copy->waiter.wake = on_stream;
	copy->on_end = on_end;
	copy->owner = owner;
	r = event_source_add(loop, &copy->peer, connection, 0, on_peer, "passfd stream");
	if (r < 0) {
		close(connection);
		free(copy);
		errno = -r;
		return NULL;
	}
	event_task_defer(loop, &copy->task, on_task);
	return copy;
}

void stream_copy_free(struct stream_copy *copy)
{
	if (!copy)
		return;
	waiter_unlink(&copy->waiter);
	event_task_cancel(&copy->task);
	if (!copy->over)
		close_peer(copy);
	free(copy);
}

bool stream_copy_over(const struct stream_copy *copy)
{
	return !copy || copy->over;
}
