/*
 * Tests host-tools/vsock/vsock_device.c and vsock_traffic.c: the guest's own dials, broken rules,
 * pause, reset, QEMU's end, a ring without buffers.
 */
#include "vsock/vsock_device.h"

#include "small_kernel.h"
#include "vsock/vsock_log.h"

static void test_guest_dials(void **state)
{
	struct vsock_packet p = guest_packet(VSOCK_OP_REQUEST, 50000, 7000);
	char in[16];

	start();
	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RST); /* no policy */
	accept_port = 7000;
	vsock_device_set_accept(dev, on_accept, NULL);
	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RESPONSE);
	p.op = VSOCK_OP_RW;
	p.len = 5;
	assert_int_equal(answer_to(&p, 0), -1);
	assert_int_equal(recv(accept_peer, in, sizeof(in), MSG_DONTWAIT), 5);
	p.len = 0;
	p.op = VSOCK_OP_REQUEST; /* again: a rule broken */
	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RST);
	assert_int_equal(recv(accept_peer, in, sizeof(in), MSG_DONTWAIT), 0);
	close(accept_peer);
	p.to_port = 7001;
	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RST); /* refused by the policy */
	assert_all_ended();
}

static int accepted_fds[300];
static unsigned accepted;

static int on_accept_many(void *context, uint32_t port)
{
	int pair[2];

	assert_true(accepted < 300);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	accepted_fds[accepted++] = pair[1];
	return pair[0];
}

/* A guest cannot take all our descriptors; one that closes makes room for another. */
static void test_guest_dials_bounded(void **state)
{
	struct vsock_packet p;
	uint32_t port = 20000;

	start();
	vsock_device_set_accept(dev, on_accept_many, NULL);
	for (; port < 20256; port++) {
		p = guest_packet(VSOCK_OP_REQUEST, port, 7000);
		assert_int_equal(answer_to(&p, 0), VSOCK_OP_RESPONSE);
	}
	p = guest_packet(VSOCK_OP_REQUEST, port, 7000);
	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RST);
	assert_int_equal(accepted, 256);
	p = guest_packet(VSOCK_OP_RST, 20000, 7000);
	assert_int_equal(answer_to(&p, 0), -1);
	p = guest_packet(VSOCK_OP_REQUEST, port, 7000);
	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RESPONSE);
	while (accepted > 0)
		close(accepted_fds[--accepted]);
}

static void test_stray_packets(void **state)
{
	struct vsock_packet p;

	start();
	for (unsigned op = 0; op < 10; op++) {
		p = guest_packet(op, 50000, 7000);
		assert_int_equal(answer_to(&p, 0), op == VSOCK_OP_RST ? -1 : VSOCK_OP_RST);
		p.type = 2; /* SEQPACKET, which was not offered */
		assert_int_equal(answer_to(&p, 0), op == VSOCK_OP_RST ? -1 : VSOCK_OP_RST);
	}
	p = guest_packet(VSOCK_OP_RW, 50000, 7000);
	p.from_cid = 4;
	assert_int_equal(answer_to(&p, 0), -1);
	p.from_cid = FAKE_CID;
	p.to_cid = 1;
	assert_int_equal(answer_to(&p, 0), -1);
	p.to_cid = 2ull << 32;
	assert_int_equal(answer_to(&p, 0), -1);
}

/* Each broken rule on an open connection: RST, and nothing of the connection is left. */
static void test_broken_rules(void **state)
{
	struct {
		uint16_t op;
		uint32_t len;
		size_t room;
	} rules[] = {
		{VSOCK_OP_RESPONSE, 0, 0},
		{VSOCK_OP_NONE, 0, 0},
		{8, 0, 0},
		{65535, 0, 0},
		{VSOCK_OP_RW, 1001, 1000}, /* longer than the chain */
		{VSOCK_OP_RW, UINT32_MAX, 1000},
		{VSOCK_OP_CREDIT_UPDATE, 10, 10}, /* payload where none belongs */
		{VSOCK_OP_SHUTDOWN, 10, 10},
		{VSOCK_OP_RST, 10, 10},
	};

	start();
	accept_port = 7000;
	vsock_device_set_accept(dev, on_accept, NULL);
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct vsock_packet p = guest_packet(VSOCK_OP_REQUEST, 50000 + i, 7000);

		assert_int_equal(answer_to(&p, 0), VSOCK_OP_RESPONSE);
		p.op = rules[i].op;
		p.len = rules[i].len;
		assert_int_equal(answer_to(&p, rules[i].room), VSOCK_OP_RST);
		assert_int_equal(recv(accept_peer, scratch, 1, MSG_DONTWAIT), 0);
		close(accept_peer);
		assert_all_ended();
	}
}

/* More than the window while the owner does not read. */
static void test_over_credit(void **state)
{
	struct vsock_packet p = guest_packet(VSOCK_OP_REQUEST, 50000, 7000);
	unsigned i;
	int r = -1;

	start();
	accept_port = 7000;
	vsock_device_set_accept(dev, on_accept, NULL);
	assert_int_equal(answer_to(&p, 0), VSOCK_OP_RESPONSE);
	p.op = VSOCK_OP_RW;
	p.len = 60000;
	for (i = 0; i < 30 && r != VSOCK_OP_RST; i++)
		r = answer_to(&p, 0); /* CREDIT_UPDATE at first: the socket took some */
	assert_int_equal(r, VSOCK_OP_RST);
	assert_true(i > 4);
	close(accept_peer);
	assert_all_ended();
}

/* Connections survive a pause. */
static void test_pause(void **state)
{
	uint16_t bases[2];
	int fd;

	start();
	fd = dial(1024);
	fake_guest_stop(&guest, bases);
	assert_int_equal(bases[0], guest.rings[0].used_index);
	assert_int_equal(bases[1], guest.rings[1].avail_index);
	assert_false(vsock_device_ready(dev));
	assert_int_equal(vsock_device_dial(dev, 1024, 0, on_dialled, NULL, NULL, NULL), -EAGAIN);
	send(fd, "x", 1, 0);
	for (int i = 0; i < 5; i++)
		step(NULL);
	assert_int_equal(event_loop_step(loop, 0), 0); /* asleep */
	assert_int_equal(fake_guest_start(&guest, bases), 0);
	assert_true(vsock_device_ready(dev));
	assert_int_equal(ready_count, 1); /* nothing began anew */
	for (int i = 0; i < 20; i++)
		turn();
	assert_int_equal(recv(fd, scratch, 2, MSG_DONTWAIT), 1);
	exchange(fd, 100000);
}

/* They end with a reset: the rings begin at 0 again; QMP's word comes earlier. */
static void test_reset(void **state)
{
	uint16_t bases[2];
	int fd, other;

	start();
	fd = dial(1024);
	fake_guest_stop(&guest, bases);
	send(fd, "x", 1, 0);
	assert_int_equal(fake_guest_start(&guest, NULL), 0);
	for (int i = 0; i < 5; i++)
		step(NULL);
	assert_int_equal(ready_count, 2);
	assert_int_equal(open_connections(), 0);
	assert_ended(fd);
	for (unsigned i = 0; i < KERNEL_SLOTS; i++)
		kernel_drop(&conns[i]);
	other = dial(1024);
	vsock_device_reset(dev);
	step(NULL);
	assert_int_equal(open_connections(), 0);
	assert_ended(other);
}

static unsigned complaints;

static void count_complaint(const char *record, size_t len, void *context)
{
	complaints++;
}

/* Each time its driver starts again it breaks its ring: served every time, told of some times. */
static void test_breaks_its_ring_for_ever(void **state)
{
	uint16_t bases[2];

	complaints = 0;
	log_set_sink(count_complaint, NULL);
	start();
	for (unsigned i = 0; i < 200; i++) {
		fake_guest_avail(&guest, 1, FAKE_RING + 1); /* no such descriptor */
		for (int k = 0; k < 20 && vsock_device_ready(dev); k++)
			step(NULL);
		assert_false(vsock_device_ready(dev));
		fake_guest_stop(&guest, bases);
		assert_int_equal(fake_guest_start(&guest, NULL), 0);
	}
	assert_in_range(complaints, 1, VSOCK_LOG_PER_MINUTE);
	exchange(dial(1024), 1000);
	log_set_sink(NULL, NULL);
}

/* QEMU 10 says RESET_DEVICE. */
static void test_reset_message(void **state)
{
	int fd;

	start();
	fd = dial(1024);
	fake_guest_message(&guest, 34, 0, NULL, 0, NULL, 0);
	for (int i = 0; i < 5; i++)
		step(NULL);
	assert_false(vsock_device_ready(dev));
	assert_int_equal(open_connections(), 0);
	assert_ended(fd);
}

static void test_qemu_gone(void **state)
{
	struct dialled d = {0};
	int fd;

	start();
	fd = dial(1024);
	/* One dial is under way. */
	assert_int_equal(vsock_device_dial(dev, 1024, 0, on_dialled, &d, NULL, NULL), 0);
	close(guest.sock);
	guest.sock = -1;
	for (int i = 0; i < 5; i++)
		step(NULL);
	assert_int_equal(gone_count, 1);
	assert_int_equal(d.result, -ENOTCONN);
	assert_int_equal(recv(fd, scratch, 1, 0), 0);
	assert_int_equal(open_connections(), 0);
	assert_int_equal(vsock_device_dial(dev, 1024, 0, on_dialled, NULL, NULL, NULL), -ENOTCONN);
	close(fd);
	/* Another QEMU may come. */
	for (unsigned i = 0; i < KERNEL_SLOTS; i++)
		kernel_drop(&conns[i]);
	assert_int_equal(fake_guest_connect(&guest, scratch_path("vhost")), 0);
	step(NULL);
	assert_int_equal(fake_guest_start(&guest, NULL), 0);
	exchange(dial(1024), 1000);
}

static void test_second_qemu(void **state)
{
	struct fake_guest second;

	start();
	fake_guest_init(&second, step, NULL);
	assert_int_equal(fake_guest_connect(&second, scratch_path("vhost")), 0);
	assert_false(fake_guest_alive(&second));
	fake_guest_release(&second);
	exchange(dial(1024), 1000);
}

/* No receive buffers: nothing is lost, nothing spins; RSTs owed for strangers are bounded. */
static void test_no_buffers(void **state)
{
	struct vsock_packet p;
	unsigned answered = 0;
	int fd;

	start();
	fd = dial(1024);
	guest.hold_receive = true;
	for (int i = 0; i < 400; i++) {
		p = guest_packet(VSOCK_OP_RW, 40000 + i, 9000);
		if (!fake_guest_send(&guest, &p, NULL, 0))
			break;
		event_loop_step(loop, 0);
		while (fake_guest_receive(&guest, &p, scratch, sizeof(scratch)))
			answered += p.op == VSOCK_OP_RST;
	}
	/* The ring of buffers is used up, then 64 are owed, then nothing more is taken. */
	assert_in_range(answered, 100, FAKE_RING);
	send(fd, "waits", 5, 0);
	for (int i = 0; i < 20; i++)
		event_loop_step(loop, 0);
	assert_int_equal(event_loop_step(loop, 0), 0); /* asleep */
	guest.hold_receive = false;
	fake_guest_give_back(&guest);
	for (int i = 0; i < 20; i++)
		turn();
	assert_int_equal(recv(fd, scratch, 10, MSG_DONTWAIT), 5);
	exchange(fd, 10000);
}

static void test_fds(void **state)
{
	int before = test_count_fds(), fds[5];

	start();
	for (int i = 0; i < 5; i++)
		fds[i] = dial(1024 + 2 * i); /* the device's ends go with the device */
	tear_down(NULL);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	set_up(NULL);
	assert_int_equal(test_count_fds(), before);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(test_guest_dials),
	CASE(test_guest_dials_bounded),
	CASE(test_stray_packets),
	CASE(test_broken_rules),
	CASE(test_over_credit),
	CASE(test_pause),
	CASE(test_reset),
	CASE(test_breaks_its_ring_for_ever),
	CASE(test_reset_message),
	CASE(test_qemu_gone),
	CASE(test_second_qemu),
	CASE(test_no_buffers),
	CASE(test_fds),
};

TEST_MAIN(tests)
