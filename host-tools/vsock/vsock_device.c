/*
 * vsock_device: see the header. One deferred task (`work`) does everything between rings and
 * connections, so that callbacks only note what has happened: packets from the guest first, then
 * packets to the guest, then interrupts. It defers itself again while there is more to do.
 */
#include "vsock/vsock_device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "base/socket.h"
#include "vsock/vhost_user.h"
#include "vsock/vsock_connection.h"
#include "vsock/vsock_packet.h"

#define CONNECTIONS_MAX	 4096
#define BUCKETS		 1024
#define UNKNOWN_RESETS	 64  /* RST owed for packets of unknown connections */
#define TRANSMIT_BUDGET	 256 /* packets from the guest a pass */
#define RECEIVE_BUDGET	 32  /* turns to the guest a pass */
#define BUFFERS_PER_TURN 16  /* one read fills this many receive buffers (4 KiB each in Linux) */
#define SLOW_LOOK_MS	 500 /* insurance against lost notifications (QEMU before 8.1) */
#define FIRST_HOST_PORT	 (1U << 30)

struct unknown_reset {
	uint32_t guest_port, host_port;
	uint16_t type;
};

/* A dial under way, from vsock_device_dial() until done was called or it was cancelled. */
struct device_dial {
	struct vsock_dial base;
	struct vsock_device *dev;
	struct list_node node;
	struct vsock_connection *conn; /* NULL once it is decided */
	struct event_task task;	       /* tells the owner with a clean stack */
	vsock_dial_fn done;
	void *owner;
	int result, fd;
};

struct vsock_device {
	struct event_loop *loop;
	struct vhost_user vhost;
	struct vsock_device_events events;
	vsock_accept_fn accept;
	void *accept_context;
	struct event_task work, news;
	bool news_ready, news_gone;
	bool had_driver; /* this QEMU's driver was up once */
	bool unsettled;	 /* transmit completions the guest was not interrupted for */
	struct event_timer slow;
	struct list_node buckets[BUCKETS];
	struct list_node all, queue, dials; /* connections; those that want to send; dials */
	unsigned connections;
	uint32_t next_port;
	struct unknown_reset resets[UNKNOWN_RESETS];
	unsigned reset_count;
	struct vsock_device_stats stats;
	struct vring_chain chains[BUFFERS_PER_TURN];
};

static void on_work(struct event_task *task);

static void schedule(struct vsock_device *dev)
{
	event_task_defer(dev->loop, &dev->work, on_work);
}

static struct vring *receive_ring(struct vsock_device *dev)
{
	return &dev->vhost.rings[RING_RECEIVE].vring;
}

static struct vring *transmit_ring(struct vsock_device *dev)
{
	return &dev->vhost.rings[RING_TRANSMIT].vring;
}

/* ---- connections
 * --------------------------------------------------------------------------------- */

static struct list_node *bucket(struct vsock_device *dev, uint32_t guest_port, uint32_t host_port)
{
	uint32_t hash = (guest_port * 2654435761u) ^ (host_port * 2246822519u);

	return &dev->buckets[(hash >> 16) % BUCKETS];
}

static struct vsock_connection *find(
	struct vsock_device *dev, uint32_t guest_port, uint32_t host_port)
{
	list_for_each (node, bucket(dev, guest_port, host_port)) {
		struct vsock_connection *conn = list_entry(node, struct vsock_connection, key_node);

		if (conn->guest_port == guest_port && conn->host_port == host_port)
			return conn;
	}
	return NULL;
}

static void on_slow(struct event_timer *timer)
{
	struct vsock_device *dev = container_of(timer, struct vsock_device, slow);

	if (dev->vhost.running) {
		vring_interrupt(receive_ring(dev), true);
		vring_interrupt(transmit_ring(dev), true);
	}
	schedule(dev);
	if (dev->connections > 0)
		event_timer_start(dev->loop, timer, SLOW_LOOK_MS, on_slow, "vsock slow look");
}

static void add(struct vsock_device *dev, struct vsock_connection *conn)
{
	list_append(bucket(dev, conn->guest_port, conn->host_port), &conn->key_node);
	list_append(&dev->all, &conn->all_node);
	list_append(&dev->queue, &conn->queue_node);
	dev->connections++;
	if (!event_timer_running(&dev->slow))
		event_timer_start(dev->loop, &dev->slow, SLOW_LOOK_MS, on_slow, "vsock slow look");
	schedule(dev);
}

static void drop(struct vsock_device *dev, struct vsock_connection *conn)
{
	list_remove(&conn->key_node);
	list_remove(&conn->queue_node);
	dev->connections--;
	vsock_connection_free(conn);
}

/* Queued also when it has ended: the next pass frees it, no caller's stack is on it then. */
static void on_changed(struct vsock_connection *conn)
{
	struct vsock_device *dev = conn->device;

	if (!vsock_connection_has_key(conn))
		list_remove(&conn->key_node);
	if (list_empty(&conn->queue_node))
		list_append(&dev->queue, &conn->queue_node);
	schedule(dev);
}

/* ---- dials
 * --------------------------------------------------------------------------------------- */

static void on_dial_done(struct event_task *task)
{
	struct device_dial *dial = container_of(task, struct device_dial, task);
	vsock_dial_fn done = dial->done;
	void *owner = dial->owner;
	int result = dial->result, fd = dial->fd;

	list_remove(&dial->node);
	free(dial);
	done(owner, result, fd);
}

static int on_dialled(struct vsock_connection *conn, int result)
{
	struct device_dial *dial = conn->dial;
	int pair[2] = {-1, -1};

	if (!dial) /* given up */
		return -ECANCELED;
	if (result == 0 &&
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		result = -errno;
	dial->conn = NULL;
	dial->result = result;
	dial->fd = pair[1];
	event_task_defer(dial->dev->loop, &dial->task, on_dial_done);
	return result < 0 ? result : pair[0];
}

static void cancel_dial(struct vsock_dial *base)
{
	struct device_dial *dial = container_of(base, struct device_dial, base);
	struct vsock_connection *conn = dial->conn;

	event_task_cancel(&dial->task);
	list_remove(&dial->node);
	close_fd(&dial->fd);
	free(dial);
	if (!conn)
		return;
	conn->dial = NULL;
	vsock_connection_event(conn, VSOCK_EV_CANCEL);
}

static const struct vsock_connection_ops connection_ops = {
	.changed = on_changed, .dialled = on_dialled};

/* Counts up, so that a port is not used again while the guest may still remember it. */
static uint32_t free_port(struct vsock_device *dev, uint32_t guest_port)
{
	do {
		if (dev->next_port < FIRST_HOST_PORT || dev->next_port == UINT32_MAX)
			dev->next_port = FIRST_HOST_PORT;
		dev->next_port++;
	} while (find(dev, guest_port, dev->next_port));
	return dev->next_port;
}

int vsock_device_dial(struct vsock_device *dev, uint32_t port, uint64_t timeout_ms,
	vsock_dial_fn done, void *owner, struct vsock_dial **ret, struct error *err)
{
	struct device_dial *dial;

	if (!dev->vhost.running)
		return error_set(err, STATUS_UNAVAILABLE,
			dev->had_driver && !vhost_user_connected(&dev->vhost) ? ENOTCONN : EAGAIN,
			"dial guest port %u: %s", port,
			vhost_user_connected(&dev->vhost) ? "its vsock driver is not up"
							  : "no QEMU is connected");
	if (dev->connections >= CONNECTIONS_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, EMFILE,
			"dial guest port %u: %u connections", port, dev->connections);
	dial = calloc(1, sizeof(*dial));
	if (!dial)
		return error_errno(err, ENOMEM, "dial guest port %u", port);
	dial->conn = vsock_connection_dial(dev->loop, &connection_ops, dev, port,
		free_port(dev, port), timeout_ms ? timeout_ms : VSOCK_DIAL_TIMEOUT_MS);
	if (!dial->conn) {
		free(dial);
		return error_errno(err, ENOMEM, "dial guest port %u", port);
	}
	dial->conn->dial = dial;
	dial->base.cancel = cancel_dial;
	dial->dev = dev;
	dial->done = done;
	dial->owner = owner;
	dial->fd = -1;
	list_append(&dev->dials, &dial->node);
	add(dev, dial->conn);
	if (ret)
		*ret = &dial->base;
	return 0;
}

static int dialer_dial(void *context, uint32_t port, uint64_t timeout_ms, vsock_dial_fn done,
	void *owner, struct vsock_dial **ret, struct error *err)
{
	return vsock_device_dial(context, port, timeout_ms, done, owner, ret, err);
}

struct vsock_dialer vsock_device_dialer(struct vsock_device *dev)
{
	return (struct vsock_dialer){.dial = dialer_dial, .context = dev};
}

/* ---- packets from the guest
 * ---------------------------------------------------------------------- */

static void owe_reset(struct vsock_device *dev, const struct vsock_packet *packet)
{
	if (packet->op == VSOCK_OP_RST)
		return;
	dev->resets[dev->reset_count++] = (struct unknown_reset){.guest_port = packet->from_port,
		.host_port = packet->to_port,
		.type = packet->type};
}

/* The guest dials: its owner is whoever the policy names. */
static void guest_dials(struct vsock_device *dev, const struct vsock_packet *packet)
{
	struct vsock_connection *conn = NULL;
	int fd = -ECONNREFUSED;

	if (packet->len == 0 && dev->accept && dev->connections < CONNECTIONS_MAX)
		fd = dev->accept(dev->accept_context, packet->to_port);
	if (fd >= 0)
		conn = vsock_connection_accept(dev->loop, &connection_ops, dev, packet, fd);
	if (conn)
		add(dev, conn);
	else
		owe_reset(dev, packet);
}

static void packet_from_guest(struct vsock_device *dev, const struct vring_chain *chain)
{
	struct iovec payload[VRING_IOVECS_MAX];
	uint8_t bytes[VSOCK_HEADER_SIZE];
	struct vsock_connection *conn;
	struct vsock_packet packet;
	unsigned count;

	dev->stats.packets_from_guest++;
	if (iov_copy_out(chain->iov, chain->count, 0, bytes, sizeof(bytes)) < sizeof(bytes))
		return; /* not even a header: nobody to answer */
	vsock_packet_decode(&packet, bytes);
	if (packet.from_cid != dev->vhost.guest_cid || packet.to_cid != VSOCK_CID_HOST)
		return;
	conn = packet.type == VSOCK_TYPE_STREAM ? find(dev, packet.from_port, packet.to_port)
						: NULL;
	if (!conn) {
		if (packet.type == VSOCK_TYPE_STREAM && packet.op == VSOCK_OP_REQUEST)
			guest_dials(dev, &packet);
		else
			owe_reset(dev, &packet);
		return;
	}
	count = iov_slice(chain->iov, chain->count, VSOCK_HEADER_SIZE, chain->total, payload,
		VRING_IOVECS_MAX);
	if (packet.op == VSOCK_OP_RW)
		dev->stats.bytes_from_guest += packet.len;
	vsock_connection_receive(conn, &packet, payload, count, chain->total - VSOCK_HEADER_SIZE);
}

/* True when there is more to take. */
static bool take_from_guest(struct vsock_device *dev, unsigned budget)
{
	struct vring *ring = transmit_ring(dev);
	struct vring_chain *chain = &dev->chains[0];
	unsigned taken = 0;

	while (taken < budget && dev->reset_count < UNKNOWN_RESETS) {
		if (vring_peek(ring, 0, chain) < 0)
			break;
		packet_from_guest(dev, chain);
		vring_push(ring, chain->head, 0);
		taken++;
	}
	if (taken > 0)
		dev->unsettled = true;
	return taken == budget;
}

/* ---- packets to the guest
 * ------------------------------------------------------------------------ */

static void write_header(
	struct vsock_device *dev, const struct vring_chain *chain, struct vsock_packet *packet)
{
	uint8_t bytes[VSOCK_HEADER_SIZE];

	packet->from_cid = VSOCK_CID_HOST;
	packet->to_cid = dev->vhost.guest_cid;
	vsock_packet_encode(packet, bytes);
	iov_copy_in(chain->iov, chain->count, 0, bytes, sizeof(bytes));
	vring_push(receive_ring(dev), chain->head, VSOCK_HEADER_SIZE + packet->len);
	dev->stats.packets_to_guest++;
	dev->stats.bytes_to_guest += packet->len;
}

/* Looks at the next receive buffers without taking them; a buffer must have room for a byte. */
static unsigned look_at_buffers(struct vsock_device *dev, unsigned wanted)
{
	struct vring *ring = receive_ring(dev);
	unsigned n;

	for (n = 0; n < wanted; n++) {
		if (vring_peek(ring, n, &dev->chains[n]) < 0)
			break;
		if (dev->chains[n].total <= VSOCK_HEADER_SIZE) {
			ring->broken = true;
			break;
		}
	}
	return ring->broken ? 0 : n;
}

static bool send_control(struct vsock_device *dev, struct vsock_connection *conn, enum vsock_op op)
{
	struct vsock_packet packet;

	if (look_at_buffers(dev, 1) == 0)
		return false;
	vsock_connection_send(conn, op, 0, &packet);
	write_header(dev, &dev->chains[0], &packet);
	return true;
}

/* One read fills up to 16 buffers behind their headers; the headers are written afterwards. */
static bool send_data(struct vsock_device *dev, struct vsock_connection *conn)
{
	struct iovec iov[BUFFERS_PER_TURN * 4];
	unsigned packets = vsock_credit_packets(&conn->credit), buffers, used = 0, count = 0;
	size_t left = vsock_connection_turn(conn), room[BUFFERS_PER_TURN];
	ssize_t n;

	buffers = look_at_buffers(dev, packets < BUFFERS_PER_TURN ? packets : BUFFERS_PER_TURN);
	if (buffers == 0)
		return false;
	while (used < buffers && left > 0 && count < ARRAY_SIZE(iov)) {
		const struct vring_chain *chain = &dev->chains[used];
		unsigned first = count;

		room[used] = chain->total - VSOCK_HEADER_SIZE;
		if (room[used] > left)
			room[used] = left;
		count += iov_slice(chain->iov, chain->count, VSOCK_HEADER_SIZE, room[used],
			iov + count, ARRAY_SIZE(iov) - count);
		room[used] = 0;
		for (; first < count; first++)
			room[used] += iov[first].iov_len;
		left -= room[used++];
	}
	n = vsock_connection_read(conn, iov, count);
	for (unsigned i = 0; i < used && n > 0; i++) {
		struct vsock_packet packet;
		size_t len = (size_t)n < room[i] ? (size_t)n : room[i];

		vsock_connection_send(conn, VSOCK_OP_RW, len, &packet);
		write_header(dev, &dev->chains[i], &packet);
		n -= len;
	}
	return true;
}

/* True when all that were owed are sent. */
static bool send_unknown_resets(struct vsock_device *dev)
{
	unsigned sent = 0;

	while (sent < dev->reset_count && look_at_buffers(dev, 1) > 0) {
		struct vsock_packet packet = {.from_port = dev->resets[sent].host_port,
			.to_port = dev->resets[sent].guest_port,
			.type = dev->resets[sent].type,
			.op = VSOCK_OP_RST};

		write_header(dev, &dev->chains[0], &packet);
		sent++;
	}
	dev->reset_count -= sent;
	memmove(dev->resets, dev->resets + sent, dev->reset_count * sizeof(dev->resets[0]));
	return dev->reset_count == 0;
}

/* No buffers: everybody who waits for one parks its owner's descriptor. */
static void watch_all(struct vsock_device *dev)
{
	list_for_each (node, &dev->queue)
		vsock_connection_watch(list_entry(node, struct vsock_connection, queue_node));
}

/* Takes out those that have ended; while no ring runs nothing else leaves the queue. */
static void sweep(struct vsock_device *dev)
{
	list_for_each_safe (node, &dev->queue) {
		struct vsock_connection *conn =
			list_entry(node, struct vsock_connection, queue_node);

		if (vsock_connection_finished(conn))
			drop(dev, conn);
		else
			vsock_connection_watch(conn);
	}
}

enum turn { TURN_MORE, TURN_IDLE, TURN_NO_BUFFER };

/* One turn of the connection that waits longest. */
static enum turn send_turn(struct vsock_device *dev)
{
	struct vsock_connection *conn;
	enum vsock_op op;
	bool sent;

	if (list_empty(&dev->queue))
		return TURN_IDLE;
	conn = list_entry(dev->queue.next, struct vsock_connection, queue_node);
	if (vsock_connection_finished(conn)) {
		drop(dev, conn);
		return TURN_MORE;
	}
	op = vsock_connection_next(conn);
	if (op == VSOCK_OP_NONE) {
		list_remove(&conn->queue_node);
		vsock_connection_watch(conn);
		return TURN_MORE;
	}
	sent = op == VSOCK_OP_RW ? send_data(dev, conn) : send_control(dev, conn, op);
	if (!sent)
		return TURN_NO_BUFFER;
	list_remove(&conn->queue_node);
	list_append(&dev->queue, &conn->queue_node);
	return TURN_MORE;
}

/* True when there is more to do now. */
static bool send_to_guest(struct vsock_device *dev)
{
	enum turn turn = TURN_MORE;
	bool waiting;

	if (!send_unknown_resets(dev))
		turn = TURN_NO_BUFFER;
	for (unsigned i = 0; i < RECEIVE_BUDGET && turn == TURN_MORE; i++)
		turn = send_turn(dev);
	waiting = turn == TURN_NO_BUFFER;
	if (waiting)
		watch_all(dev);
	/* Kicks on this ring only while something waits for a buffer. */
	return vring_want_kicks(receive_ring(dev), waiting) || turn == TURN_MORE;
}

/* ---- the pass
 * ------------------------------------------------------------------------------------ */

static void end_all(struct vsock_device *dev)
{
	list_for_each_safe (node, &dev->all)
		vsock_connection_event(
			list_entry(node, struct vsock_connection, all_node), VSOCK_EV_NO_DEVICE);
	dev->reset_count = 0;
}

/* A ring that said something impossible: this driver gets nothing more until it starts again. */
static void break_device(struct vsock_device *dev)
{
	log_record(LOG_ERROR, "vsock",
		"the guest broke its vsock ring; the device stops until reset", NULL);
	dev->vhost.running = false;
	for (unsigned i = 0; i < RING_COUNT; i++)
		dev->vhost.rings[i].stopped_once = false; /* nothing to resume */
	end_all(dev);
}

static void pass(struct vsock_device *dev)
{
	struct vring *transmit = transmit_ring(dev);
	bool was_unsettled = dev->unsettled, more;

	more = take_from_guest(dev, TRANSMIT_BUDGET);
	more = send_to_guest(dev) || more;
	vring_interrupt(receive_ring(dev), false);
	/*
	 * Completions wait for one more look at the ring, a zero-timeout poll later: fewer
	 * interrupts for a guest that sends in small pieces. Not longer: it frees sockets on them.
	 */
	if (was_unsettled) {
		vring_interrupt(transmit, false);
		dev->unsettled = false;
	}
	if (dev->reset_count < UNKNOWN_RESETS && vring_want_kicks(transmit, true))
		more = true;
	if (more || dev->unsettled)
		schedule(dev);
	if (transmit->broken || receive_ring(dev)->broken)
		break_device(dev);
}

static void on_work(struct event_task *task)
{
	struct vsock_device *dev = container_of(task, struct vsock_device, work);

	if (dev->vhost.running)
		pass(dev);
	else
		sweep(dev);
}

/* ---- the back end's calls
 * ------------------------------------------------------------------------ */

static void on_news(struct event_task *task)
{
	struct vsock_device *dev = container_of(task, struct vsock_device, news);
	struct vsock_device_events events = dev->events;
	void (*tell)(void *owner) = NULL;

	/* One at a time: the owner may free the device in it. */
	if (dev->news_gone) {
		dev->news_gone = false;
		tell = events.gone;
		if (dev->news_ready)
			event_task_defer(dev->loop, task, on_news);
	} else if (dev->news_ready) {
		dev->news_ready = false;
		tell = events.ready;
	}
	if (tell)
		tell(events.owner);
}

static void on_started(void *owner, bool resumed)
{
	struct vsock_device *dev = owner;

	if (!resumed) {
		end_all(dev);
		dev->news_ready = true;
		event_task_defer(dev->loop, &dev->news, on_news);
	}
	dev->had_driver = true;
	dev->unsettled = false;
	schedule(dev);
}

/* What the guest has sent before it stops still counts, but no answers can be given. */
static void on_stopping(void *owner)
{
	struct vsock_device *dev = owner;

	take_from_guest(dev, VRING_SIZE_MAX);
	vring_interrupt(transmit_ring(dev), false);
}

static void on_reset(void *owner)
{
	vsock_device_reset(owner);
}

static void on_kicked(void *owner, unsigned ring)
{
	struct vsock_device *dev = owner;

	dev->stats.kicks++;
	schedule(dev);
}

static void on_gone(void *owner)
{
	struct vsock_device *dev = owner;

	end_all(dev);
	dev->news_ready = false;
	dev->news_gone = true;
	event_task_defer(dev->loop, &dev->news, on_news);
}

static const struct vhost_user_ops vhost_ops = {
	.started = on_started,
	.stopping = on_stopping,
	.reset = on_reset,
	.kicked = on_kicked,
	.gone = on_gone,
};

/* ---- the owner's calls
 * --------------------------------------------------------------------------- */

struct vsock_device *vsock_device_new(
	struct event_loop *loop, const char *socket_path, uint64_t guest_cid, struct error *err)
{
	struct vsock_device *dev;

	if (guest_cid <= VSOCK_CID_HOST || guest_cid >= UINT32_MAX) {
		error_invalid(err, "guest CID %llu", (unsigned long long)guest_cid);
		return NULL;
	}
	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		error_errno(err, ENOMEM, "make the vsock device");
		return NULL;
	}
	dev->loop = loop;
	for (unsigned i = 0; i < BUCKETS; i++)
		list_init(&dev->buckets[i]);
	list_init(&dev->all);
	list_init(&dev->queue);
	list_init(&dev->dials);
	dev->next_port = FIRST_HOST_PORT;
	if (vhost_user_init(&dev->vhost, loop, socket_path, guest_cid, &vhost_ops, dev, err) < 0) {
		free(dev);
		return NULL;
	}
	return dev;
}

void vsock_device_free(struct vsock_device *dev)
{
	if (!dev)
		return;
	list_for_each_safe (node, &dev->dials)
		cancel_dial(&list_entry(node, struct device_dial, node)->base);
	list_for_each_safe (node, &dev->all)
		drop(dev, list_entry(node, struct vsock_connection, all_node));
	vhost_user_release(&dev->vhost);
	event_timer_stop(&dev->slow);
	event_task_cancel(&dev->work);
	event_task_cancel(&dev->news);
	free(dev);
}

void vsock_device_set_events(struct vsock_device *dev, const struct vsock_device_events *events)
{
	dev->events = *events;
}

bool vsock_device_ready(const struct vsock_device *dev)
{
	return dev->vhost.running;
}

bool vsock_device_connected(const struct vsock_device *dev)
{
	return vhost_user_connected(&dev->vhost);
}

void vsock_device_set_accept(struct vsock_device *dev, vsock_accept_fn accept, void *context)
{
	dev->accept = accept;
	dev->accept_context = context;
}

void vsock_device_reset(struct vsock_device *dev)
{
	end_all(dev);
}

void vsock_device_get_stats(const struct vsock_device *dev, struct vsock_device_stats *ret)
{
	*ret = dev->stats;
	ret->connections = dev->connections;
	ret->interrupts = dev->vhost.rings[RING_RECEIVE].vring.interrupts +
			  dev->vhost.rings[RING_TRANSMIT].vring.interrupts;
}
