/* process_stream: see process_stream.h. Owned by struct process; read and written by
 * service/stream_service. */
#include "sandbox/process_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "hard_limits.h"

void process_stream_init(struct process_stream *stream)
{
	*stream = (struct process_stream){.fd = -1};
	waiter_list_init(&stream->waiters);
}

static void on_ready(struct event_source *source, uint32_t events)
{
	struct process_stream *stream = container_of(source, struct process_stream, source);

	event_source_set(source, 0);
	/* Readers and writers are served in order, one at a time: bytes have an order. */
	waiter_wake_one(&stream->waiters, 0);
}

int process_stream_open(
	struct event_loop *loop, struct process_stream *stream, int fd, bool readable_end)
{
	int r = fd_set_nonblock(fd, true);

	if (r == 0)
		r = event_source_add(loop, &stream->source, fd, 0, on_ready,
			readable_end ? "process output" : "process stdin");
	if (r < 0) {
		close(fd);
		return r;
	}
	stream->fd = fd;
	stream->readable_end = readable_end;
	return 0;
}

void process_stream_close(struct process_stream *stream, int value)
{
	if (stream->fd >= 0) {
		event_source_remove(&stream->source);
		close_fd(&stream->fd);
	}
	if (stream->waiters.head.next)
		waiter_wake_all(&stream->waiters, value);
}

size_t process_stream_available(const struct process_stream *stream)
{
	int count = 0;

	if (stream->fd < 0 || stream->end_of_file || ioctl(stream->fd, FIONREAD, &count) < 0)
		return 0;
	return count > 0 ? (size_t)count : 0;
}

/*
 * Who fills a whole pipe between two reads has much to say: with more room it goes on writing while
 * an answer travels. The others keep the kernel's small one. Not a pipe, or refused: as it was.
 */
static void give_room(struct process_stream *stream)
{
	stream->roomy = true;
	/* with pages of 64 KiB the kernel's own has more */
	if (fcntl(stream->fd, F_GETPIPE_SZ) < PIPE_ROOMY)
		fcntl(stream->fd, F_SETPIPE_SZ, PIPE_ROOMY);
}

ssize_t process_stream_read(struct process_stream *stream, void *data, size_t len)
{
	ssize_t n;

	if (stream->fd < 0 || stream->end_of_file)
		return 0;
	do
		n = read(stream->fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n >= PIPE_FULL && !stream->roomy)
		give_room(stream);
	if (n > 0)
		return n;
	if (n < 0 && errno == EAGAIN && !stream->abandon)
		return -EAGAIN;
	if (n < 0 && errno != EIO && errno != EAGAIN)
		return -errno;
	stream->end_of_file = true;
	return 0;
}

#define READ_WAITING 512 /* bytes of a read that finds nothing yet */

ssize_t process_stream_take(
	struct process_stream *stream, struct arena *arena, struct read_memory *memory, size_t len)
{
	size_t need = process_stream_available(stream), size;

	/* Only a guess: another may take the bytes (/proc/self/fd/1), or more may come. */
	if (need < READ_WAITING)
		need = READ_WAITING;
	if (need > len)
		need = len;
	if (need > memory->size) {
		size = need > 2 * memory->size ? need : 2 * memory->size;
		memory->data = arena_alloc(arena, size);
		memory->size = memory->data ? size : 0;
	}
	if (!memory->data)
		return -ENOMEM;
	return process_stream_read(stream, memory->data, need);
}

ssize_t process_stream_write(struct process_stream *stream, const void *data, size_t len)
{
	ssize_t n;

	if (stream->fd < 0)
		return -EPIPE;
	do
		n = write(stream->fd, data, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

void process_stream_want(struct process_stream *stream)
{
	if (stream->fd >= 0)
		event_source_set(&stream->source, stream->readable_end ? EPOLLIN : EPOLLOUT);
}

void process_stream_abandon(struct process_stream *stream)
{
	stream->abandon = true;
	if (stream->waiters.head.next)
		waiter_wake_all(&stream->waiters, 0);
}
