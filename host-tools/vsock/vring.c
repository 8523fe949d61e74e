/*
 * vring: see the header. Memory order follows virtio 1.2 section 2.7.13/2.7.14: acquire the
 * available index before its entries, release the used index after its entries, and a full fence
 * between writing one index and reading the other side's wish to be told.
 */
#include "vsock/vring.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Layout in uint16_t: flags, index, entries; then the other side's event index. */
#define RING_FLAGS   0
#define RING_INDEX   1
#define RING_ENTRIES 2

static uint16_t load16(const uint16_t *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static void store16(uint16_t *p, uint16_t value)
{
	__atomic_store_n(p, htole16(value), __ATOMIC_RELAXED);
}

/* The copy must not be read from guest memory a second time: it could have changed. */
static void copy_once(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	__asm__ __volatile__("" ::: "memory");
}

static struct vring_used_elem *used_entry(const struct vring *ring, uint16_t index)
{
	return (struct vring_used_elem *)(ring->used + RING_ENTRIES) + (index & (ring->size - 1));
}

/* Where we say from which available index on we want a kick (event index feature). */
static uint16_t *avail_event(const struct vring *ring)
{
	return ring->used + RING_ENTRIES + 4 * ring->size;
}

/* Where the guest says from which used index on it wants an interrupt. */
static uint16_t *used_event(const struct vring *ring)
{
	return ring->avail + RING_ENTRIES + ring->size;
}

static int break_ring(struct vring *ring)
{
	ring->broken = true;
	return -EPROTO;
}

int vring_map(struct vring *ring, const struct guest_memory *mem, struct error *err)
{
	const struct vring_addresses *at = &ring->addresses;
	size_t n = ring->size;
	void *desc, *avail, *used;

	vring_unmap(ring);
	if (n == 0 || n > VRING_SIZE_MAX || (n & (n - 1)))
		return error_set(err, STATUS_INVALID_ARGUMENT, EINVAL, "ring of %zu entries", n);
	desc = guest_memory_at_user(mem, at->desc, n * sizeof(struct vring_desc));
	avail = guest_memory_at_user(mem, at->avail, 6 + 2 * n);
	used = guest_memory_at_user(mem, at->used, 6 + 8 * n);
	if (!desc || !avail || !used)
		return error_set(err, STATUS_INVALID_ARGUMENT, EFAULT,
			"ring of %zu entries outside guest memory", n);
	if ((uintptr_t)desc % 16 || (uintptr_t)avail % 2 || (uintptr_t)used % 4)
		return error_set(err, STATUS_INVALID_ARGUMENT, EINVAL, "ring is not aligned");
	ring->desc = desc;
	ring->avail = avail;
	ring->used = used;
	ring->mem = mem;
	return 0;
}

void vring_unmap(struct vring *ring)
{
	ring->mem = NULL;
	ring->desc = NULL;
	ring->avail = ring->used = NULL;
}

bool vring_mapped(const struct vring *ring)
{
	return ring->mem;
}

unsigned vring_available(struct vring *ring)
{
	uint16_t index, count;

	if (!ring->mem || ring->broken)
		return 0;
	index = le16toh(__atomic_load_n(&ring->avail[RING_INDEX], __ATOMIC_ACQUIRE));
	count = index - ring->next;
	if (count > ring->size) {
		break_ring(ring);
		return 0;
	}
	return count;
}

/* Adds one descriptor's bytes; it may cross from one region into the next. */
static int add_bytes(
	const struct vring *ring, const struct vring_desc *desc, struct vring_chain *chain)
{
	uint64_t addr = le64toh(desc->addr), end;
	size_t left = le32toh(desc->len);

	if (left == 0 || __builtin_add_overflow(addr, left, &end) ||
		left > VRING_CHAIN_MAX - chain->total)
		return -EPROTO;
	chain->total += left;
	while (left > 0) {
		size_t len = left;
		void *at = guest_memory_at(ring->mem, addr, &len);

		if (!at || chain->count == VRING_IOVECS_MAX)
			return -EPROTO;
		chain->iov[chain->count++] = (struct iovec){.iov_base = at, .iov_len = len};
		addr += len;
		left -= len;
	}
	return 0;
}

/* A table of descriptors: the ring's own, or an indirect one (which need not be aligned). */
struct desc_table {
	const struct guest_memory *mem;
	const struct vring_desc *direct; /* NULL for an indirect one */
	uint64_t addr;
	unsigned size; /* entries */
};

static int read_desc(const struct desc_table *table, unsigned index, struct vring_desc *ret)
{
	uint64_t addr = table->addr + (uint64_t)index * sizeof(*ret);
	size_t done = 0;

	if (index >= table->size)
		return -EPROTO;
	if (table->direct) {
		copy_once(ret, &table->direct[index], sizeof(*ret));
		return 0;
	}
	while (done < sizeof(*ret)) {
		size_t len = sizeof(*ret) - done;
		const void *at = guest_memory_at(table->mem, addr + done, &len);

		if (!at)
			return -EPROTO;
		copy_once((uint8_t *)ret + done, at, len);
		done += len;
	}
	return 0;
}

static int walk(const struct vring *ring, const struct desc_table *table, unsigned index,
	struct vring_chain *chain);

/* Only as the first and only entry of the ring's own table; no nesting (virtio 2.7.5.3.1). */
static int walk_indirect(
	const struct vring *ring, const struct vring_desc *desc, struct vring_chain *chain)
{
	struct desc_table table = {.mem = ring->mem, .addr = le64toh(desc->addr)};
	uint32_t len = le32toh(desc->len);
	uint64_t end;

	if (!ring->indirect || (le16toh(desc->flags) & VRING_DESC_F_NEXT) || len == 0 ||
		len % sizeof(*desc) || len / sizeof(*desc) > ring->size ||
		__builtin_add_overflow(table.addr, len, &end))
		return -EPROTO;
	table.size = len / sizeof(*desc);
	return walk(ring, &table, 0, chain);
}

static int walk(const struct vring *ring, const struct desc_table *table, unsigned index,
	struct vring_chain *chain)
{
	struct vring_desc desc;

	/* At most ring-size entries: a longer chain is a loop. */
	for (unsigned entries = 0; entries < ring->size; entries++) {
		uint16_t flags;

		if (read_desc(table, index, &desc) < 0)
			return -EPROTO;
		flags = le16toh(desc.flags);
		if (flags & VRING_DESC_F_INDIRECT)
			return table->direct && entries == 0 ? walk_indirect(ring, &desc, chain)
							     : -EPROTO;
		if (!(flags & VRING_DESC_F_WRITE) == ring->writable)
			return -EPROTO;
		if (add_bytes(ring, &desc, chain) < 0)
			return -EPROTO;
		if (!(flags & VRING_DESC_F_NEXT))
			return 0;
		index = le16toh(desc.next);
	}
	return -EPROTO;
}

int vring_peek(struct vring *ring, unsigned ahead, struct vring_chain *ret)
{
	struct desc_table table = {.mem = ring->mem, .direct = ring->desc, .size = ring->size};
	uint16_t at = ring->next + ahead;

	if (ahead >= vring_available(ring))
		return ring->broken ? -EPROTO : -EAGAIN;
	ret->head = load16(&ring->avail[RING_ENTRIES + (at & (ring->size - 1))]);
	ret->count = 0;
	ret->total = 0;
	if (walk(ring, &table, ret->head, ret) < 0)
		return break_ring(ring);
	return 0;
}

void vring_push(struct vring *ring, uint16_t head, uint32_t len)
{
	struct vring_used_elem *used = used_entry(ring, ring->next);

	used->id = htole32(head);
	used->len = htole32(len);
	ring->next++;
	__atomic_store_n(&ring->used[RING_INDEX], htole16(ring->next), __ATOMIC_RELEASE);
}

/* Was the index the guest asked for passed between old and now (virtio 2.7.7.2)? */
static bool event_passed(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

static bool wants_interrupt(struct vring *ring, bool again)
{
	uint16_t old = ring->signalled;
	bool valid = ring->signalled_valid;

	if (!again && old == ring->next)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->signalled = ring->next;
	ring->signalled_valid = true;
	if (!ring->event_idx)
		return !(load16(&ring->avail[RING_FLAGS]) & VRING_AVAIL_F_NO_INTERRUPT);
	if (again)
		return load16(used_event(ring)) != ring->next;
	return !valid || event_passed(load16(used_event(ring)), ring->next, old);
}

void vring_interrupt(struct vring *ring, bool again)
{
	uint64_t one = 1;

	if (!ring->mem || ring->call_fd < 0 || !wants_interrupt(ring, again))
		return;
	ring->interrupts++;
	/* A full counter (EAGAIN) is an interrupt that is still pending. */
	if (write(ring->call_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		ring->broken = true;
}

bool vring_want_kicks(struct vring *ring, bool want)
{
	if (!ring->mem || ring->broken)
		return false;
	/* With the event index "no kicks" is to leave the old index, which has been passed. */
	if (!ring->event_idx)
		store16(&ring->used[RING_FLAGS], want ? 0 : VRING_USED_F_NO_NOTIFY);
	else if (want)
		store16(avail_event(ring), ring->next);
	if (!want)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vring_available(ring) > 0;
}

unsigned iov_slice(const struct iovec *iov, unsigned count, size_t offset, size_t len,
	struct iovec *out, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count && len > 0 && n < max; i++) {
		size_t part = iov[i].iov_len;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part -= offset;
		if (part > len)
			part = len;
		out[n++] = (struct iovec){
			.iov_base = (uint8_t *)iov[i].iov_base + offset, .iov_len = part};
		len -= part;
		offset = 0;
	}
	return n;
}

size_t iov_copy_out(const struct iovec *iov, unsigned count, size_t offset, void *to, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < len; i++) {
		struct iovec part;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		iov_slice(&iov[i], 1, offset, len - done, &part, 1);
		copy_once((uint8_t *)to + done, part.iov_base, part.iov_len);
		done += part.iov_len;
		offset = 0;
	}
	return done;
}

size_t iov_copy_in(
	const struct iovec *iov, unsigned count, size_t offset, const void *from, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < len; i++) {
		struct iovec part;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		iov_slice(&iov[i], 1, offset, len - done, &part, 1);
		memcpy(part.iov_base, (const uint8_t *)from + done, part.iov_len);
		done += part.iov_len;
		offset = 0;
	}
	return done;
}
