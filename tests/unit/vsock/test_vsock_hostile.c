/*
 * Tests host-tools/vsock against a hostile QEMU and a hostile guest: random messages, descriptors,
 * tables, indices and packets. Nothing is expected but that the device survives (the sanitizers
 * watch), never sleeps or spins for ever, and serves a good guest afterwards. Seeds are fixed; a
 * failure names its seed.
 */
#include "vsock/vsock_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "lib/fake_vsock_guest.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define ROUNDS	   1500
#define OPERATIONS 60

static struct event_loop *loop;
static struct vsock_device *dev;
static struct fake_guest guest;
static uint64_t seed;
static int fds_before;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (uint32_t)(seed >> 33) % below : 0;
}

/* Mostly plausible, sometimes at an edge. */
static uint64_t edge(uint64_t plausible)
{
	static const uint64_t edges[] = {0, 1, 127, 128, 129, 255, 65535, 65536, FAKE_CUT - 1,
		FAKE_CUT, FAKE_MEMORY - 1, FAKE_MEMORY, UINT32_MAX, 1ull << 32, INT64_MAX,
		UINT64_MAX - 15, UINT64_MAX};

	return rnd(4) ? plausible : edges[rnd(sizeof(edges) / sizeof(edges[0]))];
}

static void step(void *context)
{
	event_loop_step(loop, 0);
}

static void quiet(const char *record, size_t len, void *context)
{
}

static int peers[8];

static int on_accept(void *context, uint32_t port)
{
	int pair[2];
	unsigned i = rnd(8);

	if (rnd(3) == 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -ECONNREFUSED;
	if (peers[i] > 0)
		close(peers[i]);
	peers[i] = pair[1];
	return pair[0];
}

static void on_dialled(void *owner, int result, int fd)
{
	if (fd >= 0)
		close(fd);
}

static int set_up(void **state)
{
	scratch_dir();
	log_set_sink(quiet, NULL);
	fds_before = test_count_fds();
	loop = event_loop_new();
	dev = vsock_device_new(loop, scratch_path("vhost"), FAKE_CID, NULL);
	if (!dev)
		return -1;
	vsock_device_set_accept(dev, on_accept, NULL);
	return 0;
}

static int tear_down(void **state)
{
	vsock_device_free(dev);
	for (int i = 0; i < 8; i++)
		if (peers[i] > 0)
			close(peers[i]);
	memset(peers, 0, sizeof(peers));
	event_loop_free(loop);
	return test_count_fds() == fds_before ? 0 : -1;
}

/* ---- things a hostile guest does ---- */

static void random_message(void)
{
	static const uint32_t known[] = {
		1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 34};
	uint32_t request = rnd(20) ? known[rnd(sizeof(known) / 4)] : rnd(64);
	int fds[8] = {guest.memfd, guest.rings[0].kick, guest.rings[1].call, guest.memfd,
		guest.rings[1].kick, guest.rings[0].call, guest.memfd, guest.memfd};
	uint64_t payload[64];

	for (unsigned i = 0; i < 64; i++)
		payload[i] = edge(rnd(2) ? rnd(3) : FAKE_QEMU_BASE + rnd(FAKE_MEMORY));
	fake_guest_message(&guest, request, rnd(3) ? 0 : FAKE_NEED_REPLY, payload,
		rnd(3)	 ? 8
		: rnd(3) ? 40
			 : rnd(300),
		fds + rnd(2), rnd(3) ? rnd(2) : rnd(7));
}

static void random_descriptor(void)
{
	struct fake_ring *ring = &guest.rings[rnd(2)];

	ring->desc[rnd(FAKE_RING)] = (struct fake_desc){.addr = edge(rnd(FAKE_MEMORY)),
		.len = edge(rnd(70000)),
		.flags = rnd(6) ? rnd(4) : rnd(8),
		.next = edge(rnd(FAKE_RING))};
}

static void random_table(void)
{
	struct fake_ring *ring = &guest.rings[1];
	uint64_t at = 0x100000 + rnd(FAKE_MEMORY - 0x200000);
	unsigned head = rnd(FAKE_RING), entries = 1 + rnd(8);

	for (unsigned i = 0; i < entries; i++) {
		struct fake_desc desc = {.addr = edge(rnd(FAKE_MEMORY)),
			.len = edge(rnd(9000)),
			.flags = i + 1 < entries ? 1
				 : rnd(8)	 ? 0
						 : rnd(8),
			.next = rnd(8) ? i + 1 : rnd(FAKE_RING)};

		memcpy(guest.mem + at + 16 * i, &desc, sizeof(desc));
	}
	ring->desc[head] = (struct fake_desc){.addr = at, .len = edge(16 * entries), .flags = 4};
	fake_guest_avail(&guest, 1, head);
}

static void random_packet(void)
{
	static uint8_t payload[70000];
	struct vsock_packet p = {.from_cid = rnd(20) ? FAKE_CID : edge(0),
		.to_cid = rnd(20) ? 2 : edge(0),
		.from_port = rnd(4),
		.to_port = rnd(2) ? rnd(4) : (1u << 30) + rnd(8),
		.len = rnd(3)	? 0
		       : rnd(3) ? rnd(65536)
				: edge(0),
		.type = rnd(10) ? 1 : rnd(4),
		.op = rnd(10) ? 1 + rnd(7) : edge(0),
		.flags = rnd(5),
		.buffer = edge(rnd(2) ? 262144 : rnd(70000)),
		.forwarded = edge(rnd(100000))};

	fake_guest_send(&guest, &p, payload, p.len <= 65536 && rnd(4) ? p.len : 1 + rnd(1000));
}

static void random_index(void)
{
	struct fake_ring *ring = &guest.rings[rnd(2)];

	if (rnd(2))
		ring->avail[1] = edge(rnd(65536));
	else
		ring->avail[2 + rnd(FAKE_RING + 1)] = edge(rnd(FAKE_RING));
	fake_guest_kick(&guest, ring - guest.rings);
}

static void random_owner(void)
{
	static char data[100000];
	unsigned i = rnd(8);

	if (peers[i] <= 0)
		return;
	switch (rnd(5)) {
	case 0:
		send(peers[i], data, 1 + rnd(sizeof(data)), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 1:
		recv(peers[i], data, sizeof(data), MSG_DONTWAIT);
		break;
	case 2:
		shutdown(peers[i], rnd(3));
		break;
	case 3:
		close(peers[i]);
		peers[i] = 0;
		break;
	}
}

static void drain_receive(void)
{
	/* By hand: what is in the ring may be anything by now. */
	for (unsigned i = 0; i < 8; i++) {
		unsigned id = rnd(FAKE_RING);

		guest.rings[0].desc[id] = (struct fake_desc){
			.addr = FAKE_RX_AREA + id * 4096, .len = 1 + rnd(4096), .flags = 2};
		fake_guest_avail(&guest, 0, id);
	}
}

static void one_round(void)
{
	/* Some attack as QEMU, some the rings; most only by packets, which gets further. */
	unsigned kind = rnd(4), choices = kind == 0 ? 9 : kind == 1 ? 24 : 20;
	unsigned first = kind < 2 ? 0 : 4;

	fake_guest_init(&guest, step, NULL);
	guest.regions = 1 + rnd(2);
	guest.pieces = 1 + rnd(4);
	guest.use_indirect = rnd(2);
	assert_int_equal(fake_guest_connect(&guest, scratch_path("vhost")), 0);
	step(NULL);
	assert_int_equal(fake_guest_start(&guest, NULL), 0);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		switch (first + rnd(choices)) {
		case 0:
			random_index();
			break;
		case 1:
			random_descriptor();
			break;
		case 2:
			random_table();
			break;
		case 3:
			if (kind == 0)
				random_message();
			break;
		case 4:
			drain_receive();
			break;
		case 5:
			vsock_device_dial(dev, rnd(4), 1 + rnd(20), on_dialled, NULL, NULL, NULL);
			break;
		case 6:
		case 7:
			random_owner();
			break;
		default:
			guest.slots_busy = 0; /* used entries mean nothing to us here */
			guest.rings[1].used_index = guest.rings[1].used[1];
			random_packet();
			break;
		}
		event_loop_step(loop, 0);
	}
	close(guest.sock);
	guest.sock = -1;
	for (int i = 0; i < 5; i++)
		step(NULL);
	assert_false(vsock_device_connected(dev));
	fake_guest_release(&guest);
}

static void test_random(void **state)
{
	unsigned packets = 0;
	struct vsock_device_stats stats;

	for (uint64_t round = 1; round <= ROUNDS; round++) {
		seed = round;
		alarm(20);
		one_round();
	}
	vsock_device_get_stats(dev, &stats);
	packets = stats.packets_from_guest;
	printf("# %u packets from the guest, %llu to it\n", packets,
		(unsigned long long)stats.packets_to_guest);
	/* The rounds must get past the first broken ring, or this tests little. */
	assert_true(packets > ROUNDS * 8);
	assert_true(stats.packets_to_guest > ROUNDS * 4);
}

static void test_good_guest_after(void **state)
{
	struct vsock_packet p;
	uint8_t payload[4096];

	for (seed = 1000; seed < 1010; seed++)
		one_round();
	fake_guest_init(&guest, step, NULL);
	assert_int_equal(fake_guest_connect(&guest, scratch_path("vhost")), 0);
	step(NULL);
	assert_int_equal(fake_guest_start(&guest, NULL), 0);
	assert_int_equal(vsock_device_dial(dev, 77, 0, on_dialled, NULL, NULL, NULL), 0);
	assert_true(fake_guest_await(&guest, &p, payload, sizeof(payload), 1));
	assert_int_equal(p.op, VSOCK_OP_REQUEST);
	assert_int_equal(p.to_port, 77);
	fake_guest_release(&guest);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(test_random),
	CASE(test_good_guest_after),
};

TEST_MAIN(tests)
