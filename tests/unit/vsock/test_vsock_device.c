/*
 * Tests host-tools/vsock/vsock_device.c over a real socket, against a fake QEMU and driver
 * (tests/lib/fake_vsock_guest.h) with a small guest kernel on top: `kernel` below answers dials of
 * even ports, echoes, obeys credit and half closes.
 */
#include "vsock/vsock_device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fake_vsock_guest.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define MIB	      (1024 * 1024)
#define KERNEL_BUFFER (256 * 1024)
#define KERNEL_SLOTS  2048

struct kernel_conn {
	bool used, host_ended, guest_ended, sleepy;
	uint32_t guest_port, host_port;
	uint8_t *data; /* KERNEL_BUFFER bytes: what the "process" has not echoed yet */
	size_t len;
	uint32_t received, taken, told, sent, host_buffer, host_forwarded;
	unsigned unread_packets, most_unread;
	uint64_t total;
};

static struct event_loop *loop;
static struct vsock_device *dev;
static struct fake_guest guest;
static struct kernel_conn conns[KERNEL_SLOTS];
static unsigned ready_count, gone_count, credit_requests;
static uint8_t scratch[KERNEL_BUFFER];

static void step(void *context)
{
	event_loop_step(loop, 0);
}

static void on_ready(void *owner)
{
	ready_count++;
}

static void on_gone(void *owner)
{
	gone_count++;
}

/* ---- the small guest kernel --------------------------------------------------------------------
 */

static struct vsock_packet packet_of(const struct kernel_conn *c, uint16_t op)
{
	return (struct vsock_packet){.from_cid = FAKE_CID,
		.to_cid = 2,
		.from_port = c->guest_port,
		.to_port = c->host_port,
		.type = 1,
		.op = op,
		.buffer = KERNEL_BUFFER,
		.forwarded = c->taken};
}

static bool kernel_send(struct kernel_conn *c, uint16_t op, uint32_t flags)
{
	struct vsock_packet p = packet_of(c, op);

	p.flags = flags;
	c->told = c->taken;
	return fake_guest_send(&guest, &p, NULL, 0);
}

static struct kernel_conn *kernel_find(uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < KERNEL_SLOTS; i++)
		if (conns[i].used && conns[i].guest_port == guest_port &&
			conns[i].host_port == host_port)
			return &conns[i];
	return NULL;
}

static struct kernel_conn *kernel_new(uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < KERNEL_SLOTS; i++) {
		struct kernel_conn *c = &conns[i];

		if (c->used)
			continue;
		free(c->data);
		*c = (struct kernel_conn){
			.used = true, .guest_port = guest_port, .host_port = host_port};
		c->data = malloc(KERNEL_BUFFER);
		return c;
	}
	fail_msg("no slot in the small kernel");
	return NULL;
}

static void kernel_drop(struct kernel_conn *c)
{
	free(c->data);
	memset(c, 0, sizeof(*c));
}

static void kernel_packet(const struct vsock_packet *p, const uint8_t *payload)
{
	struct kernel_conn *c = kernel_find(p->to_port, p->from_port);

	assert_int_equal(p->from_cid, 2);
	assert_int_equal(p->to_cid, FAKE_CID);
	assert_int_equal(p->type, 1);
	if (!c && p->op == VSOCK_OP_REQUEST) {
		c = kernel_new(p->to_port, p->from_port);
		c->host_buffer = p->buffer;
		kernel_send(c, p->to_port % 2 ? VSOCK_OP_RST : VSOCK_OP_RESPONSE, 0);
		if (p->to_port % 2)
			kernel_drop(c);
		return;
	}
	if (!c)
		return;
	c->host_buffer = p->buffer;
	c->host_forwarded = p->forwarded;
	switch (p->op) {
	case VSOCK_OP_RW:
		/* The device may never send more than our credit. */
		assert_true(p->len <= KERNEL_BUFFER - (c->received - c->taken));
		memcpy(c->data + c->len, payload, p->len);
		c->len += p->len;
		c->received += p->len;
		c->total += p->len;
		if (++c->unread_packets > c->most_unread)
			c->most_unread = c->unread_packets;
		break;
	case VSOCK_OP_SHUTDOWN:
		c->host_ended = c->host_ended || (p->flags & VSOCK_SHUTDOWN_SEND);
		if (p->flags == VSOCK_SHUTDOWN_BOTH) {
			kernel_send(c, VSOCK_OP_RST, 0);
			kernel_drop(c);
		}
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		credit_requests++;
		kernel_send(c, VSOCK_OP_CREDIT_UPDATE, 0);
		break;
	case VSOCK_OP_RST:
		kernel_drop(c);
		break;
	}
}

/* The process behind a port: echoes, and ends its own direction after the host's end. */
static bool kernel_echo(struct kernel_conn *c)
{
	uint32_t room = c->host_buffer - (c->sent - c->host_forwarded);
	struct vsock_packet p = packet_of(c, VSOCK_OP_RW);
	size_t len = c->len;

	if (len > room)
		len = room;
	if (len > 65536)
		len = 65536;
	if (len == 0 && c->len == 0 && c->host_ended && !c->guest_ended)
		return c->guest_ended = kernel_send(c, VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_SEND);
	if (len == 0)
		return false;
	p.len = len;
	p.forwarded = c->taken + len;
	if (!fake_guest_send(&guest, &p, c->data, 0))
		return false;
	memmove(c->data, c->data + len, c->len - len);
	c->len -= len;
	c->sent += len;
	c->taken += len;
	c->told = c->taken;
	c->unread_packets = 0;
	return true;
}

/* One round of device and guest. */
static void turn(void)
{
	struct vsock_packet p;

	event_loop_step(loop, 1);
	while (fake_guest_receive(&guest, &p, scratch, sizeof(scratch)))
		kernel_packet(&p, scratch);
	for (unsigned i = 0; i < KERNEL_SLOTS; i++)
		if (conns[i].used && !conns[i].sleepy)
			kernel_echo(&conns[i]);
}

/* ---- fixture
 * ------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	struct vsock_device_events events = {.ready = on_ready, .gone = on_gone};

	ready_count = gone_count = credit_requests = 0;
	loop = event_loop_new();
	dev = vsock_device_new(loop, scratch_path("vhost"), FAKE_CID, NULL);
	if (!loop || !dev)
		return -1;
	vsock_device_set_events(dev, &events);
	fake_guest_init(&guest, step, NULL);
	return 0;
}

static int tear_down(void **state)
{
	for (unsigned i = 0; i < KERNEL_SLOTS; i++)
		kernel_drop(&conns[i]);
	fake_guest_release(&guest);
	vsock_device_free(dev);
	event_loop_free(loop);
	return 0;
}

static void start(void)
{
	assert_int_equal(fake_guest_connect(&guest, scratch_path("vhost")), 0);
	step(NULL);
	assert_int_equal(fake_guest_start(&guest, NULL), 0);
	assert_true(vsock_device_ready(dev));
	assert_int_equal(ready_count, 1);
}

struct dialled {
	bool done;
	int result, fd;
};

static void on_dialled(void *owner, int result, int fd)
{
	struct dialled *d = owner;

	assert_false(d->done);
	*d = (struct dialled){.done = true, .result = result, .fd = fd};
}

static int dial(uint32_t port)
{
	struct dialled d = {0};

	assert_int_equal(vsock_device_dial(dev, port, 5000, on_dialled, &d, NULL, NULL), 0);
	assert_false(d.done);
	for (int i = 0; i < 2000 && !d.done; i++)
		turn();
	assert_true(d.done);
	return d.result < 0 ? d.result : d.fd;
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 2654435761u >> 13 ^ at);
}

/* Sends `size` pattern bytes through an echo and checks each that comes back. */
static void exchange(int fd, uint64_t size)
{
	static uint8_t out[128 * 1024], in[128 * 1024];
	uint64_t sent = 0, got = 0;
	bool ended = false;

	while (got < size) {
		size_t len = 1 + sent * 40503u % sizeof(out);
		ssize_t n;

		if (len > size - sent)
			len = size - sent;
		for (size_t i = 0; i < len; i++)
			out[i] = pattern(sent + i);
		n = len > 0 ? send(fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
		if (n > 0)
			sent += n;
		if (sent == size && !ended)
			ended = shutdown(fd, SHUT_WR) == 0;
		turn();
		while ((n = recv(fd, in, sizeof(in), MSG_DONTWAIT)) > 0) {
			for (ssize_t i = 0; i < n; i++)
				if (in[i] != pattern(got + i))
					fail_msg("byte %llu is wrong", (unsigned long long)got + i);
			got += n;
		}
		if (n == 0 && got < size)
			fail_msg("end of file after %llu bytes", (unsigned long long)got);
	}
	for (int i = 0; i < 1000 && recv(fd, in, 1, MSG_DONTWAIT) != 0; i++)
		turn();
	assert_int_equal(recv(fd, in, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static unsigned open_connections(void)
{
	struct vsock_device_stats stats;

	vsock_device_get_stats(dev, &stats);
	return stats.connections;
}

static void assert_all_ended(void)
{
	for (int i = 0; i < 100 && open_connections() > 0; i++)
		turn();
	assert_int_equal(open_connections(), 0);
}

/* ---- tests
 * --------------------------------------------------------------------------------------- */

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

static int accept_port, accept_peer = -1;

static int on_accept(void *context, uint32_t port)
{
	int pair[2];

	if ((int)port != accept_port)
		return -ECONNREFUSED;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	accept_peer = pair[1];
	return pair[0];
}

static struct vsock_packet guest_packet(uint16_t op, uint32_t from, uint32_t to)
{
	struct kernel_conn c = {.guest_port = from, .host_port = to};

	return packet_of(&c, op);
}

/* Sends a packet and says what the device answers: its op, or -1 for nothing. */
static int answer_to(const struct vsock_packet *packet, size_t room)
{
	struct vsock_packet p;

	memset(scratch, 0, sizeof(scratch));
	assert_true(fake_guest_send(&guest, packet, scratch, room));
	for (int i = 0; i < 8; i++) {
		step(NULL);
		if (!fake_guest_receive(&guest, &p, scratch, sizeof(scratch)))
			continue;
		assert_int_equal(p.from_port, packet->to_port);
		assert_int_equal(p.to_port, packet->from_port);
		assert_int_equal(p.type, packet->type);
		return p.op;
	}
	return -1;
}

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

static void assert_ended(int fd)
{
	ssize_t n = recv(fd, scratch, 1, MSG_DONTWAIT);

	/* Bytes the device had not read make it a reset. */
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_dial_before, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_echo, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_timeout, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_big, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_layouts, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_packet_limit, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_never_read, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_slow_reader, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_guest_closes, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_owner_closes, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_last_words, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_more_to_do, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_port_again, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_guest_dials, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_stray_packets, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_broken_rules, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_over_credit, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_pause, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_reset, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_reset_message, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_qemu_gone, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_second_qemu, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_no_buffers, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_fds, set_up, tear_down),
};

TEST_MAIN(tests)
