/*
 * Tests host-tools/vsock/vsock_device.c: what a guest can make us keep is bounded over all its
 * connections, and what a lost notification hides is found again by the slow look.
 */
#include "vsock/vsock_device.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "hard_limits.h"

#include "small_kernel.h"

#define PIECE  60000
#define PIECES 4 /* of one connection: its backlog is as large as its window then */

static int peers[VSOCK_GUEST_DIALS_MAX];
static unsigned peer_count, log_lines;

static void count_line(const char *record, size_t len, void *context)
{
	log_lines += memmem(record, len, "do not read", 11) != NULL;
}

/* A socket that takes next to nothing: what the guest sends is kept by the device. */
static int accept_narrow(void *context, uint32_t port)
{
	int pair[2], narrow = 4096;

	assert_true(peer_count < ARRAY_SIZE(peers));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &narrow, sizeof(narrow)), 0);
	peers[peer_count++] = pair[1];
	return pair[0];
}

static size_t kept(void)
{
	struct vsock_device_stats stats;

	vsock_device_get_stats(dev, &stats);
	return stats.backlog;
}

/* Fills one more connection; what the device answered last: VSOCK_OP_RST when it was too much. */
static int fill_one(uint32_t port)
{
	struct vsock_packet p = guest_packet(VSOCK_OP_REQUEST, port, 7000);
	int r = -1;

	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RESPONSE);
	p.op = VSOCK_OP_RW;
	p.len = PIECE;
	for (int i = 0; i < PIECES && r != VSOCK_OP_RST; i++)
		r = answer_to(&p, 0);
	return r;
}

/* Everything that is left for an owner; the guest is told of credit meanwhile. */
static size_t drain(int fd, bool *ended)
{
	size_t total = 0;
	ssize_t n = 0;

	for (int idle = 0; idle<20; idle = n> 0 ? 0 : idle + 1) {
		turn();
		n = recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
		total += n > 0 ? n : 0;
		if (n == 0)
			break;
	}
	*ended = n == 0;
	return total;
}

/* The cap on all backlogs together (hard_limits.h): the one connection that breaks it is reset. */
static void test_backlog_total(void **state)
{
	unsigned most = VSOCK_BACKLOG_TOTAL_MAX / (256 * 1024), i;
	bool ended;

	peer_count = log_lines = 0;
	log_set_sink(count_line, NULL);
	start();
	vsock_device_set_accept(dev, accept_narrow, NULL);
	for (i = 0; i < most; i++)
		assert_int_not_equal(fill_one(20000 + i), VSOCK_OP_RST);
	assert_int_equal(kept(), VSOCK_BACKLOG_TOTAL_MAX);
	assert_int_equal(log_lines, 0);
	assert_int_equal(fill_one(20000 + most), VSOCK_OP_RST);
	assert_int_equal(fill_one(20001 + most), VSOCK_OP_RST);
	assert_int_equal(log_lines, 1);
	assert_int_equal(open_connections(), most);
	assert_int_equal(kept(), VSOCK_BACKLOG_TOTAL_MAX);
	/* The reset one: what was taken before, then the end. */
	assert_true(drain(peers[most], &ended) < PIECES * PIECE);
	assert_true(ended);
	/* The others have lost nothing, and what they give back serves others. */
	assert_int_equal(drain(peers[0], &ended), PIECES * PIECE);
	assert_false(ended);
	assert_int_equal(kept(), VSOCK_BACKLOG_TOTAL_MAX - 256 * 1024);
	assert_int_not_equal(fill_one(30000), VSOCK_OP_RST);
	assert_int_equal(kept(), VSOCK_BACKLOG_TOTAL_MAX);
	/* An owner that goes takes its share with it. */
	for (i = 0; i < peer_count; i++)
		close(peers[i]);
	for (i = 0; i < 100 && kept() > 0; i++)
		turn();
	assert_int_equal(kept(), 0);
	log_set_sink(NULL, NULL);
}

/* A backlog is as large as what is kept needs, and keeps order while it grows and wraps. */
static void test_backlog_grows(void **state)
{
	struct vsock_packet p = guest_packet(VSOCK_OP_REQUEST, 20000, 7000);
	static uint8_t data[PIECE];
	uint64_t sent = 0, got = 0;
	ssize_t n;

	peer_count = 0;
	start();
	vsock_device_set_accept(dev, accept_narrow, NULL);
	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RESPONSE);
	p.op = VSOCK_OP_RW;
	for (unsigned i = 0; i < 1000; i++) {
		/* For a while little is kept, so that it wraps around, then much: it grows there.
		 */
		unsigned piece = i / 25 % 2 ? PIECE : 4000;

		p.len = sent - got > 5 * piece ? 0 : 1 + i * 7919 % piece;
		for (unsigned j = 0; j < p.len; j++)
			data[j] = pattern(sent + j);
		if (p.len > 0)
			assert_true(fake_guest_send(&guest, &p, data, 0));
		sent += p.len;
		step(NULL);
		step(NULL);
		if (i == 24)
			assert_int_equal(kept(), 32768);
		n = recv(peers[0], scratch, 1 + i * 104729 % piece, MSG_DONTWAIT);
		for (ssize_t j = 0; j < n; j++)
			if (scratch[j] != pattern(got + j))
				fail_msg("byte %llu is wrong", (unsigned long long)got + j);
		got += n > 0 ? n : 0;
		turn();
	}
	assert_true(got > 250000);
	close(peers[0]);
}

/* ---- lost notifications (vsock-device.md trap 3: QEMU before 8.1 leaves out barriers) ---- */

/* Steps for at most `seconds`, until fn says so. */
static bool await(bool (*fn)(void *context), void *context, double seconds)
{
	uint64_t end = event_loop_now_ns() + (uint64_t)(seconds * 1e9);

	while (!fn(context)) {
		if (event_loop_now_ns() > end)
			return false;
		event_loop_step(loop, 20);
	}
	return true;
}

static bool has_bytes(void *context)
{
	return recv(*(int *)context, scratch, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

static bool was_interrupted(void *context)
{
	return fake_guest_interrupted(&guest, *(unsigned *)context);
}

static bool was_accepted(void *context)
{
	return peer_count > 0;
}

/* All that is under way has arrived: from here on the loop only sleeps. */
static void quiesce(void)
{
	for (int i = 0; i < 50; i++)
		turn();
	while (event_loop_step(loop, 0) > 0)
		;
}

/* A kick for the transmit ring that never arrives. */
static void test_kick_lost(void **state)
{
	struct vsock_packet p;
	int fd;

	start();
	fd = dial(1024);
	quiesce();
	p = packet_of(kernel_find(1024, (1u << 30) + 1), VSOCK_OP_RW);
	p.len = 5;
	guest.lose_kicks = true;
	assert_true(fake_guest_send(&guest, &p, "hello", 0));
	assert_true(guest.lost_kicks > 0); /* it was one that the device had asked for */
	assert_true(await(has_bytes, &fd, 30));
	close(fd);
}

/* A kick for the receive ring, while a stream waits for buffers. */
static void test_receive_kick_lost(void **state)
{
	struct vsock_packet p;
	struct kernel_conn *c;
	uint64_t got = 0;
	int fd;

	start();
	fd = dial(1024);
	c = kernel_find(1024, (1u << 30) + 1);
	quiesce();
	guest.hold_receive = true;
	/* More packets than there are buffers (and fewer than the packet limit allows). */
	for (int i = 0; i < 200; i++) {
		assert_int_equal(send(fd, "x", 1, 0), 1);
		event_loop_step(loop, 0);
		while (fake_guest_receive(&guest, &p, scratch, sizeof(scratch)))
			got += p.len;
	}
	assert_int_equal(event_loop_step(loop, 0), 0); /* asleep */
	assert_true(got < 200);
	guest.hold_receive = false;
	guest.lose_kicks = true;
	fake_guest_give_back(&guest);
	assert_true(guest.lost_kicks > 0);
	for (uint64_t end = event_loop_now_ns() + 30ull * 1000000000; got < 200;) {
		assert_true(event_loop_now_ns() < end);
		event_loop_step(loop, 20);
		while (fake_guest_receive(&guest, &p, scratch, sizeof(scratch)))
			got += p.len;
	}
	assert_non_null(c);
	close(fd);
}

/* The guest's own dial, before there is any connection: its kick is lost. */
static void test_dial_kick_lost(void **state)
{
	struct vsock_packet p = guest_packet(VSOCK_OP_REQUEST, 20000, 7000);

	peer_count = 0;
	start();
	vsock_device_set_accept(dev, accept_narrow, NULL);
	quiesce();
	guest.lose_kicks = true;
	assert_true(fake_guest_send(&guest, &p, NULL, 0));
	assert_true(guest.lost_kicks > 0);
	assert_true(await(was_accepted, NULL, 30));
	close(peers[0]);
}

/* An interrupt that the guest never saw: its used event lags, it is interrupted again. */
static void call_lost(unsigned ring, uint64_t features)
{
	struct vsock_packet p;
	int fd;

	guest.features = features;
	start();
	fd = dial(1024);
	quiesce();
	fake_guest_interrupted(&guest, 0);
	fake_guest_interrupted(&guest, 1);
	if (ring == 0) {
		assert_int_equal(send(fd, "x", 1, 0), 1);
	} else {
		p = packet_of(kernel_find(1024, (1u << 30) + 1), VSOCK_OP_RW);
		p.len = 5;
		assert_true(fake_guest_send(&guest, &p, "hello", 0));
	}
	while (event_loop_step(loop, 0) > 0)
		;
	assert_true(fake_guest_interrupted(&guest, ring)); /* read and thrown away: lost */
	assert_false(fake_guest_interrupted(&guest, ring));
	assert_true(await(was_interrupted, &ring, 30));
	close(fd);
}

static void test_receive_call_lost(void **state)
{
	call_lost(0, FAKE_FEATURES);
}

static void test_transmit_call_lost(void **state)
{
	call_lost(1, FAKE_FEATURES);
}

static void test_call_lost_by_flags(void **state)
{
	call_lost(0, FAKE_FEATURES & ~(1ull << 29));
}

/* Nothing to watch, nothing ticks: an idle device lets the loop sleep for ever. */
static void test_no_tick_when_idle(void **state)
{
	int fd;

	start();
	fd = dial(1024);
	assert_true(vsock_device_watching(dev));
	close(fd);
	assert_all_ended();
	for (uint64_t end = event_loop_now_ns() + 30ull * 1000000000; vsock_device_watching(dev);) {
		assert_true(event_loop_now_ns() < end);
		event_loop_step(loop, 1000);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(test_backlog_total),
	CASE(test_backlog_grows),
	CASE(test_kick_lost),
	CASE(test_receive_kick_lost),
	CASE(test_dial_kick_lost),
	CASE(test_receive_call_lost),
	CASE(test_transmit_call_lost),
	CASE(test_call_lost_by_flags),
	CASE(test_no_tick_when_idle),
};

TEST_MAIN(tests)
