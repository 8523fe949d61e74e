/*
 * vsock_credit: how much may be under way on one connection, in both directions. Pure arithmetic;
 * all counters are u32 and wrap (virtio 1.2 section 5.10.6.3). Used by vsock_connection.
 *
 * Besides bytes, packets are counted: Linux 6.12.92 and later limits the unread packets of a socket
 * to its buffer / about 576 bytes whatever they hold, and drops or resets past that.
 */
#ifndef VSOCK_VSOCK_CREDIT_H
#define VSOCK_VSOCK_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#define VSOCK_WINDOW	       (256 * 1024) /* ours, bytes: what a guest may send unread */
#define VSOCK_CRUMB	       4096	    /* with less credit than this, wait for more */
#define VSOCK_PACKETS_MAX      512	    /* unacknowledged, whatever the guest's buffer is */
#define VSOCK_BYTES_PER_PACKET 1024	    /* guest buffer bytes for each unacknowledged packet */

struct vsock_credit {
	/* Towards the guest. */
	uint32_t sent, guest_buffer, guest_forwarded;
	uint32_t ends[VSOCK_PACKETS_MAX]; /* `sent` after each unacknowledged packet: a ring */
	uint16_t first, packets;
	/* From the guest. */
	uint32_t received, forwarded, told; /* told: the forwarded count the guest knows */
};

/* Every packet of the guest says where it stands. */
void vsock_credit_update(struct vsock_credit *credit, uint32_t buffer, uint32_t forwarded);
/* Bytes the guest still has room for (raw; 0 when its figures are impossible). */
uint32_t vsock_credit_free(const struct vsock_credit *credit);
/* Packets that may be sent now. */
unsigned vsock_credit_packets(const struct vsock_credit *credit);
/* Bytes that are worth sending now: 0 while only crumbs or no packets are allowed. */
uint32_t vsock_credit_sendable(const struct vsock_credit *credit);
void vsock_credit_sent(struct vsock_credit *credit, uint32_t len); /* one packet */

/* False when the guest sent more than we allowed: a broken guest. */
bool vsock_credit_receive(struct vsock_credit *credit, uint32_t len);
void vsock_credit_take(struct vsock_credit *credit, uint32_t len); /* the owner took them */
/* A quarter of the window was taken that the guest does not know of. */
bool vsock_credit_should_tell(const struct vsock_credit *credit);

#endif
