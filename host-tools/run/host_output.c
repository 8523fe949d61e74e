/* host_output: bytes to our own stdout and stderr, as fast as they are taken. */
#include "run/host_output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"

#define CHUNK_MAX (256u * 1024)

static void prepare_stream(struct host_output *output)
{
	char path[32];
	int fd;

	str_format(path, sizeof(path), "/proc/self/fd/%d", output->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0) {
		output->fd = fd;
		output->owned = true;
	} else {
		/* A pipe that is ready takes PIPE_BUF bytes without blocking (pipe(7)). */
		output->chunk = PIPE_BUF;
	}
}

void host_output_init(struct host_output *output, struct event_loop *loop, int fd,
	void (*drained)(struct host_output *output))
{
	struct stat st;

	memset(output, 0, sizeof(*output));
	output->loop = loop;
	output->fd = fd;
	output->chunk = CHUNK_MAX;
	output->drained = drained;
	buffer_init(&output->pending, 0);
	if (fstat(fd, &st) < 0) {
		output->broken = true;
		return;
	}
	output->is_socket = S_ISSOCK(st.st_mode);
	output->is_plain = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		prepare_stream(output);
}

static void break_off(struct host_output *output)
{
	output->broken = true;
	event_source_remove(&output->source);
	buffer_release(&output->pending);
}

static ssize_t write_some(struct host_output *output, const void *data, size_t len)
{
	size_t most = len < output->chunk ? len : output->chunk;
	ssize_t n;

	do {
		n = output->is_socket ? send(output->fd, data, most, MSG_DONTWAIT | MSG_NOSIGNAL)
				      : write(output->fd, data, most);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void on_writable(struct event_source *source, uint32_t events)
{
	struct host_output *output = container_of(source, struct host_output, source);
	ssize_t n = write_some(output, output->pending.data, output->pending.len);

	if (n >= 0)
		buffer_consume(&output->pending, (size_t)n);
	else if (n != -EAGAIN)
		break_off(output);
	if (output->broken || output->pending.len == 0) {
		event_source_set(source, 0);
		if (output->drained)
			output->drained(output);
	}
}

static int wait_writable(struct host_output *output)
{
	if (event_source_added(&output->source))
		return event_source_set(&output->source, EPOLLOUT);
	return event_source_add(
		output->loop, &output->source, output->fd, EPOLLOUT, on_writable, "output");
}

int host_output_write(struct host_output *output, const void *data, size_t len)
{
	const char *from = data;
	int r;

	/* Without an opening of our own only a write that epoll announced is known not to block. */
	bool direct = output->owned || output->is_socket || output->is_plain;

	while (direct && !output->broken && len > 0 && output->pending.len == 0) {
		ssize_t n = write_some(output, from, len);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			break_off(output);
			break;
		}
		from += n;
		len -= (size_t)n;
	}
	if (output->broken || len == 0)
		return 0;
	r = buffer_append(&output->pending, from, len);
	if (r == 0)
		r = wait_writable(output);
	return r;
}

size_t host_output_pending(const struct host_output *output)
{
	return output->pending.len;
}

void host_output_release(struct host_output *output)
{
	if (!output->loop)
		return;
	event_source_remove(&output->source);
	if (output->owned)
		close(output->fd);
	buffer_release(&output->pending);
	output->loop = NULL;
}
