/* rpc_call: life of one request. Used by handlers and whatever completes parked calls. */
#include "ttrpc/rpc_call.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "ttrpc/connection.h"
#include "ttrpc/envelope.h"
#include "ttrpc/session.h"
#include "ttrpc/status.h"

enum call_state {
	CALL_PENDING = 0, /* parked, or not begun */
	CALL_RUNNING,	  /* the handler is on the stack */
	CALL_ANSWERED,	  /* in the handler; freed when it returns */
	CALL_SENDING,	  /* owned by its queued frame, for sent() */
	CALL_ENDING,	  /* in cancelled() */
};

#define NANO_PER_MS 1000000

struct session *session_of(const struct rpc_call *call)
{
	return container_of(call->connection, struct session, connection);
}

struct rpc_call *rpc_call_new(struct session *session, uint32_t stream_id)
{
	struct rpc_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	arena_init(&call->arena, CALL_ARENA_MAX);
	call->connection = &session->connection;
	call->context = session->server->context;
	call->stream_id = stream_id;
	list_append(&session->calls, &call->node);
	session->call_count++;
	session->server->call_count++;
	return call;
}

/* No longer open: its stream id is free, nothing wakes it. */
static void close_call(struct rpc_call *call)
{
	struct session *session = session_of(call);

	if (list_empty(&call->node))
		return;
	waiter_unlink(&call->waiter);
	event_timer_stop(&call->deadline);
	list_remove(&call->node);
	session->call_count--;
	session->server->call_count--;
	server_progress(session->server);
}

static void free_call(struct rpc_call *call)
{
	struct ttrpc_server *server = session_of(call)->server;
	size_t used = call->arena.used;

	close_call(call);
	server->call_memory -= call->charged;
	arena_release(&call->arena);
	free(call);
	if (used >= TRIM_CALL_BYTES)
		server_trim_later(server);
}

/* The answer is queued, or lost with its connection: the call goes as soon as nobody holds it. */
static void answered(struct rpc_call *call)
{
	close_call(call);
	if (call->state == CALL_RUNNING)
		call->state = CALL_ANSWERED;
	else
		free_call(call);
}

static void frame_sent(void *context, bool delivered)
{
	struct rpc_call *call = context;

	call->sent(call, delivered);
	free_call(call);
}

/* Its success could not be queued; an error has gone out instead. */
static void frame_sent_instead(void *context, bool delivered)
{
	frame_sent(context, false);
}

static bool is_open(const struct rpc_call *call)
{
	return call->state == CALL_RUNNING || call->state == CALL_PENDING;
}

/* Without memory for an answer the peer would wait for ever: it loses the connection instead. */
static void no_memory(struct rpc_call *call)
{
	struct error err = ERROR_INIT;

	error_set(&err, STATUS_UNAVAILABLE, ENOMEM, "queue the answer of %s.%s",
		call->method->service, call->method->name);
	connection_end(call->connection, &err);
}

/* Queues an error; done (may be NULL) owns the call then. */
static bool queue_error(struct rpc_call *call, const struct error *err, connection_sent_fn done)
{
	struct buffer frame;

	rpc_call_log(call, err);
	if (envelope_error_frame(&frame, call->stream_id, err) < 0 ||
		connection_send(call->connection, &frame, true, done, call) < 0) {
		buffer_release(&frame);
		no_memory(call);
		return false;
	}
	return true;
}

void rpc_call_fail(struct rpc_call *call, const struct error *err)
{
	if (!is_open(call))
		return;
	queue_error(call, err, NULL);
	answered(call);
}

/*
 * A success that cannot go out: the peer gets an error, and sent() is told that it did not. At once
 * only when there is no memory even for that.
 */
static void fail_reply(struct rpc_call *call, const struct error *err)
{
	if (!call->sent) {
		rpc_call_fail(call, err);
		return;
	}
	if (queue_error(call, err, frame_sent_instead)) {
		close_call(call);
		call->state = CALL_SENDING;
		return;
	}
	call->sent(call, false);
	answered(call);
}

void rpc_call_reply(struct rpc_call *call)
{
	struct error err = ERROR_INIT;
	struct buffer frame;
	int r;

	if (!is_open(call))
		return;
	r = envelope_reply_frame(&frame, call->stream_id, call->response, &err);
	if (r == 0) {
		r = connection_send(
			call->connection, &frame, false, call->sent ? frame_sent : NULL, call);
		if (r < 0) {
			error_set(&err, STATUS_RESOURCE_EXHAUSTED, -r,
				"queue an answer of %zu bytes behind %zu that the peer has not "
				"read",
				frame.len, call->connection->writes.bytes);
			buffer_release(&frame);
		}
	}
	if (r < 0) {
		fail_reply(call, &err);
	} else if (call->sent) {
		close_call(call);
		call->state = CALL_SENDING;
	} else {
		answered(call);
	}
}

static void woken(struct waiter *waiter, int value)
{
	struct rpc_call *call = container_of(waiter, struct rpc_call, waiter);

	call->resume(call, value);
}

void rpc_call_park(struct rpc_call *call, struct waiter_list *list,
	void (*resume)(struct rpc_call *call, int value))
{
	call->resume = resume;
	call->waiter.wake = woken;
	waiter_park(list, &call->waiter);
}

/* The call ends without its handler's answer. Closed first: cancelled() may wake or end others. */
static void interrupt(struct rpc_call *call, int reason)
{
	close_call(call);
	call->state = CALL_ENDING;
	if (call->cancelled)
		call->cancelled(call, reason);
}

void rpc_call_cancel(struct rpc_call *call, int reason)
{
	struct error err = ERROR_INIT;

	if (!is_open(call))
		return;
	interrupt(call, reason);
	error_set(&err, STATUS_CANCELLED, -reason, "%s",
		reason == -ECANCELED ? "the server stops" : "the connection ended");
	rpc_call_log(call, &err);
	free_call(call);
}

static void deadline_passed(struct event_timer *timer)
{
	struct rpc_call *call = container_of(timer, struct rpc_call, deadline);
	struct error err = ERROR_INIT;

	interrupt(call, -ETIMEDOUT);
	error_set(&err, STATUS_DEADLINE_EXCEEDED, 0, "timeout");
	queue_error(call, &err, NULL);
	free_call(call);
}

static void start_deadline(struct rpc_call *call, int64_t timeout_nano)
{
	uint64_t ms;

	if (timeout_nano <= 0)
		return;
	ms = ((uint64_t)timeout_nano + NANO_PER_MS - 1) / NANO_PER_MS;
	event_timer_start(session_of(call)->server->loop, &call->deadline, ms, deadline_passed,
		"rpc-deadline");
}

void rpc_call_run(struct rpc_call *call, int64_t timeout_nano)
{
	struct error err = ERROR_INIT;
	int r;

	call->state = CALL_RUNNING;
	r = call->method->handler(call, call->context, &err);
	if (call->state == CALL_ANSWERED) {
		free_call(call);
	} else if (call->state != CALL_RUNNING) {
		return; /* its frame owns it */
	} else if (r < 0) {
		if (err.status == STATUS_OK)
			error_set(&err, status_from_errno(r), -r, "%s", call->method->name);
		call->state = CALL_PENDING;
		rpc_call_fail(call, &err);
	} else if (r == RPC_PENDING) {
		call->state = CALL_PENDING;
		start_deadline(call, timeout_nano);
	} else {
		call->state = CALL_PENDING;
		rpc_call_reply(call);
	}
}
