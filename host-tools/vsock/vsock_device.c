/*
 * vsock_device: see the header. Callbacks only note what has happened; one deferred task (`work`)
 * then does everything between rings and connections (vsock_traffic.c).
 */
#include "vsock/vsock_device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "vsock/vsock_device_internal.h"

#define SLOW_LOOK_MS	500 /* insurance against lost notifications (QEMU before 8.1) */
#define FIRST_HOST_PORT (1U << 30)

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

static void on_work(struct event_task *task)
{
	struct vsock_device *dev = container_of(task, struct vsock_device, work);

	if (dev->vhost.running)
		vsock_traffic_pass(dev);
	else
		vsock_traffic_sweep(dev);
}

void vsock_device_schedule(struct vsock_device *dev)
{
	event_task_defer(dev->loop, &dev->work, on_work);
}

/* ---- connections ---- */

static struct list_node *bucket(struct vsock_device *dev, uint32_t guest_port, uint32_t host_port)
{
	uint32_t hash = (guest_port * 2654435761u) ^ (host_port * 2246822519u);

	return &dev->buckets[(hash >> 16) % VSOCK_BUCKETS];
}

struct vsock_connection *vsock_device_find(
	struct vsock_device *dev, uint32_t guest_port, uint32_t host_port)
{
	list_for_each (node, bucket(dev, guest_port, host_port)) {
		struct vsock_connection *conn = list_entry(node, struct vsock_connection, key_node);

		if (conn->guest_port == guest_port && conn->host_port == host_port)
			return conn;
	}
	return NULL;
}

static void watch_slowly(struct vsock_device *dev);

static void on_slow(struct event_timer *timer)
{
	struct vsock_device *dev = container_of(timer, struct vsock_device, slow);

	if (dev->vhost.running) {
		vring_interrupt(receive_ring(dev), true);
		vring_interrupt(transmit_ring(dev), true);
	}
	vsock_device_schedule(dev);
	watch_slowly(dev);
}

/* While something may come that a lost notification would hide: connections, or the guest's dials.
 */
static void watch_slowly(struct vsock_device *dev)
{
	if (event_timer_running(&dev->slow))
		return;
	if (dev->connections > 0 || (dev->accept && dev->vhost.running))
		event_timer_start(dev->loop, &dev->slow, SLOW_LOOK_MS, on_slow, "vsock slow look");
}

static void add(struct vsock_device *dev, struct vsock_connection *conn)
{
	list_append(bucket(dev, conn->guest_port, conn->host_port), &conn->key_node);
	list_append(&dev->all, &conn->all_node);
	list_append(&dev->queue, &conn->queue_node);
	dev->connections++;
	watch_slowly(dev);
	vsock_device_schedule(dev);
}

void vsock_device_drop(struct vsock_device *dev, struct vsock_connection *conn)
{
	list_remove(&conn->key_node);
	list_remove(&conn->queue_node);
	dev->connections--;
	dev->guest_dials -= conn->by_guest;
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
	vsock_device_schedule(dev);
}

static void end_all(struct vsock_device *dev)
{
	list_for_each_safe (node, &dev->all)
		vsock_connection_event(
			list_entry(node, struct vsock_connection, all_node), VSOCK_EV_NO_DEVICE);
	dev->reset_count = 0;
}

/* A ring that said something impossible: this driver gets nothing more until it starts again. */
void vsock_device_break(struct vsock_device *dev)
{
	vsock_log_say(&dev->vhost.log, LOG_ERROR,
		"the guest broke its vsock ring; the device stops until reset");
	dev->vhost.running = false;
	for (unsigned i = 0; i < RING_COUNT; i++)
		dev->vhost.rings[i].stopped_once = false; /* nothing to resume */
	end_all(dev);
}

/* ---- dials ---- */

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

static bool on_account(struct vsock_connection *conn, ssize_t bytes)
{
	struct vsock_device *dev = conn->device;

	if (bytes > 0 && (size_t)bytes > VSOCK_BACKLOG_TOTAL_MAX - dev->backlog) {
		if (!dev->backlog_told)
			vsock_log_say(&dev->vhost.log, LOG_WARN,
				"too many bytes wait for clients that do not read: a connection of "
				"the guest is reset");
		dev->backlog_told = true;
		return false;
	}
	dev->backlog += bytes;
	return true;
}

static const struct vsock_connection_ops connection_ops = {
	.changed = on_changed, .dialled = on_dialled, .account = on_account};

/* Counts up, so that a port is not used again while the guest may still remember it. */
static uint32_t free_port(struct vsock_device *dev, uint32_t guest_port)
{
	do {
		if (dev->next_port < FIRST_HOST_PORT || dev->next_port == UINT32_MAX)
			dev->next_port = FIRST_HOST_PORT;
		dev->next_port++;
	} while (vsock_device_find(dev, guest_port, dev->next_port));
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
	if (dev->connections >= VSOCK_CONNECTIONS_MAX)
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
	dial->base.from_port = dial->conn->host_port;
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

/* The guest dials: its owner is whoever the policy names. */
struct vsock_connection *vsock_device_accept(
	struct vsock_device *dev, const struct vsock_packet *request)
{
	struct vsock_connection *conn;
	int fd;

	if (!dev->accept || dev->guest_dials >= VSOCK_GUEST_DIALS_MAX ||
		dev->connections >= VSOCK_CONNECTIONS_MAX)
		return NULL;
	fd = dev->accept(dev->accept_context, request->to_port);
	if (fd < 0)
		return NULL;
	conn = vsock_connection_accept(dev->loop, &connection_ops, dev, request, fd);
	if (!conn)
		return NULL;
	dev->guest_dials++;
	add(dev, conn);
	return conn;
}

/* ---- the back end's calls ---- */

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
	dev->unsettled = dev->backlog_told = false;
	watch_slowly(dev);
	vsock_device_schedule(dev);
}

/* What the guest has sent before it stops still counts, but no answers can be given. */
static void on_stopping(void *owner)
{
	struct vsock_device *dev = owner;

	vsock_traffic_last(dev);
}

static void on_reset(void *owner)
{
	vsock_device_reset(owner);
}

static void on_kicked(void *owner, unsigned ring)
{
	struct vsock_device *dev = owner;

	dev->stats.kicks++;
	vsock_device_schedule(dev);
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

/* ---- the owner's calls ---- */

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
	for (unsigned i = 0; i < VSOCK_BUCKETS; i++)
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
		vsock_device_drop(dev, list_entry(node, struct vsock_connection, all_node));
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
	watch_slowly(dev);
}

void vsock_device_reset(struct vsock_device *dev)
{
	end_all(dev);
}

bool vsock_device_watching(const struct vsock_device *dev)
{
	return event_timer_running(&dev->slow);
}

void vsock_device_get_stats(const struct vsock_device *dev, struct vsock_device_stats *ret)
{
	*ret = dev->stats;
	ret->connections = dev->connections;
	ret->backlog = dev->backlog;
	ret->interrupts = dev->vhost.rings[RING_RECEIVE].vring.interrupts +
			  dev->vhost.rings[RING_TRANSMIT].vring.interrupts;
}
