/* vsock_packet: see the header. */
#include "vsock/vsock_packet.h"

#include <endian.h>
#include <string.h>

/* As it lies in memory: naturally aligned but for its end, hence packed. */
struct wire_header {
	uint64_t from_cid, to_cid;
	uint32_t from_port, to_port, len;
	uint16_t type, op;
	uint32_t flags, buffer, forwarded;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_header) == VSOCK_HEADER_SIZE, "virtio-vsock header");

void vsock_packet_decode(struct vsock_packet *ret, const uint8_t bytes[VSOCK_HEADER_SIZE])
{
	struct wire_header wire;

	memcpy(&wire, bytes, sizeof(wire));
	*ret = (struct vsock_packet){
		.from_cid = le64toh(wire.from_cid),
		.to_cid = le64toh(wire.to_cid),
		.from_port = le32toh(wire.from_port),
		.to_port = le32toh(wire.to_port),
		.len = le32toh(wire.len),
		.type = le16toh(wire.type),
		.op = le16toh(wire.op),
		.flags = le32toh(wire.flags),
		.buffer = le32toh(wire.buffer),
		.forwarded = le32toh(wire.forwarded),
	};
}

void vsock_packet_encode(const struct vsock_packet *packet, uint8_t bytes[VSOCK_HEADER_SIZE])
{
	struct wire_header wire = {
		.from_cid = htole64(packet->from_cid),
		.to_cid = htole64(packet->to_cid),
		.from_port = htole32(packet->from_port),
		.to_port = htole32(packet->to_port),
		.len = htole32(packet->len),
		.type = htole16(packet->type),
		.op = htole16(packet->op),
		.flags = htole32(packet->flags),
		.buffer = htole32(packet->buffer),
		.forwarded = htole32(packet->forwarded),
	};

	memcpy(bytes, &wire, sizeof(wire));
}
