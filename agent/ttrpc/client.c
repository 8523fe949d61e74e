/* client: see the header. Used by host-tools (cradle) and by tests. */
#include "ttrpc/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "ttrpc/connection.h"
#include "ttrpc/envelope.h"
#include "ttrpc/message.h"
#include "ttrpc/status.h"

/*
 * The agent enforces the deadline and says so; only when it does not, we do. Long enough for an
 * answer under way, even from an emulated guest.
 */
#define DEADLINE_MARGIN_MS 500
#define NANO_PER_MS	   1000000u

struct ttrpc_client {
	struct ttrpc_connection connection;
	struct connection_budget budget;
	struct list_node calls; /* in flight, oldest first */
	unsigned in_flight;
	uint32_t next_stream; /* 0 = used up */
	uint64_t late;	      /* calls we gave up: as many answers to streams not open are fine */
	void (*closed)(struct ttrpc_client *client, const struct error *err);
	void *context;
	bool ended;
	int inside; /* depth of callers' functions running; freeing waits for them */
	bool freed;
	struct error end;
};

static struct ttrpc_client *client_from(struct ttrpc_connection *connection)
{
	return container_of(connection, struct ttrpc_client, connection);
}

/* ---- callers' functions may free the client ------------------------------------------ */

static void enter(struct ttrpc_client *client)
{
	client->inside++;
}

/* False when the client is gone. */
static bool leave(struct ttrpc_client *client)
{
	client->inside--;
	if (!client->freed)
		return true;
	if (client->inside == 0)
		free(client);
	return false;
}

/* ---- ends of a call ------------------------------------------------------------------ */

/* Not in flight any more; the struct is the caller's alone. */
static void unlink_call(struct client_call *call)
{
	if (list_empty(&call->node))
		return;
	event_timer_stop(&call->deadline);
	list_remove(&call->node);
	call->client->in_flight--;
}

/* Runs done(); the caller must hold the client by enter(). */
static void complete(struct client_call *call, const struct error *err)
{
	unlink_call(call);
	if (err)
		call->done(call, -(err->errnum ? err->errnum : status_to_errno(err->status)), err);
	else
		call->done(call, 0, NULL);
}

static void fail_all(struct ttrpc_client *client, const struct error *err)
{
	while (!list_empty(&client->calls))
		complete(list_entry(client->calls.next, struct client_call, node), err);
}

static void deadline_passed(struct event_timer *timer)
{
	struct client_call *call = container_of(timer, struct client_call, deadline);
	struct ttrpc_client *client = call->client;
	struct error err = ERROR_INIT;

	error_set(&err, STATUS_DEADLINE_EXCEEDED, 0, "no answer in time (stream %" PRIu32 ")",
		call->stream_id);
	client->late++;
	enter(client);
	complete(call, &err);
	leave(client);
}

void client_call_cancel(struct client_call *call)
{
	if (!call->client || list_empty(&call->node))
		return;
	call->client->late++;
	unlink_call(call);
}

void client_call_release(struct client_call *call)
{
	arena_release(&call->arena);
	call->response = NULL;
}

/* ---- answers ------------------------------------------------------------------------- */

static struct client_call *find_call(const struct ttrpc_client *client, uint32_t stream_id)
{
	list_for_each (node, &client->calls) {
		struct client_call *call = list_entry(node, struct client_call, node);

		if (call->stream_id == stream_id)
			return call;
	}
	return NULL;
}

static void violation(
	struct ttrpc_client *client, const struct frame_header *header, const char *what)
{
	struct error err = ERROR_INIT;

	error_set(&err, STATUS_UNAVAILABLE, EPROTO,
		"the agent broke the protocol: %s (type %u, stream %" PRIu32 ", %" PRIu32 " bytes)",
		what, header->type, header->stream_id, header->length);
	connection_end(&client->connection, &err);
}

/* The guest is not trusted: what it may not send ends the connection. */
static enum frame_verdict on_begin(
	struct ttrpc_connection *connection, const struct frame_header *header)
{
	struct ttrpc_client *client = client_from(connection);
	const char *wrong = NULL;

	if (header->type != FRAME_RESPONSE)
		wrong = "a frame that is no response";
	else if (header->length > FRAME_MAX)
		wrong = "a frame over the limit";
	else if (header->stream_id % 2 == 0)
		wrong = "a response with an even stream id";
	else if (find_call(client, header->stream_id))
		return FRAME_TAKE;
	else if (client->next_stream && header->stream_id >= client->next_stream)
		wrong = "a response to a call that was never made";
	else if (client->late == 0)
		wrong = "a second response to one call";
	if (!wrong) {
		client->late--;
		return FRAME_SKIP;
	}
	violation(client, header, wrong);
	return FRAME_END;
}

static int read_answer(struct client_call *call, const uint8_t *body, size_t len, struct error *err)
{
	struct envelope_response response;
	int r = envelope_decode_response(body, len, &response, err);

	if (r < 0) {
		err->status = STATUS_DATA_LOSS;
		return r;
	}
	if (response.code != STATUS_OK) {
		int code = response.code;

		if (code < 0 || code > STATUS_UNAUTHENTICATED)
			code = STATUS_UNKNOWN;
		return error_set(err, (enum status_code)code, 0, "%.*s",
			(int)(response.message.len < 4096 ? response.message.len : 4096),
			(const char *)response.message.data);
	}
	r = message_decode(call->descriptor, &call->arena, response.payload.data,
		response.payload.len, &call->response, err);
	if (r >= 0)
		return 0;
	if (err->status == STATUS_UNKNOWN) /* malformed */
		err->status = STATUS_DATA_LOSS;
	return error_prefix(err, "the agent's response");
}

static void on_frame(
	struct ttrpc_connection *connection, const struct frame_header *header, const uint8_t *body)
{
	struct ttrpc_client *client = client_from(connection);
	struct client_call *call = find_call(client, header->stream_id);
	struct error err = ERROR_INIT;
	int r;

	if (!call) { /* given up while its answer was arriving */
		if (client->late > 0)
			client->late--;
		return;
	}
	r = read_answer(call, body, header->length, &err);
	enter(client);
	complete(call, r < 0 ? &err : NULL);
	leave(client);
}

static void on_skipped(
	struct ttrpc_connection *connection, const struct frame_header *header, bool no_memory)
{
	struct ttrpc_client *client = client_from(connection);
	struct client_call *call = find_call(client, header->stream_id);
	struct error err = ERROR_INIT;

	if (!no_memory)
		return;
	if (!call) {
		if (client->late > 0)
			client->late--;
		return;
	}
	error_set(&err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
		"no memory for a response of %" PRIu32 " bytes", header->length);
	enter(client);
	complete(call, &err);
	leave(client);
}

static void on_eof(struct ttrpc_connection *connection)
{
	struct error err = ERROR_INIT;

	error_set(&err, STATUS_UNAVAILABLE, ECONNRESET, "the agent closed the connection");
	connection_end(connection, &err);
}

static void on_closed(struct ttrpc_connection *connection, const struct error *err)
{
	struct ttrpc_client *client = client_from(connection);

	client->ended = true;
	client->end = *err;
	connection_release(connection);
	enter(client);
	fail_all(client, &client->end);
	if (!client->freed && client->closed)
		client->closed(client, &client->end);
	leave(client);
}

static const struct connection_ops client_ops = {
	.begin = on_begin,
	.frame = on_frame,
	.skipped = on_skipped,
	.eof = on_eof,
	.closed = on_closed,
};

/* ---- life ---------------------------------------------------------------------------- */

struct ttrpc_client *ttrpc_client_new(struct event_loop *loop, int fd,
	void (*closed)(struct ttrpc_client *client, const struct error *err), void *context)
{
	struct ttrpc_client *client = calloc(1, sizeof(*client));

	if (!client) {
		close_fd(&fd);
		return NULL;
	}
	list_init(&client->calls);
	client->budget.max = CLIENT_MEMORY_MAX;
	client->next_stream = 1;
	client->closed = closed;
	client->context = context;
	if (connection_init(&client->connection, loop, fd, &client_ops, &client->budget, NULL) <
		0) {
		free(client);
		return NULL;
	}
	return client;
}

void *ttrpc_client_context(const struct ttrpc_client *client)
{
	return client->context;
}

unsigned ttrpc_client_in_flight(const struct ttrpc_client *client)
{
	return client->in_flight;
}

void ttrpc_client_free(struct ttrpc_client *client)
{
	struct error err = ERROR_INIT;

	if (!client || client->freed)
		return;
	client->ended = true;
	error_set(&client->end, STATUS_CANCELLED, ECANCELED, "the client was closed");
	err = client->end;
	connection_release(&client->connection);
	enter(client);
	fail_all(client, &err);
	client->freed = true;
	leave(client);
}

/* ---- calling ------------------------------------------------------------------------- */

static int check_client(const struct ttrpc_client *client, struct error *err)
{
	if (client->ended) {
		if (err)
			*err = client->end;
		return client->end.errnum ? -client->end.errnum : -EPROTO;
	}
	if (client->connection.ended) /* closed() is on its way */
		return error_set(
			err, STATUS_UNAVAILABLE, ECONNRESET, "%s", client->connection.end.text);
	if (client->next_stream == 0)
		return error_set(
			err, STATUS_UNAVAILABLE, 0, "the connection's stream ids are used up");
	return 0;
}

static int64_t to_nano(uint64_t timeout_ms)
{
	return timeout_ms > INT64_MAX / NANO_PER_MS ? INT64_MAX
						    : (int64_t)(timeout_ms * NANO_PER_MS);
}

int client_call_start(struct ttrpc_client *client, struct client_call *call, const char *service,
	const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *response, uint64_t timeout_ms, client_call_fn done,
	struct error *err)
{
	struct buffer frame;
	int r = check_client(client, err);

	if (r < 0)
		return r;
	r = envelope_request_frame(
		&frame, client->next_stream, service, method, request, to_nano(timeout_ms), err);
	if (r < 0)
		return r;
	r = connection_send(&client->connection, &frame, false, NULL, NULL);
	if (r < 0) {
		buffer_release(&frame);
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, -r,
			"queue %s: the agent has not read the last %zu bytes", method,
			client->connection.writes.bytes);
	}
	call->response = NULL;
	arena_init(&call->arena, CLIENT_ARENA_MAX);
	call->client = client;
	call->stream_id = client->next_stream;
	call->descriptor = response;
	call->done = done;
	call->deadline = (struct event_timer){0};
	list_append(&client->calls, &call->node);
	client->in_flight++;
	client->next_stream = client->next_stream > UINT32_MAX - 2 ? 0 : client->next_stream + 2;
	if (timeout_ms > 0)
		event_timer_start(client->connection.loop, &call->deadline,
			timeout_ms > UINT64_MAX - DEADLINE_MARGIN_MS
				? timeout_ms
				: timeout_ms + DEADLINE_MARGIN_MS,
			deadline_passed, "ttrpc-client-deadline");
	return 0;
}

static void wait_done(struct client_call *call, int result, const struct error *err)
{
	call->waiting = false;
	call->waited_result = result;
	if (result < 0 && call->waited_err)
		*call->waited_err = *err;
}

int client_call_wait(struct ttrpc_client *client, struct client_call *call, const char *service,
	const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *response, uint64_t timeout_ms, struct error *err)
{
	struct event_loop *loop = client->connection.loop;
	int r = client_call_start(
		client, call, service, method, request, response, timeout_ms, wait_done, err);

	if (r < 0)
		return r;
	call->waiting = true;
	call->waited_err = err;
	while (call->waiting && r >= 0)
		r = event_loop_step(loop, -1);
	if (!call->waiting)
		return call->waited_result;
	client_call_cancel(call);
	return error_errno(err, -r, "wait for the answer of %s", method);
}
