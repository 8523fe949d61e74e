/*
 * vsock_packet: the 44-byte header of virtio-vsock (virtio 1.2 section 5.10.6; Linux
 * include/uapi/linux/virtio_vsock.h), little endian on every guest and host. Pure.
 */
#ifndef VSOCK_VSOCK_PACKET_H
#define VSOCK_VSOCK_PACKET_H

#include <stdint.h>

#define VSOCK_HEADER_SIZE 44
#define VSOCK_CID_HOST	  2
#define VSOCK_TYPE_STREAM 1

enum vsock_op {
	VSOCK_OP_NONE = 0, /* invalid on the wire */
	VSOCK_OP_REQUEST = 1,
	VSOCK_OP_RESPONSE = 2,
	VSOCK_OP_RST = 3,
	VSOCK_OP_SHUTDOWN = 4,
	VSOCK_OP_RW = 5,
	VSOCK_OP_CREDIT_UPDATE = 6,
	VSOCK_OP_CREDIT_REQUEST = 7,
};

/* Flags of SHUTDOWN: what the sender will not do any more. */
#define VSOCK_SHUTDOWN_RECEIVE 1
#define VSOCK_SHUTDOWN_SEND    2
#define VSOCK_SHUTDOWN_BOTH    3

struct vsock_packet {
	uint64_t from_cid, to_cid;
	uint32_t from_port, to_port;
	uint32_t len; /* payload, bytes */
	uint16_t type, op;
	uint32_t flags;
	uint32_t buffer;    /* the sender's receive window, bytes */
	uint32_t forwarded; /* bytes its reader has taken since the start, wrapping */
};

void vsock_packet_decode(struct vsock_packet *ret, const uint8_t bytes[VSOCK_HEADER_SIZE]);
void vsock_packet_encode(const struct vsock_packet *packet, uint8_t bytes[VSOCK_HEADER_SIZE]);

#endif
