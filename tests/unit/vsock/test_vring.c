/* Tests host-tools/vsock/vring.c with a ring in ordinary memory, hostile values included. */
#include "vsock/vring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/test_main.h"

#define SIZE   16   /* ring entries */
#define BIG    1024 /* the largest ring */
#define MEMORY 0x10000
#define CUT    0x8000 /* second region */
#define QEMU   0x7f0000000000ull
#define DATA   0x4000

static struct guest_memory memory;
static struct vring ring;
static struct vring_chain chain;
static uint8_t *ram;
static struct vring_desc *desc;
static uint16_t *avail, *used;

static int set_up(void **state)
{
	struct guest_region_spec specs[2] = {
		{0, CUT, QEMU, 0}, {CUT, MEMORY - CUT, QEMU + CUT, CUT}};
	int fd = memfd_create("ram", MFD_ALLOW_SEALING | MFD_CLOEXEC), fds[2] = {fd, fd};

	if (ftruncate(fd, MEMORY) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0 ||
		guest_memory_map(&memory, specs, fds, 2, NULL) < 0)
		return -1;
	ram = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	desc = (void *)ram;
	avail = (void *)(ram + 0x1000);
	used = (void *)(ram + 0x2000);
	memset(&ring, 0, sizeof(ring));
	ring.size = SIZE;
	ring.event_idx = ring.indirect = true;
	ring.addresses = (struct vring_addresses){QEMU, QEMU + 0x1000, QEMU + 0x2000};
	ring.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return vring_map(&ring, &memory, NULL);
}

static int tear_down(void **state)
{
	close(ring.call_fd);
	guest_memory_release(&memory);
	munmap(ram, MEMORY);
	return 0;
}

static void put(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	desc[i] = (struct vring_desc){.addr = addr, .len = len, .flags = flags, .next = next};
}

static void offer(uint16_t head)
{
	avail[2 + avail[1] % SIZE] = head;
	avail[1]++;
}

static void assert_broken(void)
{
	assert_int_equal(vring_peek(&ring, 0, &chain), -EPROTO);
	assert_true(ring.broken);
	assert_int_equal(vring_available(&ring), 0);
	assert_int_equal(vring_peek(&ring, 0, &chain), -EPROTO);
}

static void test_chain(void **state)
{
	assert_int_equal(vring_peek(&ring, 0, &chain), -EAGAIN);
	put(3, DATA, 10, VRING_DESC_F_NEXT, 7);
	put(7, DATA + 100, 20, 0, 99); /* next without the flag means nothing */
	offer(3);
	offer(7);
	assert_int_equal(vring_available(&ring), 2);
	assert_int_equal(vring_peek(&ring, 0, &chain), 0);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.count, 2);
	assert_int_equal(chain.total, 30);
	assert_int_equal(chain.iov[1].iov_len, 20);
	assert_int_equal(vring_peek(&ring, 1, &chain), 0);
	assert_int_equal(chain.head, 7);
	assert_int_equal(vring_peek(&ring, 2, &chain), -EAGAIN);
	vring_push(&ring, 3, 5);
	assert_int_equal(used[1], 1);
	assert_int_equal(used[2], 3);
	assert_int_equal(used[4], 5);
	assert_int_equal(vring_available(&ring), 1);
}

static void test_wrap(void **state)
{
	put(0, DATA, 1, 0, 0);
	ring.next = avail[1] = used[1] = 65530;
	for (int i = 0; i < 20; i++) {
		offer(0);
		assert_int_equal(vring_peek(&ring, 0, &chain), 0);
		vring_push(&ring, 0, 0);
	}
	assert_int_equal(used[1], 14);
	assert_int_equal(vring_peek(&ring, 0, &chain), -EAGAIN);
}

/* Valid descriptors everywhere, also behind the ring: only the index is wrong. */
static void put_everywhere(void)
{
	for (unsigned i = 0; i < 2 * SIZE; i++)
		put(i, DATA, 1, 0, 0);
}

static void test_index_too_far(void **state)
{
	put_everywhere();
	avail[1] = SIZE;
	assert_int_equal(vring_available(&ring), SIZE);
	avail[1] = SIZE + 1;
	assert_broken();
}

static void test_index_backwards(void **state)
{
	put_everywhere();
	ring.next = 5;
	avail[1] = 4;
	assert_broken();
}

static void test_head_beyond(void **state)
{
	put_everywhere();
	offer(SIZE);
	assert_broken();
}

static void test_next_beyond(void **state)
{
	put_everywhere();
	put(0, DATA, 1, VRING_DESC_F_NEXT, SIZE);
	offer(0);
	assert_broken();
}

static void test_loop(void **state)
{
	put(0, DATA, 1, VRING_DESC_F_NEXT, 1);
	put(1, DATA, 1, VRING_DESC_F_NEXT, 0);
	offer(0);
	assert_broken();
}

/* As long as the ring is legal, one more is a loop. */
static void test_longest(void **state)
{
	for (unsigned i = 0; i < SIZE; i++)
		put(i, DATA, 1, VRING_DESC_F_NEXT, i + 1);
	desc[SIZE - 1].flags = 0;
	offer(0);
	assert_int_equal(vring_peek(&ring, 0, &chain), 0);
	assert_int_equal(chain.count, SIZE);
}

static void test_wrong_direction(void **state)
{
	put(0, DATA, 1, VRING_DESC_F_WRITE, 0);
	offer(0);
	assert_broken();
}

static void test_mixed_direction(void **state)
{
	ring.writable = true;
	put(0, DATA, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	put(1, DATA, 1, 0, 0);
	offer(0);
	assert_broken();
}

static void test_zero_length(void **state)
{
	put(0, DATA, 0, 0, 0);
	offer(0);
	assert_broken();
}

static void test_huge_length(void **state)
{
	put(0, DATA, UINT32_MAX, 0, 0);
	offer(0);
	assert_broken();
}

static void test_sum_too_big(void **state)
{
	for (unsigned i = 0; i < SIZE; i++)
		put(i, 0, MEMORY, VRING_DESC_F_NEXT, i + 1);
	desc[SIZE - 1].flags = 0;
	offer(0); /* 16 * 64 KiB is the limit exactly */
	assert_int_equal(vring_peek(&ring, 0, &chain), 0);
	assert_int_equal(chain.total, VRING_CHAIN_MAX);
	ring.next++;
	put(SIZE - 1, 0, MEMORY, VRING_DESC_F_NEXT, 0);
	desc[SIZE - 2].next = SIZE - 1;
	offer(SIZE - 1);
	assert_broken();
}

static void test_outside(void **state)
{
	put(0, MEMORY, 1, 0, 0);
	offer(0);
	assert_broken();
}

static void test_over_the_end(void **state)
{
	put(0, MEMORY - 1, 2, 0, 0);
	offer(0);
	assert_broken();
}

static void test_address_wraps(void **state)
{
	put(0, UINT64_MAX - 1, 4, 0, 0);
	offer(0);
	assert_broken();
}

static void test_crosses_regions(void **state)
{
	put(0, CUT - 3, 10, 0, 0);
	offer(0);
	assert_int_equal(vring_peek(&ring, 0, &chain), 0);
	assert_int_equal(chain.count, 2);
	assert_int_equal(chain.iov[0].iov_len, 3);
	assert_int_equal(chain.iov[1].iov_len, 7);
	assert_ptr_not_equal((uint8_t *)chain.iov[0].iov_base + 3, chain.iov[1].iov_base);
}

/* Each of 1,024 descriptors crosses: twice as many pieces as a chain can have. */
static void test_too_many_pieces(void **state)
{
	ring.size = BIG;
	ring.addresses = (struct vring_addresses){QEMU, QEMU + 0x4000, QEMU + 0x5000};
	avail = (void *)(ram + 0x4000);
	assert_int_equal(vring_map(&ring, &memory, NULL), 0);
	for (unsigned i = 0; i < BIG; i++)
		put(i, CUT - 1, 2, VRING_DESC_F_NEXT, i + 1);
	desc[BIG - 1].flags = 0;
	offer(0);
	assert_broken();
}

static void indirect(uint64_t addr, uint32_t len, uint16_t flags)
{
	put(0, addr, len, VRING_DESC_F_INDIRECT | flags, 1);
	put(1, DATA, 1, 0, 0);
	offer(0);
}

/* A table that is not aligned and crosses from one region into the next. */
static void test_indirect(void **state)
{
	struct vring_desc table[3] = {
		{DATA, 5, VRING_DESC_F_NEXT, 2}, {0, 0, 0xffff, 0xffff}, {DATA + 9, 6, 0, 0}};

	memcpy(ram + CUT - 21, table, sizeof(table));
	indirect(CUT - 21, sizeof(table), 0);
	assert_int_equal(vring_peek(&ring, 0, &chain), 0);
	assert_int_equal(chain.total, 11);
	assert_int_equal(chain.head, 0);
}

static void test_indirect_not_negotiated(void **state)
{
	ring.indirect = false;
	put(8, DATA, 5, 0, 0);
	indirect(8 * 16, 16, 0);
	assert_broken();
}

static void test_indirect_odd_size(void **state)
{
	put(8, DATA, 5, 0, 0);
	indirect(8 * 16, 17, 0);
	assert_broken();
}

static void test_indirect_empty(void **state)
{
	indirect(8 * 16, 0, 0);
	assert_broken();
}

static void test_indirect_too_many(void **state)
{
	indirect(0, 16 * (SIZE + 1), 0);
	assert_broken();
}

static void test_indirect_outside(void **state)
{
	indirect(MEMORY - 8, 16, 0);
	assert_broken();
}

static void test_indirect_with_next(void **state)
{
	put(8, DATA, 5, 0, 0);
	indirect(8 * 16, 16, VRING_DESC_F_NEXT);
	assert_broken();
}

static void test_indirect_nested(void **state)
{
	put(8, 9 * 16, 16, VRING_DESC_F_INDIRECT, 0);
	put(9, DATA, 5, 0, 0);
	indirect(8 * 16, 16, 0);
	assert_broken();
}

static void test_indirect_not_first(void **state)
{
	put(2, DATA, 5, VRING_DESC_F_NEXT, 3);
	put(3, 8 * 16, 16, VRING_DESC_F_INDIRECT, 0);
	put(8, DATA, 5, 0, 0);
	offer(2);
	assert_broken();
}

static void test_indirect_next_beyond(void **state)
{
	put(8, DATA, 5, VRING_DESC_F_NEXT, 1);
	indirect(8 * 16, 16, 0);
	assert_broken();
}

static bool interrupted(void)
{
	uint64_t count;

	return read(ring.call_fd, &count, sizeof(count)) > 0;
}

static void push_one(void)
{
	offer(0);
	assert_int_equal(vring_peek(&ring, 0, &chain), 0);
	vring_push(&ring, 0, 0);
}

static void test_interrupts(void **state)
{
	uint16_t *used_event = avail + 2 + SIZE;

	put(0, DATA, 1, 0, 0);
	vring_interrupt(&ring, false);
	assert_false(interrupted()); /* nothing pushed */
	push_one();
	vring_interrupt(&ring, false);
	assert_true(interrupted()); /* the first: what the guest knows is not sure */
	*used_event = 3;
	push_one();
	push_one();
	vring_interrupt(&ring, false);
	assert_false(interrupted()); /* used index 3 does not pass event 3 */
	push_one();
	vring_interrupt(&ring, false);
	assert_true(interrupted());
	vring_interrupt(&ring, false);
	assert_false(interrupted());
	*used_event = ring.next;
	vring_interrupt(&ring, true);
	assert_false(interrupted()); /* it has seen all */
	*used_event = ring.next - 1;
	vring_interrupt(&ring, true);
	assert_true(interrupted()); /* it lags: the last one may be lost */
}

static void test_interrupt_flag(void **state)
{
	ring.event_idx = false;
	put(0, DATA, 1, 0, 0);
	avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	push_one();
	vring_interrupt(&ring, false);
	assert_false(interrupted());
	avail[0] = 0;
	push_one();
	vring_interrupt(&ring, false);
	assert_true(interrupted());
}

static void test_kicks(void **state)
{
	uint16_t *avail_event = used + 2 + 4 * SIZE;

	put(0, DATA, 1, 0, 0);
	ring.next = avail[1] = 9;
	assert_false(vring_want_kicks(&ring, true));
	assert_int_equal(*avail_event, 9);
	offer(0);
	assert_true(vring_want_kicks(&ring, true)); /* it came in between: look again */
	ring.event_idx = false;
	assert_false(vring_want_kicks(&ring, false));
	assert_int_equal(used[0], VRING_USED_F_NO_NOTIFY);
	vring_want_kicks(&ring, true);
	assert_int_equal(used[0], 0);
}

static void test_map(void **state)
{
	struct vring_addresses good = ring.addresses;
	struct error err = ERROR_INIT;

	ring.size = 3;
	assert_true(vring_map(&ring, &memory, &err) < 0);
	assert_false(vring_mapped(&ring));
	ring.size = 0;
	assert_true(vring_map(&ring, &memory, NULL) < 0);
	ring.size = 2 * VRING_SIZE_MAX;
	assert_true(vring_map(&ring, &memory, NULL) < 0);
	ring.size = SIZE;
	ring.addresses.desc += 8;
	assert_true(vring_map(&ring, &memory, NULL) < 0);
	ring.addresses = good;
	ring.addresses.used = QEMU + CUT - 16; /* would cross into the next region */
	assert_true(vring_map(&ring, &memory, NULL) < 0);
	ring.addresses.used = QEMU + MEMORY - 16;
	assert_true(vring_map(&ring, &memory, NULL) < 0);
	ring.addresses.used = UINT64_MAX - 3;
	assert_true(vring_map(&ring, &memory, NULL) < 0);
	ring.addresses = good;
	assert_int_equal(vring_map(&ring, &memory, NULL), 0);
	vring_unmap(&ring);
	assert_int_equal(vring_available(&ring), 0);
	vring_interrupt(&ring, true); /* harmless */
	assert_false(vring_want_kicks(&ring, true));
}

static void test_iov(void **state)
{
	char a[3], b[4], c[5], text[13] = "abcdefghijkl", out[16] = "";
	struct iovec iov[3] = {{a, 3}, {b, 4}, {c, 5}}, part[3];

	assert_int_equal(iov_copy_in(iov, 3, 0, text, 12), 12);
	assert_memory_equal(b, "defg", 4);
	assert_int_equal(iov_copy_out(iov, 3, 2, out, 6), 6);
	assert_string_equal(out, "cdefgh");
	assert_int_equal(iov_copy_out(iov, 3, 10, out, 6), 2);
	assert_int_equal(iov_copy_out(iov, 3, 12, out, 6), 0);
	assert_int_equal(iov_copy_in(iov, 3, 11, "XY", 2), 1);
	assert_int_equal(c[4], 'X');
	assert_int_equal(iov_slice(iov, 3, 2, 6, part, 3), 3);
	assert_int_equal(part[0].iov_len, 1);
	assert_int_equal(part[1].iov_len, 4);
	assert_int_equal(part[2].iov_len, 1);
	assert_int_equal(iov_slice(iov, 3, 3, 4, part, 3), 1);
	assert_ptr_equal(part[0].iov_base, b);
	assert_int_equal(iov_slice(iov, 3, 0, 12, part, 2), 2);
	assert_int_equal(iov_slice(iov, 3, 12, 1, part, 3), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(test_chain),
	CASE(test_wrap),
	CASE(test_index_too_far),
	CASE(test_index_backwards),
	CASE(test_head_beyond),
	CASE(test_next_beyond),
	CASE(test_loop),
	CASE(test_longest),
	CASE(test_wrong_direction),
	CASE(test_mixed_direction),
	CASE(test_zero_length),
	CASE(test_huge_length),
	CASE(test_sum_too_big),
	CASE(test_outside),
	CASE(test_over_the_end),
	CASE(test_address_wraps),
	CASE(test_crosses_regions),
	CASE(test_too_many_pieces),
	CASE(test_indirect),
	CASE(test_indirect_not_negotiated),
	CASE(test_indirect_odd_size),
	CASE(test_indirect_empty),
	CASE(test_indirect_too_many),
	CASE(test_indirect_outside),
	CASE(test_indirect_with_next),
	CASE(test_indirect_nested),
	CASE(test_indirect_not_first),
	CASE(test_indirect_next_beyond),
	CASE(test_interrupts),
	CASE(test_interrupt_flag),
	CASE(test_kicks),
	CASE(test_map),
	cmocka_unit_test(test_iov),
};

TEST_MAIN(tests)
