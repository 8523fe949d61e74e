/*
 * small_kernel: the fixture of the device's tests: the device over a real socket, a fake QEMU and
 * driver (tests/lib/fake_vsock_guest.h), and a small guest kernel on top that answers dials of even
 * ports, echoes, obeys credit and half closes. Everything is static: included once a program.
 */
#ifndef TESTS_UNIT_VSOCK_SMALL_KERNEL_H
#define TESTS_UNIT_VSOCK_SMALL_KERNEL_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fake_vsock_guest.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vsock/vsock_device.h"

#define UNUSED __attribute__((unused))

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
static UNUSED unsigned ready_count, gone_count, credit_requests;
static uint8_t scratch[KERNEL_BUFFER];

static UNUSED void step(void *context)
{
	event_loop_step(loop, 0);
}

static UNUSED void on_ready(void *owner)
{
	ready_count++;
}

static UNUSED void on_gone(void *owner)
{
	gone_count++;
}

/* ---- the small guest kernel ---- */

static UNUSED struct vsock_packet packet_of(const struct kernel_conn *c, uint16_t op)
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

static UNUSED bool kernel_send(struct kernel_conn *c, uint16_t op, uint32_t flags)
{
	struct vsock_packet p = packet_of(c, op);

	p.flags = flags;
	c->told = c->taken;
	return fake_guest_send(&guest, &p, NULL, 0);
}

static UNUSED struct kernel_conn *kernel_find(uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < KERNEL_SLOTS; i++)
		if (conns[i].used && conns[i].guest_port == guest_port &&
			conns[i].host_port == host_port)
			return &conns[i];
	return NULL;
}

static UNUSED struct kernel_conn *kernel_new(uint32_t guest_port, uint32_t host_port)
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

static UNUSED void kernel_drop(struct kernel_conn *c)
{
	free(c->data);
	memset(c, 0, sizeof(*c));
}

static UNUSED void kernel_packet(const struct vsock_packet *p, const uint8_t *payload)
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
static UNUSED bool kernel_echo(struct kernel_conn *c)
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
static UNUSED void turn(void)
{
	struct vsock_packet p;

	event_loop_step(loop, 1);
	while (fake_guest_receive(&guest, &p, scratch, sizeof(scratch)))
		kernel_packet(&p, scratch);
	for (unsigned i = 0; i < KERNEL_SLOTS; i++)
		if (conns[i].used && !conns[i].sleepy)
			kernel_echo(&conns[i]);
}

/* ---- fixture ---- */

static UNUSED int set_up(void **state)
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

static UNUSED int tear_down(void **state)
{
	for (unsigned i = 0; i < KERNEL_SLOTS; i++)
		kernel_drop(&conns[i]);
	fake_guest_release(&guest);
	vsock_device_free(dev);
	event_loop_free(loop);
	return 0;
}

static UNUSED void start(void)
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

static UNUSED void on_dialled(void *owner, int result, int fd)
{
	struct dialled *d = owner;

	assert_false(d->done);
	*d = (struct dialled){.done = true, .result = result, .fd = fd};
}

static UNUSED int dial(uint32_t port)
{
	struct dialled d = {0};

	assert_int_equal(vsock_device_dial(dev, port, 5000, on_dialled, &d, NULL, NULL), 0);
	assert_false(d.done);
	for (int i = 0; i < 2000 && !d.done; i++)
		turn();
	assert_true(d.done);
	return d.result < 0 ? d.result : d.fd;
}

static UNUSED uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 2654435761u >> 13 ^ at);
}

/* Sends `size` pattern bytes through an echo and checks each that comes back. */
static UNUSED void exchange(int fd, uint64_t size)
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

static UNUSED unsigned open_connections(void)
{
	struct vsock_device_stats stats;

	vsock_device_get_stats(dev, &stats);
	return stats.connections;
}

static UNUSED void assert_all_ended(void)
{
	for (int i = 0; i < 100 && open_connections() > 0; i++)
		turn();
	assert_int_equal(open_connections(), 0);
}

static UNUSED int accept_port, accept_peer = -1;

static UNUSED int on_accept(void *context, uint32_t port)
{
	int pair[2];

	if ((int)port != accept_port)
		return -ECONNREFUSED;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	accept_peer = pair[1];
	return pair[0];
}

static UNUSED struct vsock_packet guest_packet(uint16_t op, uint32_t from, uint32_t to)
{
	struct kernel_conn c = {.guest_port = from, .host_port = to};

	return packet_of(&c, op);
}

/* Sends a packet and says what the device answers: its op, or -1 for nothing. */
static UNUSED int answer_to(const struct vsock_packet *packet, size_t room)
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

static UNUSED void assert_ended(int fd)
{
	ssize_t n = recv(fd, scratch, 1, MSG_DONTWAIT);

	/* Bytes the device had not read make it a reset. */
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
}

#endif
