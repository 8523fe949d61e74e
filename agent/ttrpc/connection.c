/* connection: see the header. Owned by session.c (server) and client.c. */
#include "ttrpc/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* After sys/socket.h: headers before 6.2 lean on it. */
#include <linux/vm_sockets.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strings.h"
#include "hard_limits.h"

#define BODY_INLINE    4096  /* bodies up to here are read on the stack first */
#define BODY_STEP      65536 /* a longer one gets this much memory at a time */
#define FRAMES_A_TURN  32    /* then other sources of the loop have theirs */
#define SEND_IOVECS    16
#define SEND_MAX       262144 /* one send(2) on sockets other than vsock */
#define SEND_A_TURN    1048576
#define PUSH_THRESHOLD 262144 /* queued bytes from which connection_send() writes by itself */

static void on_task(struct event_task *task);

/* ---- end of a connection ------------------------------------------------------------- */

static void drop_body(struct ttrpc_connection *connection)
{
	connection->budget->used -= connection->body.cap;
	buffer_release(&connection->body);
}

/* Runs the done functions that are due; false when one of them released the connection. */
static bool run_finished(struct ttrpc_connection *connection)
{
	bool released = false, *outer = connection->released;

	connection->released = &released;
	write_queue_tell(&connection->writes, &released);
	if (!released)
		connection->released = outer;
	else if (outer)
		*outer = true;
	return !released;
}

void connection_end(struct ttrpc_connection *connection, const struct error *err)
{
	if (connection->ended || connection->fd < 0)
		return;
	connection->ended = true;
	connection->end = *err;
	event_timer_stop(&connection->timer);
	event_source_remove(&connection->source);
	event_task_defer(connection->loop, &connection->task, on_task);
}

static void end_by_errno(struct ttrpc_connection *connection, int errnum, const char *step)
{
	struct error err = ERROR_INIT;

	error_set(&err, STATUS_UNAVAILABLE, errnum, "%s", step);
	connection_end(connection, &err);
}

/* ---- writing ------------------------------------------------------------------------- */

/* Writes what the socket takes. Runs no owner's function. */
static void push_out(struct ttrpc_connection *connection)
{
	size_t turn = 0;

	while (!connection->ended && connection->writes.bytes > 0 && turn < SEND_A_TURN) {
		struct iovec iov[SEND_IOVECS];
		struct msghdr msg = {.msg_iov = iov};
		ssize_t n;

		msg.msg_iovlen = write_queue_gather(
			&connection->writes, iov, SEND_IOVECS, connection->send_max);
		n = sendmsg(connection->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			end_by_errno(connection, errno, "send to the peer");
			return;
		}
		write_queue_advance(&connection->writes, (size_t)n);
		turn += (size_t)n;
	}
}

static bool has_room(const struct ttrpc_connection *connection, size_t len)
{
	return connection->writes.bytes <= WRITE_QUEUE_MAX &&
	       len <= WRITE_QUEUE_MAX - connection->writes.bytes &&
	       budget_has(connection->budget, len);
}

int connection_send(struct ttrpc_connection *connection, struct buffer *frame, bool must,
	connection_sent_fn done, void *context)
{
	int r;

	if (connection->fd < 0)
		return -ENOTCONN;
	if (!must && !connection->ended && !has_room(connection, frame->len))
		return -ENOBUFS;
	r = write_queue_add(&connection->writes, frame, done, context);
	if (r < 0)
		return r;
	if (connection->writes.bytes >= PUSH_THRESHOLD)
		push_out(connection);
	event_task_defer(connection->loop, &connection->task, on_task);
	return 0;
}

bool connection_drained(const struct ttrpc_connection *connection)
{
	return write_queue_empty(&connection->writes);
}

/* ---- reading ------------------------------------------------------------------------- */

static bool may_read(const struct ttrpc_connection *connection)
{
	return !connection->held && !connection->eof && !connection->ended &&
	       connection->writes.bytes < WRITE_QUEUE_HIGH;
}

static bool mid_frame(const struct ttrpc_connection *connection)
{
	return connection->header_len > 0;
}

/* > 0 bytes read; 0 nothing more for now (end of file and errors are dealt with). */
static size_t receive(struct ttrpc_connection *connection, void *data, size_t len)
{
	ssize_t n;

	do
		n = recv(connection->fd, data, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return (size_t)n;
	if (n == 0) {
		connection->eof = true;
		event_timer_stop(&connection->timer); /* now it is the last flush's */
	} else if (errno != EAGAIN) {
		end_by_errno(connection, errno, "receive from the peer");
	}
	return 0;
}

static void start_skipping(struct ttrpc_connection *connection, bool no_memory)
{
	drop_body(connection);
	connection->skipping = true;
	connection->skip_no_memory = no_memory;
}

/* The frame is complete: hand it over and be ready for the next. body may lie on the stack. */
static void deliver(struct ttrpc_connection *connection, const uint8_t *body)
{
	struct frame_header header = connection->header;
	bool skipped = connection->skipping, no_memory = connection->skip_no_memory;
	bool released = false, *outer = connection->released;

	connection->header_len = 0;
	connection->in_body = connection->skipping = connection->skip_no_memory = false;
	connection->released = &released;
	if (skipped)
		connection->ops->skipped(connection, &header, no_memory);
	else
		connection->ops->frame(connection, &header, body);
	if (released) {
		if (outer)
			*outer = true;
		return;
	}
	connection->released = outer;
	drop_body(connection);
}

static void header_done(struct ttrpc_connection *connection)
{
	enum frame_verdict verdict;

	connection->header = frame_header_decode(connection->header_bytes);
	connection->left = connection->header.length;
	connection->in_body = true;
	verdict = connection->ops->begin(connection, &connection->header);
	if (verdict == FRAME_SKIP || (verdict == FRAME_TAKE && connection->left > FRAME_MAX))
		start_skipping(connection, false);
	if (verdict != FRAME_END && connection->left == 0)
		deliver(connection, (const uint8_t *)"");
}

static bool read_header(struct ttrpc_connection *connection)
{
	size_t n = receive(connection, connection->header_bytes + connection->header_len,
		FRAME_HEADER_SIZE - connection->header_len);

	connection->header_len += n;
	if (connection->header_len == FRAME_HEADER_SIZE)
		header_done(connection);
	return n > 0;
}

/* Grows the body by up to BODY_STEP; NULL (and skipping) when there is no memory for it. */
static uint8_t *body_room(struct ttrpc_connection *connection, size_t len)
{
	struct buffer *body = &connection->body;
	size_t cap = body->cap;
	uint8_t *room = NULL;

	/* Growing doubles: charge for that before it happens. */
	if (body->len + len <= cap || budget_has(connection->budget, cap + len))
		room = buffer_reserve(body, len);
	connection->budget->used += body->cap - cap;
	if (!room)
		start_skipping(connection, true);
	return room;
}

static bool read_long_body(struct ttrpc_connection *connection)
{
	size_t len = connection->left < BODY_STEP ? connection->left : BODY_STEP, n;
	uint8_t *room = body_room(connection, len);

	if (!room)
		return true;
	n = receive(connection, room, len);
	connection->body.len += n;
	connection->left -= (uint32_t)n;
	if (n > 0 && connection->left == 0)
		deliver(connection, connection->body.data);
	return n > 0;
}

/* A short body, or the next bytes to throw away. */
static bool read_on_stack(struct ttrpc_connection *connection)
{
	uint8_t bytes[BODY_INLINE], *room;
	size_t len = connection->left < sizeof(bytes) ? connection->left : sizeof(bytes);
	size_t n = receive(connection, bytes, len);

	connection->left -= (uint32_t)n;
	if (n == 0)
		return false;
	if (connection->left == 0) {
		deliver(connection, bytes);
	} else if (!connection->skipping) {
		room = body_room(connection, n);
		if (room) {
			memcpy(room, bytes, n);
			connection->body.len += n;
		}
	}
	return true;
}

/* One step of the state machine; false when the socket has nothing more for now. */
static bool read_step(struct ttrpc_connection *connection)
{
	if (!connection->in_body)
		return read_header(connection);
	if (connection->skipping || (connection->body.len == 0 && connection->left <= BODY_INLINE))
		return read_on_stack(connection);
	return read_long_body(connection);
}

/* False when an owner's function released the connection. */
static bool read_frames(struct ttrpc_connection *connection)
{
	bool released = false;

	connection->released = &released;
	for (int turn = 0; turn < 2 * FRAMES_A_TURN && may_read(connection); turn++) {
		if (!read_step(connection))
			break;
		if (released)
			return false;
	}
	if (connection->eof && !connection->ended)
		connection->ops->eof(connection);
	if (!released)
		connection->released = NULL;
	return !released;
}

/* ---- the loop's side ----------------------------------------------------------------- */

static void stalled(struct event_timer *timer)
{
	struct ttrpc_connection *connection = container_of(timer, struct ttrpc_connection, timer);
	struct error err = ERROR_INIT;

	if (connection->eof)
		error_set(&err, STATUS_UNAVAILABLE, 0,
			"the peer closed and took no answers for %d ms", CLOSE_FLUSH_MS);
	else
		error_set(&err, STATUS_UNAVAILABLE, 0,
			"the peer stopped in the middle of a frame (stream %u, %u bytes missing)",
			connection->header.stream_id, connection->left);
	connection_end(connection, &err);
}

static void set_timer(struct ttrpc_connection *connection, bool progress)
{
	bool want_stall = mid_frame(connection) && may_read(connection);

	if (connection->ended)
		return;
	if (connection->eof) {
		if (!event_timer_running(&connection->timer))
			event_timer_start(connection->loop, &connection->timer, CLOSE_FLUSH_MS,
				stalled, "ttrpc-close-flush");
	} else if (!want_stall) {
		event_timer_stop(&connection->timer);
	} else if (progress || !event_timer_running(&connection->timer)) {
		event_timer_start(connection->loop, &connection->timer, FRAME_STALL_MS, stalled,
			"ttrpc-frame-stall");
	}
}

/* Brings epoll in line with what is wanted. */
static void update_events(struct ttrpc_connection *connection)
{
	uint32_t events = 0;
	int r;

	if (connection->ended)
		return;
	if (may_read(connection))
		events |= EPOLLIN;
	if (connection->writes.bytes > 0)
		events |= EPOLLOUT;
	r = event_source_set(&connection->source, events);
	if (r < 0)
		end_by_errno(connection, -r, "watch the connection");
}

/* After anything from the loop: functions that are due, the end after eof, events, timer. */
static void settle(struct ttrpc_connection *connection, bool progress)
{
	bool released = false;

	if (!run_finished(connection))
		return;
	if (connection->eof && !connection->ended && connection->writes.bytes == 0) {
		end_by_errno(connection, ECONNRESET,
			mid_frame(connection) ? "the peer closed in the middle of a frame"
					      : "the peer closed the connection");
		return;
	}
	update_events(connection);
	set_timer(connection, progress);
	if (connection->ended || !connection_drained(connection) || !connection->ops->drained)
		return;
	connection->released = &released;
	connection->ops->drained(connection);
	if (!released)
		connection->released = NULL;
}

static void on_task(struct event_task *task)
{
	struct ttrpc_connection *connection = container_of(task, struct ttrpc_connection, task);
	struct error end;

	push_out(connection);
	if (!connection->ended) {
		settle(connection, false);
		return;
	}
	write_queue_abandon(&connection->writes);
	if (!run_finished(connection))
		return;
	end = connection->end;
	connection->ops->closed(connection, &end);
}

static void on_ready(struct event_source *source, uint32_t events)
{
	struct ttrpc_connection *connection = container_of(source, struct ttrpc_connection, source);

	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		push_out(connection);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && may_read(connection) &&
		!read_frames(connection))
		return;
	push_out(connection);
	settle(connection, events & EPOLLIN);
}

/* ---- making and releasing ------------------------------------------------------------ */

/* A guest's send on a vsock stays small (hard_limits.h); other sockets take more at once. */
static size_t send_limit(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain == AF_VSOCK)
		return VSOCK_SEND_MAX;
	return SEND_MAX;
}

int connection_init(struct ttrpc_connection *connection, struct event_loop *loop, int fd,
	const struct connection_ops *ops, struct connection_budget *budget, struct error *err)
{
	int r;

	*connection = (struct ttrpc_connection){
		.fd = fd,
		.ops = ops,
		.budget = budget,
		.loop = loop,
		.send_max = send_limit(fd),
	};
	buffer_init(&connection->body, FRAME_MAX);
	write_queue_init(&connection->writes, budget);
	r = fd_set_nonblock(fd, true);
	if (r >= 0)
		r = fd_set_cloexec(fd, true);
	if (r >= 0)
		r = event_source_add(
			loop, &connection->source, fd, EPOLLIN, on_ready, "ttrpc-connection");
	if (r >= 0)
		return 0;
	close_fd(&connection->fd);
	return error_errno(err, -r, "watch a connection");
}

void connection_release(struct ttrpc_connection *connection)
{
	if (connection->fd < 0)
		return;
	event_source_remove(&connection->source);
	event_timer_stop(&connection->timer);
	event_task_cancel(&connection->task);
	close_fd(&connection->fd);
	if (connection->released)
		*connection->released = true;
	connection->released = NULL;
	drop_body(connection);
	connection->ended = true;
	write_queue_abandon(&connection->writes);
	run_finished(connection);
}

void connection_hold(struct ttrpc_connection *connection, bool hold)
{
	if (connection->held == hold || connection->fd < 0)
		return;
	connection->held = hold;
	update_events(connection);
	set_timer(connection, true);
}

const char *connection_peer(const struct ttrpc_connection *connection, char *out, size_t size)
{
	struct sockaddr_vm vm = {0};
	struct ucred cred = {0};
	socklen_t len = sizeof(vm);

	if (getpeername(connection->fd, (struct sockaddr *)&vm, &len) == 0 &&
		vm.svm_family == AF_VSOCK) {
		str_format(out, size, "vsock %u:%u", vm.svm_cid, vm.svm_port);
		return out;
	}
	len = sizeof(cred);
	if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		str_format(out, size, "unix pid %d", (int)cred.pid);
	else
		str_copy(out, size, "unknown");
	return out;
}
