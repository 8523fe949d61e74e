/*
 * vsock_device_internal: what the two halves of the device share. vsock_device.c: the owner's
 * calls, dials, the table of connections, the back end's calls. vsock_traffic.c: packets between
 * rings and connections. Nobody else includes this.
 */
#ifndef VSOCK_VSOCK_DEVICE_INTERNAL_H
#define VSOCK_VSOCK_DEVICE_INTERNAL_H

#include "base/event_loop.h"
#include "base/list.h"
#include "vsock/vhost_user.h"
#include "vsock/vsock_connection.h"
#include "vsock/vsock_device.h"

#include <stdbool.h>
#include <stdint.h>

#define VSOCK_BUCKETS	       1024
#define VSOCK_UNKNOWN_RESETS   64 /* RST owed for packets of unknown connections */
#define VSOCK_BUFFERS_PER_TURN 16 /* one read fills so many receive buffers (Linux: 4 KiB) */

struct unknown_reset {
	uint32_t guest_port, host_port;
	uint16_t type;
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
	struct list_node buckets[VSOCK_BUCKETS];
	struct list_node all, queue, dials; /* connections; those that want to send; dials */
	unsigned connections, guest_dials;
	size_t backlog;	   /* bytes kept for slow owners, all connections */
	bool backlog_told; /* the log knows that it was full */
	uint32_t next_port;
	struct unknown_reset resets[VSOCK_UNKNOWN_RESETS];
	unsigned reset_count;
	struct vsock_device_stats stats;
	struct vring_chain chains[VSOCK_BUFFERS_PER_TURN];
};

/* vsock_device.c */
struct vsock_connection *vsock_device_find(
	struct vsock_device *dev, uint32_t guest_port, uint32_t host_port);
/* Asks the accept policy; a connection, or NULL when the guest is refused. */
struct vsock_connection *vsock_device_accept(
	struct vsock_device *dev, const struct vsock_packet *request);
void vsock_device_drop(struct vsock_device *dev, struct vsock_connection *conn); /* frees it */
void vsock_device_schedule(struct vsock_device *dev);				 /* a pass, soon */
/* The guest broke a ring: nothing more until its driver starts again. */
void vsock_device_break(struct vsock_device *dev);

/* vsock_traffic.c */
/* One pass over both rings; schedules itself while there is more to do. */
void vsock_traffic_pass(struct vsock_device *dev);
/* The rings do not run: only lets go of what has ended. */
void vsock_traffic_sweep(struct vsock_device *dev);
/* The rings are about to stop: takes what the guest has sent. */
void vsock_traffic_last(struct vsock_device *dev);

static inline struct vring *receive_ring(struct vsock_device *dev)
{
	return &dev->vhost.rings[RING_RECEIVE].vring;
}

static inline struct vring *transmit_ring(struct vsock_device *dev)
{
	return &dev->vhost.rings[RING_TRANSMIT].vring;
}

#endif
