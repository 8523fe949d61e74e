/* ttrpc_peer: see the header. */
#include "lib/ttrpc_peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/fd.h"

#define PATIENCE_NS 10000000000u

void peer_init(struct ttrpc_peer *peer, int fd, void (*step)(void *context), void *context)
{
	*peer = (struct ttrpc_peer){.fd = fd, .step = step, .context = context};
	fd_set_nonblock(fd, true);
}

void peer_release(struct ttrpc_peer *peer)
{
	close_fd(&peer->fd);
}

/* Lets others work until our fd is ready or some milliseconds have passed. */
static void wait_ready(struct ttrpc_peer *peer, short events)
{
	struct pollfd pfd = {.fd = peer->fd, .events = events};

	if (peer->step) {
		peer->step(peer->context);
		poll(&pfd, 1, 0);
	} else {
		poll(&pfd, 1, 100);
	}
}

bool peer_write(struct ttrpc_peer *peer, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t start = event_loop_now_ns();

	while (len > 0) {
		ssize_t n = send(peer->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (event_loop_now_ns() - start > PATIENCE_NS)
			return false;
		wait_ready(peer, POLLOUT);
	}
	return true;
}

static bool write_pieces(
	struct ttrpc_peer *peer, const uint8_t *data, size_t len, size_t max, unsigned *seed)
{
	while (len > 0) {
		size_t n = seed ? 1 + (size_t)rand_r(seed) % max : max;

		if (n > len)
			n = len;
		if (!peer_write(peer, data, n))
			return false;
		data += n;
		len -= n;
		if (peer->step)
			peer->step(peer->context);
	}
	return true;
}

bool peer_write_split(struct ttrpc_peer *peer, const void *data, size_t len, size_t piece)
{
	return write_pieces(peer, data, len, piece, NULL);
}

bool peer_write_random(
	struct ttrpc_peer *peer, const void *data, size_t len, size_t max, unsigned seed)
{
	return write_pieces(peer, data, len, max, &seed);
}

bool peer_send_frame(struct ttrpc_peer *peer, uint32_t stream_id, uint8_t type, uint8_t flags,
	const void *body, uint32_t len)
{
	struct frame_header header = {len, stream_id, type, flags};
	uint8_t bytes[FRAME_HEADER_SIZE];

	frame_header_encode(&header, bytes);
	return peer_write(peer, bytes, sizeof(bytes)) && peer_write(peer, body, len);
}

void peer_make_request(struct buffer *out, uint32_t stream_id, const char *service,
	const char *method, const ProtobufCMessage *payload, int64_t timeout_nano)
{
	if (envelope_request_frame(out, stream_id, service, method, payload, timeout_nano, NULL) <
		0)
		abort();
}

bool peer_send_request(struct ttrpc_peer *peer, uint32_t stream_id, const char *service,
	const char *method, const ProtobufCMessage *payload, int64_t timeout_nano)
{
	struct buffer frame;
	bool ok;

	peer_make_request(&frame, stream_id, service, method, payload, timeout_nano);
	ok = peer_write(peer, frame.data, frame.len);
	buffer_release(&frame);
	return ok;
}

size_t peer_read(struct ttrpc_peer *peer, void *data, size_t len)
{
	uint64_t last = event_loop_now_ns();
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(peer->fd, (uint8_t *)data + done, len - done, 0);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (n > 0) {
			done += (size_t)n;
			last = event_loop_now_ns();
			continue;
		}
		if (event_loop_now_ns() - last > PATIENCE_NS)
			break;
		wait_ready(peer, POLLIN);
	}
	return done;
}

bool peer_read_frame(struct ttrpc_peer *peer, struct peer_frame *ret)
{
	uint8_t bytes[FRAME_HEADER_SIZE];
	size_t len;

	if (peer_read(peer, bytes, sizeof(bytes)) != sizeof(bytes))
		return false;
	ret->header = frame_header_decode(bytes);
	len = ret->header.length;
	ret->body = calloc(1, len + 1);
	if (ret->body && peer_read(peer, ret->body, len) == len)
		return true;
	free(ret->body);
	return false;
}

void peer_frame_release(struct peer_frame *frame)
{
	free(frame->body);
	frame->body = NULL;
}

int peer_read_status(struct ttrpc_peer *peer, uint32_t stream_id, char *text, size_t size)
{
	struct envelope_response response = {0};
	struct peer_frame frame;
	int code = -1;

	if (!peer_read_frame(peer, &frame))
		return -1;
	if (frame.header.type == FRAME_RESPONSE && frame.header.stream_id == stream_id &&
		envelope_decode_response(frame.body, frame.header.length, &response, NULL) == 0)
		code = response.code;
	if (code >= 0 && text && size > 0) {
		size_t len = response.message.len < size ? response.message.len : size - 1;

		memcpy(text, response.message.data, len);
		text[len] = '\0';
	}
	peer_frame_release(&frame);
	return code;
}

bool peer_sees_close(struct ttrpc_peer *peer)
{
	uint64_t start = event_loop_now_ns();
	uint8_t byte;

	for (;;) {
		ssize_t n = recv(peer->fd, &byte, 1, 0);

		if (n > 0)
			return false;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return true;
		if (event_loop_now_ns() - start > PATIENCE_NS)
			return false;
		wait_ready(peer, POLLIN);
	}
}
