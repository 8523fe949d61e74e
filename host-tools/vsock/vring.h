/*
 * vring: the device's side of one split virtqueue (virtio 1.2 section 2.7).
 *
 * Owned by vhost_user (two of them), used by vsock_device. Ring and descriptors lie in guest memory
 * and may change under us at any time: every value is copied once, then checked. Chains are
 * finished in the order in which they were made available and none is held back, so the used index
 * always equals the next available index. Never sleeps.
 */
#ifndef VSOCK_VRING_H
#define VSOCK_VRING_H

#include "base/error.h"
#include "vsock/guest_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define VRING_SIZE_MAX	 1024	       /* entries; Linux's vsock driver gets 128 from QEMU */
#define VRING_CHAIN_MAX	 (1024 * 1024) /* bytes of one chain; Linux sends at most 64 KiB + 44 */
#define VRING_IOVECS_MAX (VRING_SIZE_MAX + 16) /* a descriptor may cross from region to region */

/* What lies in guest memory, little endian (virtio 1.2 sections 2.7.5, 2.7.6, 2.7.8). */
struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
struct vring_used_elem {
	uint32_t id, len;
};
#define VRING_DESC_F_NEXT	   1
#define VRING_DESC_F_WRITE	   2
#define VRING_DESC_F_INDIRECT	   4
#define VRING_AVAIL_F_NO_INTERRUPT 1
#define VRING_USED_F_NO_NOTIFY	   1

struct vring_addresses { /* as QEMU sees them */
	uint64_t desc, avail, used;
};

struct vring {
	/* Negotiated and set before it is mapped. */
	unsigned size; /* entries, a power of two */
	bool writable; /* chains are for us to write (receive ring), else to read (transmit ring) */
	bool event_idx, indirect;
	struct vring_addresses addresses;
	/* Valid while mapped. */
	const struct guest_memory *mem; /* NULL = not mapped */
	struct vring_desc *desc;
	uint16_t *avail, *used; /* flags, index, then entries */
	/* Position; survives a remapping. */
	uint16_t next;	    /* the next available entry we have not finished */
	uint16_t signalled; /* used index when the guest was last interrupted */
	bool signalled_valid;
	bool broken; /* it said something impossible; nothing more is taken from it */
	int call_fd; /* interrupts the guest; not owned; -1 = none */
	uint64_t interrupts;
};

struct vring_chain {
	uint16_t head;
	unsigned count; /* entries of iov */
	size_t total;	/* bytes; never 0 */
	struct iovec iov[VRING_IOVECS_MAX];
};

/* Translates ring->addresses; size, alignment and bounds checked. Not mapped on failure. */
int vring_map(struct vring *ring, const struct guest_memory *mem, struct error *err);
void vring_unmap(struct vring *ring);
bool vring_mapped(const struct vring *ring);

/* How many chains are available; 0 also when it is broken (which this may find out) or unmapped. */
unsigned vring_available(struct vring *ring);
/*
 * Copies and checks the ahead-th available chain (0 = the next). Nothing is taken. 0, -EAGAIN when
 * there is none, -EPROTO with broken set when it is impossible.
 */
int vring_peek(struct vring *ring, unsigned ahead, struct vring_chain *ret);
/* Finishes the next chain, whose head must be `head`: len bytes were written into it. */
void vring_push(struct vring *ring, uint16_t head, uint32_t len);
/* Interrupts the guest if it wants that for what was pushed since; `again` repeats a lost one. */
void vring_interrupt(struct vring *ring, bool again);
/* Asks the guest to be kicked for (or not to kick for) more chains; true if there are some now. */
bool vring_want_kicks(struct vring *ring, bool want);

/* Copies at most len bytes from (to) the chain's bytes [offset, ...); returns how many. */
size_t iov_copy_out(const struct iovec *iov, unsigned count, size_t offset, void *to, size_t len);
size_t iov_copy_in(
	const struct iovec *iov, unsigned count, size_t offset, const void *from, size_t len);
/* The part [offset, offset + len) as iovecs in out (room for max); returns how many it took. */
unsigned iov_slice(const struct iovec *iov, unsigned count, size_t offset, size_t len,
	struct iovec *out, unsigned max);

#endif
