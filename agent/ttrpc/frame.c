/* frame: header codec. Used by connection.c for reading, by those who queue frames for writing. */
#include "ttrpc/frame.h"

static void put_be32(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 24);
	out[1] = (uint8_t)(value >> 16);
	out[2] = (uint8_t)(value >> 8);
	out[3] = (uint8_t)value;
}

static uint32_t get_be32(const uint8_t *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

void frame_header_encode(const struct frame_header *header, uint8_t out[FRAME_HEADER_SIZE])
{
	put_be32(out, header->length);
	put_be32(out + 4, header->stream_id);
	out[8] = header->type;
	out[9] = header->flags;
}

struct frame_header frame_header_decode(const uint8_t in[FRAME_HEADER_SIZE])
{
	return (struct frame_header){
		.length = get_be32(in),
		.stream_id = get_be32(in + 4),
		.type = in[8],
		.flags = in[9],
	};
}
