/*
 * ttrpc_peer: the other end of a ttrpc socket, for tests that need bytes no well-behaved peer
 * sends: raw frames, cut frames, split writes. Blocking calls on a non-blocking or blocking fd;
 * when the code under test shares our process, peer_step is called while waiting (it runs the loop
 * once).
 */
#ifndef TESTS_LIB_TTRPC_PEER_H
#define TESTS_LIB_TTRPC_PEER_H

#include "base/buffer.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ttrpc_peer {
	int fd; /* owned */
	/* Lets the code under test work while we wait; NULL when it is another process. */
	void (*step)(void *context);
	void *context;
};

/* A frame as it came. body is malloc'd with one NUL behind it; peer_frame_release() frees. */
struct peer_frame {
	struct frame_header header;
	uint8_t *body;
};

void peer_init(struct ttrpc_peer *peer, int fd, void (*step)(void *context), void *context);
void peer_release(struct ttrpc_peer *peer);
/* Writes all of it; false when the other end has gone. */
bool peer_write(struct ttrpc_peer *peer, const void *data, size_t len);
/* The same in pieces of the given size (1 = byte by byte), a step between any two. */
bool peer_write_split(struct ttrpc_peer *peer, const void *data, size_t len, size_t piece);
/* Pieces of 1..max bytes, from a generator with this seed. */
bool peer_write_random(
	struct ttrpc_peer *peer, const void *data, size_t len, size_t max, unsigned seed);
bool peer_send_frame(struct ttrpc_peer *peer, uint32_t stream_id, uint8_t type, uint8_t flags,
	const void *body, uint32_t len);
/* A request frame in out (initialised by this). */
void peer_make_request(struct buffer *out, uint32_t stream_id, const char *service,
	const char *method, const ProtobufCMessage *payload, int64_t timeout_nano);
bool peer_send_request(struct ttrpc_peer *peer, uint32_t stream_id, const char *service,
	const char *method, const ProtobufCMessage *payload, int64_t timeout_nano);
/* Reads exactly len bytes; the number read before the end of file or 10 s without a byte. */
size_t peer_read(struct ttrpc_peer *peer, void *data, size_t len);
/* False at the end of file, or after 10 s. */
bool peer_read_frame(struct ttrpc_peer *peer, struct peer_frame *ret);
void peer_frame_release(struct peer_frame *frame);
/* Reads one response for this stream: its status code (0..16), or -1 when something else came. */
int peer_read_status(struct ttrpc_peer *peer, uint32_t stream_id, char *text, size_t size);
/* True when the other end closes (end of file or reset) within 10 s and sends nothing before. */
bool peer_sees_close(struct ttrpc_peer *peer);

#endif
