/* vsock_connection: see the header. The owner's end first, then events, then packets. */
#include "vsock/vsock_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BACKLOG_FIRST (16 * 1024) /* bytes; doubles up to VSOCK_WINDOW */

/* ---- what is to be sent ---- */

static bool is_pending(const struct vsock_connection *conn, enum vsock_op op)
{
	return conn->pending & (1U << op);
}

static void set_pending(struct vsock_connection *conn, enum vsock_op op)
{
	conn->pending |= 1U << op;
}

static void clear_pending(struct vsock_connection *conn, enum vsock_op op)
{
	conn->pending &= ~(1U << op);
}

bool vsock_connection_has_key(const struct vsock_connection *conn)
{
	return conn->state != VSOCK_GONE;
}

static void on_deadline(struct event_timer *timer)
{
	struct vsock_connection *conn = container_of(timer, struct vsock_connection, deadline);

	vsock_connection_event(conn, VSOCK_EV_DEADLINE);
}

static void start_deadline(struct vsock_connection *conn, uint64_t ms)
{
	event_timer_start(conn->loop, &conn->deadline, ms, on_deadline, "vsock deadline");
}

/* ---- the owner's end ---- */

static void drop_backlog(struct vsock_connection *conn)
{
	if (!conn->backlog)
		return;
	free(take_ptr(conn->backlog));
	if (conn->ops->account)
		conn->ops->account(conn, -(ssize_t)conn->backlog_size);
	conn->backlog_size = conn->backlog_at = conn->backlog_len = 0;
}

static bool owner_attached(const struct vsock_connection *conn)
{
	return conn->source.callback && conn->source.fd >= 0;
}

static void owner_detach(struct vsock_connection *conn)
{
	if (!owner_attached(conn))
		return;
	event_source_remove(&conn->source);
	close(conn->source.fd);
	conn->source.fd = -1;
	drop_backlog(conn);
}

bool vsock_connection_finished(const struct vsock_connection *conn)
{
	return conn->state == VSOCK_GONE && !owner_attached(conn);
}

/* May the owner's bytes (still) be sent to the guest? */
static bool sending(const struct vsock_connection *conn)
{
	return conn->state == VSOCK_OPEN && owner_attached(conn) && !conn->end_read &&
	       !(conn->guest_shut & VSOCK_SHUTDOWN_RECEIVE);
}

/* May more come from the guest? */
static bool receiving(const struct vsock_connection *conn)
{
	return (conn->state == VSOCK_OPEN || conn->state == VSOCK_CLOSING) &&
	       !(conn->guest_shut & VSOCK_SHUTDOWN_SEND);
}

static void stop_stall(struct vsock_connection *conn)
{
	conn->stalled = conn->asked = false;
	clear_pending(conn, VSOCK_OP_CREDIT_REQUEST);
	event_timer_stop(&conn->stall);
}

static void swallow_backlog(struct vsock_connection *conn)
{
	vsock_credit_take(&conn->credit, conn->backlog_len);
	drop_backlog(conn);
}

/*
 * The owner reads no more. The guest's bytes are swallowed instead of being answered by RST, which
 * would lose what the owner wrote before it left.
 */
static void owner_is_gone(struct vsock_connection *conn, bool hung)
{
	if (conn->hung || (conn->owner_gone && !hung))
		return;
	conn->owner_gone = true;
	conn->hung = hung;
	swallow_backlog(conn);
	if (conn->state != VSOCK_OPEN)
		return;
	if (!sending(conn)) {
		vsock_connection_event(conn, VSOCK_EV_OWNER_GONE);
	} else if (hung) {
		start_deadline(conn, VSOCK_NO_PROGRESS_MS);
	}
}

/* After any change: pass on ends of file, let go of the owner, tell the device. */
static void settle(struct vsock_connection *conn)
{
	bool done = conn->state == VSOCK_RESETTING || conn->state == VSOCK_GONE ||
		    (conn->state == VSOCK_CLOSING && !receiving(conn));

	if (conn->state == VSOCK_OPEN && (conn->guest_shut & VSOCK_SHUTDOWN_SEND) &&
		!sending(conn) && owner_attached(conn)) {
		vsock_connection_event(conn, VSOCK_EV_BOTH_ENDED); /* settles again */
		return;
	}
	if (owner_attached(conn) && conn->backlog_len == 0 && !receiving(conn) &&
		conn->state != VSOCK_REQUESTED && !conn->end_written) {
		shutdown(conn->source.fd, SHUT_WR);
		conn->end_written = true;
	}
	if (owner_attached(conn) &&
		(conn->owner_gone ? conn->state != VSOCK_OPEN : done && conn->backlog_len == 0))
		owner_detach(conn);
	vsock_connection_watch(conn);
	conn->ops->changed(conn);
}

/* Takes what it can of the backlog to the owner. */
static void flush_backlog(struct vsock_connection *conn)
{
	while (conn->backlog_len > 0) {
		size_t first = conn->backlog_size - conn->backlog_at;
		ssize_t n;

		if (first > conn->backlog_len)
			first = conn->backlog_len;
		n = send(conn->source.fd, conn->backlog + conn->backlog_at, first,
			MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			owner_is_gone(conn, false);
		if (n < 0)
			return;
		conn->backlog_at = (conn->backlog_at + n) % conn->backlog_size;
		conn->backlog_len -= n;
		vsock_credit_take(&conn->credit, n);
	}
	drop_backlog(conn);
}

/* Room for `more` bytes besides those that are kept. */
static int grow_backlog(struct vsock_connection *conn, size_t more)
{
	size_t size = conn->backlog_size ? conn->backlog_size : BACKLOG_FIRST, first;
	uint8_t *fresh;

	while (size < conn->backlog_len + more)
		size *= 2;
	if (size == conn->backlog_size)
		return 0;
	if (conn->ops->account && !conn->ops->account(conn, size - conn->backlog_size))
		return -ENOBUFS;
	fresh = malloc(size);
	if (!fresh) {
		if (conn->ops->account)
			conn->ops->account(conn, -(ssize_t)(size - conn->backlog_size));
		return -ENOMEM;
	}
	first = conn->backlog_size - conn->backlog_at;
	if (first > conn->backlog_len)
		first = conn->backlog_len;
	if (conn->backlog) {
		memcpy(fresh, conn->backlog + conn->backlog_at, first);
		memcpy(fresh + first, conn->backlog, conn->backlog_len - first);
	}
	free(conn->backlog);
	conn->backlog = fresh;
	conn->backlog_size = size;
	conn->backlog_at = 0;
	return 0;
}

/* Keeps bytes the owner did not take. The window bounds it: credit was checked before. */
static int keep(struct vsock_connection *conn, const struct iovec *iov, unsigned count)
{
	size_t more = 0;
	int r;

	for (unsigned i = 0; i < count; i++)
		more += iov[i].iov_len;
	r = grow_backlog(conn, more);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *from = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left > 0) {
			size_t at = (conn->backlog_at + conn->backlog_len) % conn->backlog_size;
			size_t part = conn->backlog_size - at;

			if (part > left)
				part = left;
			memcpy(conn->backlog + at, from, part);
			conn->backlog_len += part;
			from += part;
			left -= part;
		}
	}
	return 0;
}

/* Straight from guest memory to the owner where it reads; only the rest is copied. */
static void deliver(struct vsock_connection *conn, struct iovec *iov, unsigned count, size_t len)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
	ssize_t n = 0;

	if (conn->backlog_len == 0 && !conn->owner_gone && owner_attached(conn)) {
		n = sendmsg(conn->source.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			owner_is_gone(conn, false);
		if (n < 0)
			n = 0;
	}
	if (conn->owner_gone || !owner_attached(conn))
		n = len;
	vsock_credit_take(&conn->credit, n);
	if ((size_t)n == len)
		return;
	while ((size_t)n >= iov->iov_len) {
		n -= iov->iov_len;
		iov++;
		count--;
	}
	iov->iov_base = (uint8_t *)iov->iov_base + n;
	iov->iov_len -= n;
	if (keep(conn, iov, count) < 0)
		vsock_connection_event(conn, VSOCK_EV_BROKEN);
}

static void on_owner(struct event_source *source, uint32_t events)
{
	struct vsock_connection *conn = container_of(source, struct vsock_connection, source);

	if (events & EPOLLOUT)
		flush_backlog(conn);
	if (events & EPOLLIN)
		conn->readable = true;
	if (events & (EPOLLHUP | EPOLLERR))
		owner_is_gone(conn, true);
	settle(conn);
}

void vsock_connection_watch(struct vsock_connection *conn)
{
	uint32_t events = 0;

	if (!owner_attached(conn))
		return;
	if (sending(conn) && !conn->readable)
		events |= EPOLLIN;
	if (conn->backlog_len > 0)
		events |= EPOLLOUT;
	/* With neither, its going away is still worth knowing, once. */
	if (!events && !conn->hung && (conn->state == VSOCK_OPEN || receiving(conn)))
		events = EPOLLHUP;
	if (event_source_set(&conn->source, events) < 0)
		conn->owner_gone = conn->hung = true;
}

/* Takes fd over. */
static int owner_attach(struct vsock_connection *conn, int fd)
{
	int r = event_source_add(conn->loop, &conn->source, fd, EPOLLIN, on_owner, "vsock owner");

	if (r < 0) {
		close(fd);
		conn->source.fd = -1;
	}
	return r;
}

/* Its end of file: after the last byte, because reading found it. */
static void owner_ended(struct vsock_connection *conn, bool gone)
{
	conn->end_read = true;
	conn->readable = false;
	stop_stall(conn);
	if (gone || conn->owner_gone) {
		conn->owner_gone = conn->hung = true;
		swallow_backlog(conn);
		vsock_connection_event(conn, VSOCK_EV_OWNER_GONE);
		return;
	}
	conn->shutdown_flags |= VSOCK_SHUTDOWN_SEND;
	set_pending(conn, VSOCK_OP_SHUTDOWN);
	settle(conn);
}

ssize_t vsock_connection_read(struct vsock_connection *conn, struct iovec *iov, unsigned count)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
	size_t room = 0;
	ssize_t n;

	for (unsigned i = 0; i < count; i++)
		room += iov[i].iov_len;
	n = recvmsg(conn->source.fd, &msg, MSG_DONTWAIT);
	if (n > 0) {
		/* A short read has emptied the socket; epoll says when there is more. */
		conn->readable = (size_t)n == room;
		if (conn->hung)
			start_deadline(conn, VSOCK_NO_PROGRESS_MS);
		return n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		conn->readable = errno == EINTR;
		return 0;
	}
	/* A unix peer that closed with unread bytes: an end all the same. */
	if (n == 0 || errno == ECONNRESET || errno == EPIPE)
		owner_ended(conn, n < 0);
	else
		vsock_connection_event(conn, VSOCK_EV_BROKEN);
	return 0;
}

/* ---- making and ending ---- */

static struct vsock_connection *connection_new(struct event_loop *loop,
	const struct vsock_connection_ops *ops, void *device, uint32_t guest_port,
	uint32_t host_port)
{
	struct vsock_connection *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->loop = loop;
	conn->ops = ops;
	conn->device = device;
	conn->guest_port = guest_port;
	conn->host_port = host_port;
	conn->source.fd = -1;
	return conn;
}

struct vsock_connection *vsock_connection_dial(struct event_loop *loop,
	const struct vsock_connection_ops *ops, void *device, uint32_t guest_port,
	uint32_t host_port, uint64_t timeout_ms)
{
	struct vsock_connection *conn = connection_new(loop, ops, device, guest_port, host_port);

	if (!conn)
		return NULL;
	conn->state = VSOCK_REQUESTED;
	set_pending(conn, VSOCK_OP_REQUEST);
	start_deadline(conn, timeout_ms);
	return conn;
}

struct vsock_connection *vsock_connection_accept(struct event_loop *loop,
	const struct vsock_connection_ops *ops, void *device, const struct vsock_packet *request,
	int fd)
{
	struct vsock_connection *conn =
		connection_new(loop, ops, device, request->from_port, request->to_port);

	if (!conn) {
		close(fd);
		return NULL;
	}
	if (owner_attach(conn, fd) < 0) {
		free(conn);
		return NULL;
	}
	conn->state = VSOCK_OPEN;
	conn->by_guest = true;
	vsock_credit_update(&conn->credit, request->buffer, request->forwarded);
	set_pending(conn, VSOCK_OP_RESPONSE);
	return conn;
}

void vsock_connection_free(struct vsock_connection *conn)
{
	owner_detach(conn);
	event_timer_stop(&conn->deadline);
	event_timer_stop(&conn->stall);
	list_remove(&conn->all_node);
	drop_backlog(conn);
	free(conn);
}

static void tell_dialler(struct vsock_connection *conn, int result)
{
	int fd;

	event_timer_stop(&conn->deadline);
	fd = conn->ops->dialled(conn, result);
	conn->dial = NULL;
	if (result < 0)
		return;
	if (fd < 0 || owner_attach(conn, fd) < 0)
		vsock_connection_event(conn, VSOCK_EV_BROKEN);
}

void vsock_connection_event(struct vsock_connection *conn, enum vsock_event event)
{
	struct vsock_transition t = vsock_transition(conn->state, event);
	bool unsent = is_pending(conn, VSOCK_OP_REQUEST);

	conn->state = t.next;
	if (t.next == VSOCK_RESETTING || t.next == VSOCK_GONE) {
		stop_stall(conn);
		event_timer_stop(&conn->deadline);
		conn->pending = 0;
	}
	if (t.actions & VSOCK_DO_RST) {
		set_pending(conn, VSOCK_OP_RST);
		/* The guest never heard of it: nothing to reset. */
		if (unsent) {
			conn->pending = 0;
			conn->state = VSOCK_GONE;
		}
	}
	if (t.actions & VSOCK_DO_SHUTDOWN) {
		conn->shutdown_flags = VSOCK_SHUTDOWN_BOTH;
		set_pending(conn, VSOCK_OP_SHUTDOWN);
		stop_stall(conn);
		start_deadline(conn, VSOCK_CLOSE_MS);
	}
	if (t.actions & VSOCK_DO_OPENED)
		tell_dialler(conn, 0);
	if (t.actions & VSOCK_DO_REFUSED)
		tell_dialler(conn, -ECONNREFUSED);
	if (t.actions & VSOCK_DO_TIMEOUT)
		tell_dialler(conn, -ETIMEDOUT);
	if (t.actions & VSOCK_DO_LOST)
		tell_dialler(conn, -ENOTCONN);
	settle(conn);
}

/* ---- packets ---- */

static void receive_data(struct vsock_connection *conn, const struct vsock_packet *packet,
	const struct iovec *payload, unsigned count)
{
	struct iovec copy[1024]; /* IOV_MAX: deliver() changes them */
	size_t len = packet->len;
	unsigned n = 0;

	vsock_connection_event(conn, VSOCK_EV_DATA);
	if (conn->state != VSOCK_OPEN && conn->state != VSOCK_CLOSING)
		return;
	if ((conn->guest_shut & VSOCK_SHUTDOWN_SEND) || !vsock_credit_receive(&conn->credit, len)) {
		vsock_connection_event(conn, VSOCK_EV_BROKEN);
		return;
	}
	for (unsigned i = 0; i < count && len > 0; i++) {
		if (n == sizeof(copy) / sizeof(copy[0])) {
			vsock_connection_event(conn, VSOCK_EV_BROKEN);
			return;
		}
		copy[n] = payload[i];
		if (copy[n].iov_len > len)
			copy[n].iov_len = len;
		len -= copy[n++].iov_len;
	}
	if (packet->len > 0)
		deliver(conn, copy, n, packet->len);
}

static void receive_shutdown(struct vsock_connection *conn, uint32_t flags)
{
	if (conn->state == VSOCK_REQUESTED) {
		vsock_connection_event(conn, VSOCK_EV_BROKEN);
		return;
	}
	conn->guest_shut |= flags & VSOCK_SHUTDOWN_BOTH;
	if (conn->guest_shut == VSOCK_SHUTDOWN_BOTH) {
		vsock_connection_event(conn, VSOCK_EV_GUEST_CLOSED);
		return;
	}
	if ((conn->guest_shut & VSOCK_SHUTDOWN_RECEIVE) && owner_attached(conn)) {
		stop_stall(conn);
		conn->readable = false;
		shutdown(conn->source.fd, SHUT_RD); /* its writes fail from now on */
	}
}

void vsock_connection_receive(struct vsock_connection *conn, const struct vsock_packet *packet,
	const struct iovec *payload, unsigned count, size_t available)
{
	if (is_pending(conn, VSOCK_OP_REQUEST))
		return; /* an answer to what was never asked */
	vsock_credit_update(&conn->credit, packet->buffer, packet->forwarded);
	if (packet->len > available || (packet->len > 0 && packet->op != VSOCK_OP_RW)) {
		vsock_connection_event(conn, VSOCK_EV_BROKEN);
		return;
	}
	switch (packet->op) {
	case VSOCK_OP_RESPONSE:
		vsock_connection_event(conn, VSOCK_EV_RESPONSE);
		return;
	case VSOCK_OP_RST:
		vsock_connection_event(conn, VSOCK_EV_RST);
		return;
	case VSOCK_OP_SHUTDOWN:
		receive_shutdown(conn, packet->flags);
		break;
	case VSOCK_OP_RW:
		receive_data(conn, packet, payload, count);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		if (receiving(conn))
			set_pending(conn, VSOCK_OP_CREDIT_UPDATE);
		break;
	default:
		vsock_connection_event(conn, VSOCK_EV_BROKEN);
		return;
	}
	settle(conn);
}

static void on_stall(struct event_timer *timer)
{
	struct vsock_connection *conn = container_of(timer, struct vsock_connection, stall);

	if (!conn->stalled)
		return;
	set_pending(conn, VSOCK_OP_CREDIT_REQUEST);
	event_timer_start(conn->loop, &conn->stall, VSOCK_STALL_REPEAT_MS, on_stall, "vsock stall");
	conn->ops->changed(conn);
}

/* Bytes wait and there is no credit: ask once, then by the timer; never because of an answer. */
static void note_stall(struct vsock_connection *conn)
{
	if (conn->stalled)
		return;
	conn->stalled = true;
	set_pending(conn, VSOCK_OP_CREDIT_REQUEST);
	event_timer_start(conn->loop, &conn->stall, VSOCK_STALL_FIRST_MS, on_stall, "vsock stall");
}

enum vsock_op vsock_connection_next(struct vsock_connection *conn)
{
	static const enum vsock_op first[] = {VSOCK_OP_RST, VSOCK_OP_REQUEST, VSOCK_OP_RESPONSE};
	static const enum vsock_op after[] = {
		VSOCK_OP_SHUTDOWN, VSOCK_OP_CREDIT_REQUEST, VSOCK_OP_CREDIT_UPDATE};

	for (unsigned i = 0; i < ARRAY_SIZE(first); i++)
		if (is_pending(conn, first[i]))
			return first[i];
	if (sending(conn) && conn->readable) {
		if (vsock_credit_sendable(&conn->credit) > 0)
			return VSOCK_OP_RW;
		note_stall(conn);
	}
	if (receiving(conn) && vsock_credit_should_tell(&conn->credit))
		set_pending(conn, VSOCK_OP_CREDIT_UPDATE);
	for (unsigned i = 0; i < ARRAY_SIZE(after); i++)
		if (is_pending(conn, after[i]))
			return after[i];
	return VSOCK_OP_NONE;
}

size_t vsock_connection_turn(const struct vsock_connection *conn)
{
	size_t room = vsock_credit_sendable(&conn->credit);

	return room < VSOCK_TURN_MAX ? room : VSOCK_TURN_MAX;
}

void vsock_connection_send(
	struct vsock_connection *conn, enum vsock_op op, uint32_t len, struct vsock_packet *ret)
{
	*ret = (struct vsock_packet){
		.to_cid = 0, /* the device fills the CIDs */
		.from_port = conn->host_port,
		.to_port = conn->guest_port,
		.len = len,
		.type = VSOCK_TYPE_STREAM,
		.op = op,
		.flags = op == VSOCK_OP_SHUTDOWN ? conn->shutdown_flags : 0,
		.buffer = VSOCK_WINDOW,
		.forwarded = conn->credit.forwarded,
	};
	conn->credit.told = conn->credit.forwarded;
	clear_pending(conn, op);
	clear_pending(conn, VSOCK_OP_CREDIT_UPDATE); /* every packet is one */
	if (op == VSOCK_OP_RW) {
		vsock_credit_sent(&conn->credit, len);
		stop_stall(conn);
	}
	if (op == VSOCK_OP_RST)
		vsock_connection_event(conn, VSOCK_EV_RST_SENT);
}
