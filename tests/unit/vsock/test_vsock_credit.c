/* Tests host-tools/vsock/vsock_credit.c and vsock_packet.c. */
#include "vsock/vsock_credit.h"

#include <string.h>

#include "lib/test_main.h"
#include "vsock/vsock_packet.h"

static void test_free_bytes(void **state)
{
	struct vsock_credit c = {0};

	assert_int_equal(vsock_credit_sendable(&c), 0);
	vsock_credit_update(&c, 100000, 0);
	assert_int_equal(vsock_credit_sendable(&c), 100000);
	vsock_credit_sent(&c, 90000);
	assert_int_equal(vsock_credit_free(&c), 10000);
	vsock_credit_update(&c, 100000, 50000);
	assert_int_equal(vsock_credit_free(&c), 60000);
	/* The buffer shrinks below what is under way. */
	vsock_credit_update(&c, 30000, 50000);
	assert_int_equal(vsock_credit_free(&c), 0);
	/* A count ahead of what was sent is impossible: no credit at all. */
	vsock_credit_update(&c, 100000, 90001);
	assert_int_equal(vsock_credit_free(&c), 0);
}

static void test_wrap(void **state)
{
	struct vsock_credit c = {.sent = UINT32_MAX - 10, .guest_forwarded = UINT32_MAX - 10};

	vsock_credit_update(&c, 65536, UINT32_MAX - 10);
	assert_int_equal(vsock_credit_free(&c), 65536);
	vsock_credit_sent(&c, 65000);
	assert_int_equal(c.sent, 64989);
	assert_int_equal(vsock_credit_free(&c), 536);
	assert_int_equal(c.packets, 1);
	vsock_credit_update(&c, 65536, 64988);
	assert_int_equal(c.packets, 1);
	vsock_credit_update(&c, 65536, 64989);
	assert_int_equal(c.packets, 0);
	assert_int_equal(vsock_credit_free(&c), 65536);
}

static void test_crumbs(void **state)
{
	struct vsock_credit c = {0};

	vsock_credit_update(&c, 65536, 0);
	vsock_credit_sent(&c, 65536 - VSOCK_CRUMB);
	assert_int_equal(vsock_credit_sendable(&c), VSOCK_CRUMB);
	vsock_credit_sent(&c, 1);
	assert_int_equal(vsock_credit_sendable(&c), 0);
	/* With nothing under way even a small buffer is used... */
	c = (struct vsock_credit){0};
	vsock_credit_update(&c, 100, 0);
	assert_int_equal(vsock_credit_sendable(&c), 100);
	/* ... and a quarter of it is a crumb. */
	vsock_credit_update(&c, 4096, 0);
	vsock_credit_sent(&c, 3072);
	assert_int_equal(vsock_credit_sendable(&c), 1024);
	vsock_credit_sent(&c, 1);
	assert_int_equal(vsock_credit_sendable(&c), 0);
}

static void test_packets(void **state)
{
	struct vsock_credit c = {0};

	vsock_credit_update(&c, 10 * 1024, 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(vsock_credit_packets(&c), 10 - i);
		assert_true(vsock_credit_sendable(&c) > 0);
		vsock_credit_sent(&c, 10);
	}
	assert_int_equal(vsock_credit_packets(&c), 0);
	assert_int_equal(vsock_credit_sendable(&c), 0);
	vsock_credit_update(&c, 10 * 1024, 9); /* inside the first */
	assert_int_equal(vsock_credit_packets(&c), 0);
	vsock_credit_update(&c, 10 * 1024, 35); /* inside the fourth */
	assert_int_equal(vsock_credit_packets(&c), 3);
	/* However big the buffer, the ring of ends is the limit; a tiny one still gets one. */
	vsock_credit_update(&c, UINT32_MAX, 100);
	assert_int_equal(vsock_credit_packets(&c), VSOCK_PACKETS_MAX);
	for (int i = 0; i < VSOCK_PACKETS_MAX; i++)
		vsock_credit_sent(&c, 10);
	assert_int_equal(vsock_credit_packets(&c), 0);
	vsock_credit_sent(&c, 10); /* harmless */
	vsock_credit_update(&c, 100, c.sent);
	assert_int_equal(vsock_credit_packets(&c), 1);
}

static void test_receive(void **state)
{
	struct vsock_credit c = {0};

	assert_true(vsock_credit_receive(&c, VSOCK_WINDOW));
	assert_false(vsock_credit_receive(&c, 1));
	vsock_credit_take(&c, VSOCK_WINDOW / 4 - 1);
	assert_false(vsock_credit_should_tell(&c));
	vsock_credit_take(&c, 1);
	assert_true(vsock_credit_should_tell(&c));
	c.told = c.forwarded;
	assert_false(vsock_credit_should_tell(&c));
	assert_false(vsock_credit_receive(&c, VSOCK_WINDOW / 4 + 1));
	assert_true(vsock_credit_receive(&c, VSOCK_WINDOW / 4));
	assert_false(vsock_credit_receive(&c, UINT32_MAX));
	/* Across the wrap. */
	c = (struct vsock_credit){
		.received = UINT32_MAX, .forwarded = UINT32_MAX, .told = UINT32_MAX};
	assert_true(vsock_credit_receive(&c, VSOCK_WINDOW));
	assert_false(vsock_credit_receive(&c, 1));
	vsock_credit_take(&c, VSOCK_WINDOW);
	assert_true(vsock_credit_should_tell(&c));
}

/* The bytes by hand from the specification's layout. */
static void test_header(void **state)
{
	static const uint8_t wire[VSOCK_HEADER_SIZE] = {3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
		0, 0x04, 0x03, 0x02, 0x01, 0x08, 0x07, 0x06, 0x05, 0x10, 0, 0, 0, 1, 0, 5, 0, 3, 0,
		0, 0, 0, 0, 4, 0, 0xff, 0xff, 0xff, 0xff};
	uint8_t again[VSOCK_HEADER_SIZE];
	struct vsock_packet p;

	vsock_packet_decode(&p, wire);
	assert_int_equal(p.from_cid, 0x100000003ull);
	assert_int_equal(p.to_cid, 2);
	assert_int_equal(p.from_port, 0x01020304);
	assert_int_equal(p.to_port, 0x05060708);
	assert_int_equal(p.len, 16);
	assert_int_equal(p.type, 1);
	assert_int_equal(p.op, VSOCK_OP_RW);
	assert_int_equal(p.flags, 3);
	assert_int_equal(p.buffer, 0x40000);
	assert_int_equal(p.forwarded, UINT32_MAX);
	vsock_packet_encode(&p, again);
	assert_memory_equal(wire, again, sizeof(wire));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_free_bytes),
	cmocka_unit_test(test_wrap),
	cmocka_unit_test(test_crumbs),
	cmocka_unit_test(test_packets),
	cmocka_unit_test(test_receive),
	cmocka_unit_test(test_header),
};

TEST_MAIN(tests)
