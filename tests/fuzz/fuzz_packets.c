/*
 * Fuzz target: packets, connections and credit (host-tools/vsock/vsock_device.c, vsock_traffic.c,
 * vsock_connection.c) on two rings that are in order themselves. The input sends packets as the
 * guest, gives and takes receive buffers, and acts as the owners of connections. After each input
 * everything of the guest must be gone: connections, dials, kept bytes, descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "fuzz/fuzz.h"
#include "hard_limits.h"
#include "vsock/vsock_device_internal.h"

#define MEMORY	   (512 * 1024)
#define RING	   32
#define BASE_USER  0x700000000000ull
#define RINGS_AT   0 /* 4 KiB each */
#define BUFFERS_AT 8192
#define BUFFER	   8192 /* room for one receive buffer */
#define PAYLOAD_AT (BUFFERS_AT + RING * BUFFER)
#define CID	   3
#define OWNERS	   6

struct guest_ring {
	struct vring_desc *desc;
	uint16_t *avail, *used;
	uint16_t seen; /* used entries that were looked at */
};

static struct event_loop *loop;
static struct vsock_device *dev;
static uint8_t *memory;
static struct guest_ring rings[2];
static int calls[2];
static int owners[OWNERS];		 /* our ends of owners' sockets */
static struct vsock_dial *dials[OWNERS]; /* under way */
static unsigned accept_next;
static bool refuse;

static void quiet(const char *record, size_t len, void *context)
{
}

static int on_accept(void *context, uint32_t port)
{
	int pair[2], narrow = 4096, i = accept_next++ % OWNERS;

	if (refuse || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -ECONNREFUSED;
	if (port % 2)
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &narrow, sizeof(narrow));
	close_fd(&owners[i]);
	owners[i] = pair[1];
	return pair[0];
}

static void on_dialled(void *owner, int result, int fd)
{
	int i = (int)(intptr_t)owner;

	FUZZ_CHECK(dials[i] && (result < 0) == (fd < 0));
	dials[i] = NULL;
	close_fd(&owners[i]);
	owners[i] = fd;
}

static void set_up_once(void)
{
	char path[64];

	if (loop)
		return;
	log_set_sink(quiet, NULL);
	snprintf(path, sizeof(path), "/tmp/fuzz-packets.%d", (int)getpid());
	loop = event_loop_new();
	dev = vsock_device_new(loop, path, CID, NULL);
	FUZZ_CHECK(dev);
	unlink(path);
	memory = calloc(1, MEMORY);
	for (unsigned i = 0; i < 2; i++)
		calls[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (unsigned i = 0; i < OWNERS; i++)
		owners[i] = -1;
	dev->vhost.guest_cid = CID;
}

/* What QEMU does at a driver's start, without QEMU. */
static void start(uint8_t flags, bool resumed)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vring *ring = &dev->vhost.rings[i].vring;
		uint64_t at = BASE_USER + RINGS_AT + 4096 * i;

		if (!resumed) {
			memset(memory + RINGS_AT + 4096 * i, 0, 4096);
			ring->next = rings[i].seen = 0;
		}
		ring->size = RING;
		ring->event_idx = flags & 1;
		ring->indirect = flags & 2;
		ring->addresses = (struct vring_addresses){
			.desc = at, .avail = at + 16 * RING, .used = at + 16 * RING + 256};
		ring->call_fd = calls[i];
		ring->broken = ring->signalled_valid = false;
		ring->signalled = ring->next;
		FUZZ_CHECK(vring_map(ring, &dev->vhost.memory, NULL) == 0);
		rings[i] = (struct guest_ring){.desc = ring->desc,
			.avail = ring->avail,
			.used = ring->used,
			.seen = rings[i].seen};
	}
	dev->vhost.running = true;
	dev->vhost.ops->started(dev->vhost.owner, resumed);
}

static unsigned unused(const struct guest_ring *ring)
{
	return RING - (uint16_t)(ring->avail[1] - ring->used[1]);
}

static void make_available(struct guest_ring *ring, uint16_t head)
{
	ring->avail[2 + ring->avail[1] % RING] = head;
	__atomic_store_n(&ring->avail[1], ring->avail[1] + 1, __ATOMIC_RELEASE);
}

/* ---- the guest ---- */

static void give_buffers(uint8_t count, uint16_t size)
{
	struct guest_ring *ring = &rings[RING_RECEIVE];

	for (; count > 0 && unused(ring) > 0 && dev->vhost.running; count--) {
		uint16_t i = ring->avail[1] % RING;

		ring->desc[i] = (struct vring_desc){.addr = BUFFERS_AT + i * BUFFER,
			.len = 1 + size % BUFFER,
			.flags = VRING_DESC_F_WRITE};
		make_available(ring, i);
	}
}

/* Looks at what has come: it must be sound whatever we have sent. */
static void look(void)
{
	struct guest_ring *ring = &rings[RING_RECEIVE];

	for (; ring->seen != ring->used[1]; ring->seen++) {
		struct vring_used_elem used;
		struct vsock_packet packet;

		memcpy(&used, (uint8_t *)(ring->used + 2) + 8 * (ring->seen % RING), sizeof(used));
		FUZZ_CHECK(used.id < RING && used.len >= VSOCK_HEADER_SIZE);
		FUZZ_CHECK(used.len <= ring->desc[used.id].len);
		vsock_packet_decode(&packet, memory + BUFFERS_AT + used.id * BUFFER);
		FUZZ_CHECK(packet.from_cid == VSOCK_CID_HOST && packet.to_cid == CID);
		FUZZ_CHECK(packet.len == used.len - VSOCK_HEADER_SIZE);
		FUZZ_CHECK(packet.op >= VSOCK_OP_REQUEST && packet.op <= VSOCK_OP_CREDIT_REQUEST);
		FUZZ_CHECK((packet.op == VSOCK_OP_RW) == (packet.len > 0));
		FUZZ_CHECK(packet.op != VSOCK_OP_SHUTDOWN || (packet.flags & VSOCK_SHUTDOWN_BOTH));
	}
}

static void fill_packet(struct fuzz_input *in, struct vsock_packet *p)
{
	uint8_t kind = fuzz_u8(in), ports = fuzz_u8(in);
	struct vsock_connection *conn;

	*p = (struct vsock_packet){.from_cid = CID,
		.to_cid = VSOCK_CID_HOST,
		.from_port = ports % 4,
		.to_port = ports & 64 ? (1u << 30) + 1 + (ports >> 2) % 16 : (ports >> 2) % 4,
		.type = VSOCK_TYPE_STREAM,
		.op = 1 + kind % 7,
		.flags = kind >> 6,
		.buffer = kind & 8 ? fuzz_u32(in) : 262144};
	conn = vsock_device_find(dev, p->from_port, p->to_port);
	/* Mostly an honest count, sometimes any. */
	p->forwarded = kind & 16 ? fuzz_u32(in) : conn ? conn->credit.sent - (kind & 32) : 0;
	if (p->op == VSOCK_OP_RW)
		p->len = fuzz_u16(in);
	if (ports & 128) {
		uint8_t odd = fuzz_u8(in);

		p->len = odd & 1 ? fuzz_u32(in) : p->len;
		p->type = odd & 2 ? fuzz_u16(in) : p->type;
		p->op = odd & 4 ? fuzz_u16(in) : p->op;
		p->from_cid = odd & 8 ? fuzz_take(in, 8) : p->from_cid;
		p->to_cid = odd & 16 ? fuzz_take(in, 8) : p->to_cid;
		p->flags = odd & 32 ? fuzz_u32(in) : p->flags;
	}
}

/* In one to four descriptors, cut anywhere; `room`: bytes behind the header. */
static void send_packet(struct fuzz_input *in)
{
	struct guest_ring *ring = &rings[RING_TRANSMIT];
	uint8_t layout = fuzz_u8(in);
	struct vsock_packet p;
	size_t left, at = PAYLOAD_AT;
	uint16_t i;

	fill_packet(in, &p);
	if (!dev->vhost.running || unused(ring) < 4)
		return;
	left = layout & 4 ? fuzz_u16(in) : VSOCK_HEADER_SIZE + p.len % 65536;
	if (left == 0)
		left = 1;
	vsock_packet_encode(&p, memory + PAYLOAD_AT);
	/* Descriptors of earlier packets are all used by now: the device takes them at once. */
	i = (ring->avail[1] * 4) % RING;
	for (unsigned piece = 0; piece <= layout % 4; piece++) {
		size_t len = piece == layout % 4 ? left : 1u + fuzz_u8(in) * (layout >> 3);

		if (len >= left)
			len = left;
		left -= len;
		ring->desc[i] = (struct vring_desc){.addr = at,
			.len = len,
			.next = i + 1,
			.flags = left > 0 ? VRING_DESC_F_NEXT : 0};
		at += len;
		i++;
		if (left == 0)
			break;
	}
	make_available(ring, (ring->avail[1] * 4) % RING);
	dev->vhost.ops->kicked(dev->vhost.owner, RING_TRANSMIT);
	event_loop_step(loop, 0);
}

/* ---- the owners ---- */

static void act_as_owner(struct fuzz_input *in)
{
	static char data[65536];
	uint8_t what = fuzz_u8(in);
	int *fd = &owners[(what >> 3) % OWNERS];

	if (*fd < 0)
		return;
	switch (what % 8) {
	case 0:
	case 1:
		if (send(*fd, data, 1 + fuzz_u16(in), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		break;
	case 2:
	case 3:
	case 4:
		if (recv(*fd, data, 1 + fuzz_u16(in), MSG_DONTWAIT) < 0)
			break;
		break;
	case 5:
		shutdown(*fd, SHUT_WR);
		break;
	case 6:
		shutdown(*fd, SHUT_RD);
		break;
	case 7:
		close_fd(fd);
		break;
	}
}

static void dial(struct fuzz_input *in)
{
	uint8_t what = fuzz_u8(in);
	int i = (what >> 2) % OWNERS;

	if (what & 128) {
		vsock_dial_cancel(dials[i]);
		dials[i] = NULL;
	} else if (!dials[i]) {
		vsock_device_dial(
			dev, what % 4, 60000, on_dialled, (void *)(intptr_t)i, &dials[i], NULL);
	}
}

/* Time passes: the n-th connection's timers, as the loop would fire them. */
static void fire_timers(unsigned n)
{
	list_for_each_safe (node, &dev->all) {
		struct vsock_connection *conn = list_entry(node, struct vsock_connection, all_node);
		struct event_timer *timers[] = {&conn->deadline, &conn->stall};
		struct event_timer *timer = timers[n & 1];

		if (n >> 1 > 0) {
			n -= 2;
			continue;
		}
		if (event_timer_running(timer)) {
			event_timer_stop(timer);
			timer->callback(timer);
		}
		return;
	}
	if (event_timer_running(&dev->slow)) {
		event_timer_stop(&dev->slow);
		dev->slow.callback(&dev->slow);
	}
}

static void stop(void)
{
	if (!dev->vhost.running)
		return;
	dev->vhost.ops->stopping(dev->vhost.owner);
	dev->vhost.running = false;
}

static void operation(struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);

	switch (op % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		send_packet(in);
		break;
	case 5:
	case 6:
		give_buffers(op >> 4, fuzz_u16(in));
		break;
	case 7:
	case 8:
	case 9:
		act_as_owner(in);
		break;
	case 10:
		dial(in);
		break;
	case 11:
		fire_timers(op >> 4);
		break;
	case 12:
		if (op & 64)
			stop();
		else if (!dev->vhost.running && !rings[0].avail)
			start(op >> 4, false);
		else if (!dev->vhost.running)
			start(op >> 4, op & 128);
		break;
	case 13:
		if (op & 128)
			vsock_device_reset(dev);
		else
			refuse = op & 64;
		break;
	default:
		event_loop_step(loop, 0);
		break;
	}
}

/* The device's own accounts must agree with each other at any time. */
static void check_accounts(void)
{
	unsigned count = 0, by_guest = 0;
	size_t backlog = 0;

	list_for_each (node, &dev->all) {
		struct vsock_connection *conn = list_entry(node, struct vsock_connection, all_node);

		count++;
		by_guest += conn->by_guest;
		backlog += conn->backlog_size;
		FUZZ_CHECK(conn->backlog_len <= conn->backlog_size);
		FUZZ_CHECK(conn->backlog_size <= VSOCK_WINDOW);
		FUZZ_CHECK(conn->credit.packets <= VSOCK_PACKETS_MAX);
		FUZZ_CHECK(conn->credit.received - conn->credit.forwarded <= VSOCK_WINDOW);
	}
	FUZZ_CHECK(count == dev->connections && by_guest == dev->guest_dials);
	FUZZ_CHECK(backlog == dev->backlog && backlog <= VSOCK_BACKLOG_TOTAL_MAX);
	FUZZ_CHECK(dev->reset_count <= VSOCK_UNKNOWN_RESETS);
}

static int lowest_free_fd(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd;
}

static void leave(void)
{
	stop();
	dev->vhost.ops->gone(dev->vhost.owner);
	for (unsigned i = 0; i < OWNERS; i++)
		close_fd(&owners[i]);
	for (int i = 0; i < 8 && (dev->connections > 0 || i < 2); i++)
		event_loop_step(loop, 0);
	for (unsigned i = 0; i < OWNERS; i++)
		FUZZ_CHECK(!dials[i]); /* each was told */
	FUZZ_CHECK(dev->connections == 0 && dev->guest_dials == 0 && dev->backlog == 0);
	FUZZ_CHECK(list_empty(&dev->all) && list_empty(&dev->queue) && list_empty(&dev->dials));
	event_timer_stop(&dev->slow);
	dev->reset_count = 0;
	dev->next_port = 1u << 30;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	int before;

	set_up_once();
	before = lowest_free_fd();
	accept_next = 0;
	refuse = false;
	dev->vhost.memory = (struct guest_memory){.count = 1,
		.regions = {{.spec = {.size = MEMORY, .user_addr = BASE_USER}, .map = memory}}};
	vsock_device_set_accept(dev, on_accept, NULL);
	start(fuzz_u8(&in), false);
	give_buffers(fuzz_u8(&in) % (RING + 1), 4095);
	for (unsigned n = 0; in.left > 0; n++) {
		operation(&in);
		look();
		if (n % 8 == 0)
			check_accounts();
	}
	check_accounts();
	leave();
	dev->vhost.memory.count = 0; /* not to be unmapped */
	FUZZ_CHECK(lowest_free_fd() == before);
	return 0;
}
