/*
 * fake_vsock_guest: QEMU and a guest's vsock driver in a test's process: memfd memory, own rings,
 * vhost-user messages over a real socket. It keeps the driver's rules (kicks and interrupts only
 * where the event index or the flags ask for them), so that a lost notification hangs a test.
 *
 * The device under test runs in the same thread: whoever waits here calls step() meanwhile.
 */
#ifndef TESTS_FAKE_VSOCK_GUEST_H
#define TESTS_FAKE_VSOCK_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/vsock_packet.h"

#define FAKE_RING	128
#define FAKE_MEMORY	(16 * 1024 * 1024)
#define FAKE_QEMU_BASE	0x7f0000000000ull	 /* where "QEMU" has guest address 0 */
#define FAKE_CUT	(6 * 1024 * 1024 + 1234) /* with two regions: where the second starts */
#define FAKE_RX_AREA	(1024 * 1024)
#define FAKE_RX_SIZE	4096
#define FAKE_TX_AREA	(2 * 1024 * 1024)
#define FAKE_TX_SLOTS	32
#define FAKE_TX_SLOT	(128 * 1024)
#define FAKE_FEATURES	((1ull << 32) | (1ull << 30) | (1ull << 29) | (1ull << 28))
#define FAKE_NEED_REPLY 8
#define FAKE_CID	3

struct fake_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct fake_ring {
	struct fake_desc *desc;
	uint16_t *avail, *used;
	int kick, call; /* eventfds */
	uint16_t avail_index, used_index;
	uint64_t kicks;
};

struct fake_guest {
	void (*step)(void *context);
	void *context;
	/* Options, set after fake_guest_init(). */
	uint64_t features; /* what the driver accepts */
	unsigned regions;  /* 1 or 2 */
	unsigned pieces;   /* descriptors of one transmit packet, 1 to 4 */
	bool use_indirect;
	bool hold_receive; /* do not give receive buffers back */
	bool lose_kicks;   /* kicks that the driver's rules ask for never arrive */
	/* State. */
	int sock, memfd;
	uint8_t *mem;
	struct fake_ring rings[2]; /* 0 receive, 1 transmit */
	uint32_t slots_busy;	   /* bit per transmit slot */
	unsigned held[FAKE_RING], held_count;
	unsigned lost_kicks;
};

void fake_guest_init(struct fake_guest *g, void (*step)(void *context), void *context);
void fake_guest_release(struct fake_guest *g);
/* Connects to the back end's socket; 0 or negative errno. */
int fake_guest_connect(struct fake_guest *g, const char *path);
/* One message with descriptors; 0 or negative errno. */
int fake_guest_message(struct fake_guest *g, uint32_t request, uint32_t flags, const void *payload,
	size_t size, const int *fds, unsigned fd_count);
/* The next reply's payload size, or negative errno (-ETIMEDOUT after 2 s, -ECONNRESET). */
int fake_guest_reply(struct fake_guest *g, uint32_t *request, void *payload, size_t size);
/* A message with an answer of its own; its u64. Fails the test's process when there is none. */
uint64_t fake_guest_ask(struct fake_guest *g, uint32_t request);
/* Everything QEMU does up to a running driver; bases: where rings go on after a pause, or NULL. */
int fake_guest_start(struct fake_guest *g, const uint16_t bases[2]);
/* Everything QEMU does when the guest stops or resets; the ring's indices as answered. */
void fake_guest_stop(struct fake_guest *g, uint16_t bases[2]);
/* True while the back end has not hung up (steps a little). */
bool fake_guest_alive(struct fake_guest *g);

/* Puts a packet on the transmit ring; false when no slot is free. `room`: 0, or what the chain
 * shall hold after the header instead of packet->len bytes. */
bool fake_guest_send(
	struct fake_guest *g, const struct vsock_packet *packet, const void *payload, size_t room);
/* Takes a packet from the receive ring if there is one. */
bool fake_guest_receive(
	struct fake_guest *g, struct vsock_packet *packet, void *payload, size_t room);
/* As a driver sleeps: was there an interrupt since the last call? */
bool fake_guest_interrupted(struct fake_guest *g, unsigned ring);
/* Waits (stepping) for a packet; false after seconds. */
bool fake_guest_await(struct fake_guest *g, struct vsock_packet *packet, void *payload, size_t room,
	double seconds);
void fake_guest_give_back(struct fake_guest *g); /* the held receive buffers */
/* Raw access for hostile tests: makes desc `head` available and kicks. */
void fake_guest_avail(struct fake_guest *g, unsigned ring, uint16_t head);
void fake_guest_kick(struct fake_guest *g, unsigned ring);

#endif
