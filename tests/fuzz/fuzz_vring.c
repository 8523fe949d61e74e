/*
 * Fuzz target: descriptor chains in a guest's memory (host-tools/vsock/vring.c, guest_memory.c).
 * The input writes the ring, its descriptors and indirect tables, and calls the ring's functions;
 * what comes out must lie inside guest memory, whose two regions are heap blocks of exactly their
 * size.
 */
#include "vsock/vring.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "fuzz/fuzz.h"

#define FIRST	   12288
#define SECOND	   4096
#define GUEST_BASE 0x10000
#define USER_BASE  0x700000000000ull
#define AVAIL_AT   2048 /* behind 128 descriptors */
#define USED_AT	   2560
#define TABLES_AT  3600
#define SIZE_LOG   7

struct subject {
	struct fuzz_input in;
	struct guest_memory mem;
	struct vring ring;
	struct vring_chain chain;
	bool have_chain;
};

static uint8_t *ring_memory(struct subject *s)
{
	return s->mem.regions[0].map;
}

/* Addresses around the regions' edges, or anything. */
static uint64_t address(struct subject *s)
{
	uint8_t kind = fuzz_u8(&s->in);

	switch (kind % 8) {
	case 0:
		return fuzz_take(&s->in, 8);
	case 1:
		return GUEST_BASE + FIRST - (kind >> 3);
	case 2:
		return s->mem.regions[1].spec.guest_addr + SECOND - (kind >> 3);
	case 3:
		return s->mem.regions[1].spec.guest_addr + (kind >> 3);
	default:
		return GUEST_BASE + fuzz_u16(&s->in) % (FIRST + SECOND);
	}
}

static struct vring_desc descriptor(struct subject *s)
{
	struct vring_desc desc = {.addr = address(s)};
	uint8_t kind = fuzz_u8(&s->in);

	desc.flags = kind % 8;
	desc.len = kind & 8 ? fuzz_u32(&s->in) : fuzz_u16(&s->in);
	if (kind & 16)
		desc.len &= ~15u; /* an indirect table's */
	desc.next = kind & 32 ? fuzz_u16(&s->in) : fuzz_u8(&s->in) % 128;
	return desc;
}

static void set_up(struct subject *s)
{
	uint8_t flags;

	s->ring.size = 1u << (fuzz_u8(&s->in) % (SIZE_LOG + 1));
	flags = fuzz_u8(&s->in);
	s->ring.writable = flags & 1;
	s->ring.event_idx = flags & 2;
	s->ring.indirect = flags & 4;
	s->ring.next = fuzz_u16(&s->in);
	s->ring.call_fd = -1;
	s->mem.count = 2;
	s->mem.regions[0] = (struct guest_region){
		.spec = {.guest_addr = GUEST_BASE, .size = FIRST, .user_addr = USER_BASE},
		.map = calloc(1, FIRST)};
	s->mem.regions[1] = (struct guest_region){/* Right behind the first, or apart. */
		.spec = {.guest_addr = GUEST_BASE + FIRST + (flags & 8 ? 4096 : 0),
			.size = SECOND,
			.user_addr = USER_BASE + 0x100000},
		.map = calloc(1, SECOND)};
	s->ring.addresses = (struct vring_addresses){
		.desc = USER_BASE, .avail = USER_BASE + AVAIL_AT, .used = USER_BASE + USED_AT};
	FUZZ_CHECK(vring_map(&s->ring, &s->mem, NULL) == 0);
	s->ring.avail[1] = s->ring.next;
}

static bool inside(const struct subject *s, const struct iovec *iov)
{
	const uint8_t *at = iov->iov_base;

	for (unsigned i = 0; i < 2; i++) {
		const struct guest_region *region = &s->mem.regions[i];

		if (at >= region->map && at < region->map + region->spec.size)
			return iov->iov_len <= (size_t)(region->map + region->spec.size - at);
	}
	return false;
}

static void check_chain(struct subject *s)
{
	const struct vring_chain *chain = &s->chain;
	size_t total = 0;

	FUZZ_CHECK(chain->head < s->ring.size);
	FUZZ_CHECK(chain->count > 0 && chain->count <= VRING_IOVECS_MAX);
	for (unsigned i = 0; i < chain->count; i++) {
		FUZZ_CHECK(chain->iov[i].iov_len > 0 && inside(s, &chain->iov[i]));
		total += chain->iov[i].iov_len;
	}
	FUZZ_CHECK(total == chain->total && total <= VRING_CHAIN_MAX);
}

static void peek(struct subject *s, unsigned ahead, bool push)
{
	unsigned available = vring_available(&s->ring);
	int r = vring_peek(&s->ring, ahead, &s->chain);

	FUZZ_CHECK(available <= s->ring.size);
	s->have_chain = r == 0;
	if (r < 0) {
		FUZZ_CHECK(s->ring.broken || ahead >= available);
		return;
	}
	FUZZ_CHECK(!s->ring.broken && ahead < available);
	check_chain(s);
	if (push && ahead == 0) {
		uint16_t next = s->ring.next;

		vring_push(&s->ring, s->chain.head, s->ring.writable ? s->chain.total : 0);
		FUZZ_CHECK(s->ring.next == (uint16_t)(next + 1));
		FUZZ_CHECK(s->ring.used[1] == s->ring.next);
	}
}

/* The three ways to move bytes must agree with each other on any piece of the chain. */
static void move(struct subject *s)
{
	static uint8_t out[4096];
	size_t offset = fuzz_u16(&s->in), len = fuzz_u16(&s->in) % sizeof(out), want, done = 0;
	struct iovec slice[64];
	unsigned n;

	if (!s->have_chain)
		return;
	want = offset >= s->chain.total ? 0 : s->chain.total - offset;
	if (want > len)
		want = len;
	n = iov_slice(s->chain.iov, s->chain.count, offset, len, slice, ARRAY_SIZE(slice));
	for (unsigned i = 0; i < n; i++) {
		FUZZ_CHECK(inside(s, &slice[i]));
		done += slice[i].iov_len;
	}
	FUZZ_CHECK(done == want || (n == ARRAY_SIZE(slice) && done < want));
	if (s->ring.writable)
		done = iov_copy_in(s->chain.iov, s->chain.count, offset, out, len);
	else
		done = iov_copy_out(s->chain.iov, s->chain.count, offset, out, len);
	FUZZ_CHECK(done == want);
}

static void operation(struct subject *s)
{
	struct vring *ring = &s->ring;
	struct vring_desc desc;
	uint8_t op = fuzz_u8(&s->in), arg;

	switch (op % 10) {
	case 0:
		arg = fuzz_u8(&s->in) % 128;
		desc = descriptor(s);
		memcpy(ring_memory(s) + 16 * arg, &desc, sizeof(desc));
		break;
	case 1:
		arg = fuzz_u8(&s->in);
		desc = descriptor(s);
		memcpy(ring_memory(s) + TABLES_AT + 16 * (arg % 256) + arg % 3, &desc,
			sizeof(desc));
		break;
	case 2:
	case 3: /* one more available */
		ring->avail[2 + (ring->avail[1] & (ring->size - 1))] =
			op & 128 ? fuzz_u16(&s->in) : fuzz_u8(&s->in) % 128;
		ring->avail[1]++;
		break;
	case 4:
		ring->avail[1] = fuzz_u16(&s->in);
		break;
	case 5:
	case 6:
		peek(s, 0, true);
		break;
	case 7:
		peek(s, fuzz_u8(&s->in) % 17, false);
		break;
	case 8:
		move(s);
		break;
	case 9:
		ring->avail[0] = op >> 7;
		ring->avail[2 + ring->size] = fuzz_u16(&s->in);
		vring_interrupt(ring, op & 64);
		FUZZ_CHECK(!vring_want_kicks(ring, op & 32) || vring_available(ring) > 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct subject s;

	memset(&s.ring, 0, sizeof(s.ring));
	s.have_chain = false;
	s.in = (struct fuzz_input){data, size};
	set_up(&s);
	while (s.in.left > 0)
		operation(&s);
	free(s.mem.regions[0].map);
	free(s.mem.regions[1].map);
	return 0;
}
