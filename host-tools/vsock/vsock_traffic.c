/*
 * vsock_traffic: packets between the two rings and the connections of a vsock_device. A pass takes
 * packets from the guest first, then sends packets to the guest, then interrupts it; each part has
 * a budget, and a pass that ends at one schedules the next.
 */
#include "vsock/vsock_device_internal.h"

#include <string.h>

#include "base/cleanup.h"
#include "vsock/vsock_packet.h"

#define TRANSMIT_BUDGET 256 /* packets from the guest a pass */
#define RECEIVE_BUDGET	32  /* turns to the guest a pass */

/* ---- packets from the guest ---- */

static void owe_reset(struct vsock_device *dev, const struct vsock_packet *packet)
{
	if (packet->op == VSOCK_OP_RST)
		return;
	dev->resets[dev->reset_count++] = (struct unknown_reset){.guest_port = packet->from_port,
		.host_port = packet->to_port,
		.type = packet->type};
}

static void guest_dials(struct vsock_device *dev, const struct vsock_packet *packet)
{
	if (packet->len > 0 || !vsock_device_accept(dev, packet))
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
	conn = packet.type == VSOCK_TYPE_STREAM
		       ? vsock_device_find(dev, packet.from_port, packet.to_port)
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

	while (taken < budget && dev->reset_count < VSOCK_UNKNOWN_RESETS) {
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

/* ---- packets to the guest ---- */

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
	struct iovec iov[VSOCK_BUFFERS_PER_TURN * 4];
	unsigned packets = vsock_credit_packets(&conn->credit), buffers, used = 0, count = 0;
	size_t left = vsock_connection_turn(conn), room[VSOCK_BUFFERS_PER_TURN];
	ssize_t n;

	buffers = look_at_buffers(
		dev, packets < VSOCK_BUFFERS_PER_TURN ? packets : VSOCK_BUFFERS_PER_TURN);
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

/* Takes out those that have ended; while no ring runs nothing else leaves the queue. */
void vsock_traffic_sweep(struct vsock_device *dev)
{
	list_for_each_safe (node, &dev->queue) {
		struct vsock_connection *conn =
			list_entry(node, struct vsock_connection, queue_node);

		if (vsock_connection_finished(conn))
			vsock_device_drop(dev, conn);
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
		vsock_device_drop(dev, conn);
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
	/* Kicks on this ring only while something waits for a buffer. */
	return vring_want_kicks(receive_ring(dev), waiting) || turn == TURN_MORE;
}

/* ---- the pass ---- */

void vsock_traffic_pass(struct vsock_device *dev)
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
	if (dev->reset_count < VSOCK_UNKNOWN_RESETS && vring_want_kicks(transmit, true))
		more = true;
	if (more || dev->unsettled)
		vsock_device_schedule(dev);
	if (transmit->broken || receive_ring(dev)->broken)
		vsock_device_break(dev);
}

void vsock_traffic_last(struct vsock_device *dev)
{
	take_from_guest(dev, VRING_SIZE_MAX);
	vring_interrupt(transmit_ring(dev), false);
}
