/*
 * vhost_message: one vhost-user message in, one reply out (QEMU docs/interop/vhost-user.rst).
 *
 * Used by vhost_user only. Header: request, flags, payload size, each u32 in host byte order;
 * descriptors come by SCM_RIGHTS. A message may come in pieces. Never sleeps.
 */
#ifndef VSOCK_VHOST_MESSAGE_H
#define VSOCK_VHOST_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define VHOST_HEADER_SIZE     12
#define VHOST_PAYLOAD_MAX     512 /* the largest legitimate one is 268 bytes (configuration) */
#define VHOST_FDS_MAX	      8
#define VHOST_VERSION	      1
#define VHOST_VERSION_MASK    3
#define VHOST_FLAG_REPLY      4
#define VHOST_FLAG_NEED_REPLY 8

enum vhost_request {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_GET_CONFIG = 24,
	VHOST_RESET_DEVICE = 34,
};

struct vhost_header {
	uint32_t request, flags, size;
};

/* A message being read. Zeroed = empty. The payload is aligned for u64. */
struct vhost_message {
	size_t have; /* bytes so far, header included */
	struct vhost_header header;
	union {
		uint64_t u64;
		uint32_t u32[2];
		uint8_t bytes[VHOST_PAYLOAD_MAX];
	} payload;
	int fds[VHOST_FDS_MAX]; /* owned until vhost_message_take_fd() */
	unsigned fd_count;
};

/*
 * Reads on: 1 when the message is whole, 0 when more bytes must come first, -ECONNRESET at end of
 * file, -EPROTO (version, size, too many descriptors), or another negative errno. After a failure
 * the stream is not usable. Call vhost_message_clear() before the next message.
 */
int vhost_message_read(struct vhost_message *message, int sock);
void vhost_message_clear(struct vhost_message *message); /* closes what was not taken */
/* The i-th descriptor becomes the caller's; -1 when there is none. */
int vhost_message_take_fd(struct vhost_message *message, unsigned i);
/* Sends a reply whole, or fails: -EAGAIN when the peer does not read. */
int vhost_message_reply(int sock, uint32_t request, const void *payload, size_t size);

#endif
