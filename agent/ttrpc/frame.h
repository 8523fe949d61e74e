/*
 * frame: the 10-byte header in front of every ttrpc message (wire.md section 2; ttrpc PROTOCOL.md).
 * Pure: no memory, no descriptors.
 */
#ifndef TTRPC_FRAME_H
#define TTRPC_FRAME_H

#include <stdint.h>

#define FRAME_HEADER_SIZE 10

enum frame_type {
	FRAME_REQUEST = 1,
	FRAME_RESPONSE = 2,
	FRAME_DATA = 3,
};

/* Streaming flags. No Kata method streams; they are read and do not change what we do. */
enum frame_flags {
	FRAME_REMOTE_CLOSED = 0x01,
	FRAME_REMOTE_OPEN = 0x02,
	FRAME_NO_DATA = 0x04,
};

struct frame_header {
	uint32_t length; /* bytes of data behind the header; unchecked */
	uint32_t stream_id;
	uint8_t type;  /* enum frame_type, or one we do not know */
	uint8_t flags; /* enum frame_flags */
};

void frame_header_encode(const struct frame_header *header, uint8_t out[FRAME_HEADER_SIZE]);
/* Any ten bytes are a header; judging length, type and stream id is the caller's. */
struct frame_header frame_header_decode(const uint8_t in[FRAME_HEADER_SIZE]);

#endif
