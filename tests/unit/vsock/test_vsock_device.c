/* Tests host-tools/vsock/vsock_device.c and vsock_traffic.c: dials and streams. */
#include "vsock/vsock_device.h"

#include "small_kernel.h"

static void test_dial_before(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(vsock_device_dial(dev, 1024, 0, on_dialled, NULL, NULL, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "1024"));
	assert_int_equal(fake_guest_connect(&guest, scratch_path("vhost")), 0);
	step(NULL);
	assert_true(vsock_device_connected(dev));
	assert_false(vsock_device_ready(dev));
	assert_int_equal(vsock_device_dial(dev, 1024, 0, on_dialled, NULL, NULL, NULL), -EAGAIN);
}

static void test_echo(void **state)
{
	start();
	exchange(dial(1024), 100000);
	assert_all_ended();
}

static void test_refused(void **state)
{
	start();
	assert_int_equal(dial(1025), -ECONNREFUSED);
	assert_all_ended();
}

static void test_timeout(void **state)
{
	struct dialled d = {0};
	struct vsock_packet p;

	start();
	assert_int_equal(vsock_device_dial(dev, 1024, 50, on_dialled, &d, NULL, NULL), 0);
	assert_true(fake_guest_await(&guest, &p, scratch, sizeof(scratch), 1));
	assert_int_equal(p.op, VSOCK_OP_REQUEST);
	assert_true(p.from_port >= 1u << 30);
	/* The guest says nothing: it is told by RST. */
	assert_true(fake_guest_await(&guest, &p, scratch, sizeof(scratch), 2));
	assert_int_equal(p.op, VSOCK_OP_RST);
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(d.result, -ETIMEDOUT);
	assert_all_ended();
}

static void test_cancel(void **state)
{
	struct dialled d = {0};
	struct vsock_dial *under_way;
	struct vsock_packet p;

	start();
	assert_int_equal(vsock_device_dial(dev, 1024, 0, on_dialled, &d, &under_way, NULL), 0);
	vsock_dial_cancel(under_way); /* nothing was sent yet: nothing is */
	for (int i = 0; i < 10; i++)
		step(NULL);
	assert_false(fake_guest_receive(&guest, &p, scratch, sizeof(scratch)));
	assert_int_equal(vsock_device_dial(dev, 1024, 0, on_dialled, &d, &under_way, NULL), 0);
	assert_true(fake_guest_await(&guest, &p, scratch, sizeof(scratch), 1));
	vsock_dial_cancel(under_way);
	assert_true(fake_guest_await(&guest, &p, scratch, sizeof(scratch), 1));
	assert_int_equal(p.op, VSOCK_OP_RST);
	assert_false(d.done);
	assert_all_ended();
}

static void test_big(void **state)
{
	uint64_t size = 64 * MIB;

	guest.regions = 2;
	guest.pieces = 4;
	start();
	exchange(dial(1024), size);
	assert_all_ended();
}

/* Every combination of features and layouts moves the same bytes. */
static void test_layouts(void **state)
{
	static const uint64_t masks[] = {FAKE_FEATURES, FAKE_FEATURES & ~(1ull << 29),
		FAKE_FEATURES & ~(1ull << 28), FAKE_FEATURES & ~(3ull << 28)};

	for (unsigned i = 0; i < 4; i++)
		for (unsigned indirect = 0; indirect < 2; indirect++) {
			if (indirect && !(masks[i] & 1ull << 28))
				continue;
			tear_down(NULL);
			set_up(NULL);
			guest.features = masks[i];
			guest.use_indirect = indirect;
			guest.pieces = 1 + i;
			guest.regions = 1 + i % 2;
			start();
			exchange(dial(2000 + 2 * i), MIB);
			assert_all_ended();
		}
}

static void test_many(void **state)
{
	int fds[64];

	start();
	for (int i = 0; i < 1000; i++) {
		int fd = dial(1024);

		assert_true(fd >= 0);
		exchange(fd, 100);
	}
	for (int i = 0; i < 64; i++) {
		fds[i] = dial(1024 + 2 * i);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(open_connections(), 64);
	for (int i = 0; i < 64; i++)
		exchange(fds[i], 10000 + i);
	assert_all_ended();
}

/* Small writes, a guest that does not read: at most buffer / 1024 packets are unread. */
static void test_packet_limit(void **state)
{
	int fd;
	struct kernel_conn *c;
	char piece[200] = {0};
	uint64_t sent = 0;

	start();
	fd = dial(1024);
	c = kernel_find(1024, (1u << 30) + 1);
	assert_non_null(c);
	c->sleepy = true;
	for (int i = 0; i < 700; i++) {
		if (send(fd, piece, sizeof(piece), MSG_DONTWAIT) == sizeof(piece))
			sent += sizeof(piece);
		turn();
	}
	assert_int_equal(c->most_unread, KERNEL_BUFFER / 1024);
	assert_int_equal(c->total, 200 * KERNEL_BUFFER / 1024);
	assert_true(sent > c->total);
	assert_true(credit_requests >= 1);
	c->sleepy = false;
	for (int i = 0; i < 1000 && c->total < sent; i++)
		turn();
	assert_int_equal(c->total, sent);
	close(fd);
	assert_all_ended();
}

/* A guest that does not read gets its credit's worth; one request at once, the next 50 ms later. */
static void test_never_read(void **state)
{
	int fd;
	struct kernel_conn *c;

	start();
	fd = dial(1024);
	c = kernel_find(1024, (1u << 30) + 1);
	c->sleepy = true;
	for (int i = 0; i < 200; i++) {
		send(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
		turn();
	}
	assert_int_equal(c->total, KERNEL_BUFFER);
	assert_in_range(credit_requests, 1, 20);
	exchange(dial(1030), 50000); /* others go on */
	close(fd);
	c->sleepy = false;
	for (int i = 0; i < 2000 && open_connections() > 0; i++)
		turn();
	assert_int_equal(open_connections(), 0);
}

/* A host that does not read: the guest's bytes are kept up to the window, and are exact. */
static void test_slow_reader(void **state)
{
	int fd;

	start();
	fd = dial(1024);
	for (int i = 0; i < 300; i++) {
		send(fd, scratch, 30000, MSG_DONTWAIT);
		turn();
	}
	for (ssize_t n = 1, total = 0; total < MIB; total += n) {
		turn();
		n = recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
		if (n < 0)
			n = 0;
		send(fd, scratch, 1000, MSG_DONTWAIT);
	}
	close(fd);
	for (int i = 0; i < 200; i++)
		turn();
	assert_all_ended();
}

/* The guest closes with bytes on the way: they still reach the owner, then end of file. */
static void test_guest_closes(void **state)
{
	struct kernel_conn *c;
	struct vsock_packet p;
	uint8_t in[1000];
	int fd;

	start();
	fd = dial(1024);
	c = kernel_find(1024, (1u << 30) + 1);
	c->sleepy = true;
	p = packet_of(c, VSOCK_OP_RW);
	p.len = 600;
	memset(scratch, 7, 600);
	fake_guest_send(&guest, &p, scratch, 0);
	kernel_send(c, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	assert_true(fake_guest_await(&guest, &p, scratch, sizeof(scratch), 1));
	assert_int_equal(p.op, VSOCK_OP_RST);
	assert_int_equal(recv(fd, in, sizeof(in), 0), 600);
	assert_int_equal(recv(fd, in, sizeof(in), 0), 0);
	close(fd);
	assert_all_ended();
}

/* The owner closes while the guest still sends: what the owner wrote arrives all the same. */
static void test_owner_closes(void **state)
{
	struct kernel_conn *c;
	struct vsock_packet p;
	int fd;

	start();
	fd = dial(1024);
	c = kernel_find(1024, (1u << 30) + 1);
	c->sleepy = true;
	send(fd, scratch, 100000, MSG_DONTWAIT);
	close(fd);
	for (int i = 0; i < 5; i++) {
		p = packet_of(c, VSOCK_OP_RW);
		p.len = 40000;
		p.forwarded = c->taken;
		fake_guest_send(&guest, &p, scratch, 0);
		c->sent += 40000;
		for (int j = 0; j < 10 && c->used; j++)
			turn();
	}
	/* All 100,000 bytes, then SHUTDOWN both, which the small kernel answered with RST. */
	assert_false(c->used);
	assert_all_ended();
}

/* QEMU exits right after the guest's last bytes: they still reach the owner. */
static void test_last_words(void **state)
{
	struct vsock_packet p;
	uint8_t in[100];
	int fd;

	start();
	fd = dial(1024);
	p = packet_of(kernel_find(1024, (1u << 30) + 1), VSOCK_OP_RW);
	p.len = 9;
	fake_guest_send(&guest, &p, "last word", 0);
	close(guest.sock);
	guest.sock = -1;
	for (int i = 0; i < 5; i++)
		step(NULL);
	assert_int_equal(recv(fd, in, sizeof(in), MSG_DONTWAIT), 9);
	assert_int_equal(recv(fd, in, sizeof(in), MSG_DONTWAIT), 0);
	close(fd);
}

/* A pass that ends at its budget goes on without being told: all 100 send, not the first 32. */
static void test_more_to_do(void **state)
{
	struct vsock_packet p;
	unsigned got = 0;
	int fds[100];

	start();
	for (int i = 0; i < 100; i++)
		fds[i] = dial(1024 + 2 * i);
	for (int i = 0; i < 20; i++)
		turn();
	for (int i = 0; i < 100; i++)
		assert_int_equal(send(fds[i], "x", 1, 0), 1);
	while (event_loop_step(loop, 0) > 0)
		;
	while (fake_guest_receive(&guest, &p, scratch, sizeof(scratch)))
		got += p.op == VSOCK_OP_RW;
	assert_int_equal(got, 100);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
}

/* The guest may use a port again while bytes of its last user still go to a slow owner. */
static void test_port_again(void **state)
{
	struct vsock_packet p;
	struct kernel_conn *c;
	int fd, other;

	start();
	fd = dial(1024);
	c = kernel_find(1024, (1u << 30) + 1);
	c->sleepy = true;
	do {
		p = packet_of(c, VSOCK_OP_RW);
		p.len = 60000;
		fake_guest_send(&guest, &p, scratch, 0);
		for (int i = 0; i < 3; i++)
			turn();
	} while (c->host_buffer - (c->sent += 60000) > 200000);
	for (int i = 0; i < 3; i++) { /* past what a socket holds */
		p = packet_of(c, VSOCK_OP_RW);
		p.len = 60000;
		fake_guest_send(&guest, &p, scratch, 0);
		step(NULL);
	}
	kernel_send(c, VSOCK_OP_RST, 0);
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(open_connections(), 1); /* the bytes */
	p = packet_of(c, VSOCK_OP_RW);
	kernel_drop(c);
	fake_guest_send(&guest, &p, NULL, 0);
	assert_true(fake_guest_await(&guest, &p, scratch, sizeof(scratch), 1));
	assert_int_equal(p.op, VSOCK_OP_RST); /* nobody has this key */
	other = dial(1024);
	exchange(other, 1000);
	while (recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT) > 0)
		turn();
	close(fd);
	assert_all_ended();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(test_dial_before),
	CASE(test_echo),
	CASE(test_refused),
	CASE(test_timeout),
	CASE(test_cancel),
	CASE(test_big),
	CASE(test_layouts),
	CASE(test_many),
	CASE(test_packet_limit),
	CASE(test_never_read),
	CASE(test_slow_reader),
	CASE(test_guest_closes),
	CASE(test_owner_closes),
	CASE(test_last_words),
	CASE(test_more_to_do),
	CASE(test_port_again),
};

TEST_MAIN(tests)
