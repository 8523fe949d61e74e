/* session: see the header. Made by server.c for every accepted connection. */
#include "ttrpc/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "ttrpc/envelope.h"
#include "ttrpc/message.h"

static struct session *session_from(struct ttrpc_connection *connection)
{
	return container_of(connection, struct session, connection);
}

/* ---- refusals ------------------------------------------------------------------------ */

/* Answers a stream for which there is no call. method NULL: unknown, logged as "?". */
static void refuse(struct session *session, uint32_t stream_id, const struct rpc_method *method,
	const struct error *err)
{
	static const struct rpc_method unknown = {.service = "?", .name = "?"};
	struct rpc_call call = {
		.method = method ? method : &unknown,
		.connection = &session->connection,
		.stream_id = stream_id,
	};
	struct error end = ERROR_INIT;
	struct buffer frame;

	rpc_call_log(&call, err);
	if (envelope_error_frame(&frame, stream_id, err) == 0 &&
		connection_send(&session->connection, &frame, true, NULL, NULL) == 0)
		return;
	buffer_release(&frame);
	error_set(&end, STATUS_UNAVAILABLE, ENOMEM, "queue an answer");
	connection_end(&session->connection, &end);
}

/* ---- a request ----------------------------------------------------------------------- */

static bool stream_open(const struct session *session, uint32_t stream_id)
{
	if (stream_id > session->highest_stream)
		return false;
	list_for_each (node, &session->calls)
		if (list_entry(node, struct rpc_call, node)->stream_id == stream_id)
			return true;
	return false;
}

static int check_stream(struct session *session, uint32_t stream_id, struct error *err)
{
	struct ttrpc_server *server = session->server;

	if (stream_id % 2 == 0)
		return error_invalid(err, "stream id must be odd, not %" PRIu32, stream_id);
	if (stream_open(session, stream_id))
		return error_invalid(err, "stream id %" PRIu32 " is in use", stream_id);
	if (stream_id > session->highest_stream)
		session->highest_stream = stream_id;
	if (session->call_count >= CALLS_PER_CONNECTION_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0,
			"%d calls are in flight on this connection", CALLS_PER_CONNECTION_MAX);
	if (server->call_count >= CALLS_MAX || server->call_memory >= CALLS_MEMORY_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0,
			"%u calls with %zu bytes are in flight", server->call_count,
			server->call_memory);
	return 0;
}

/* The two names of a request as text, for messages about rows that do not exist. */
struct names {
	char service[128], method[128];
};

static void copy_name(char *out, size_t size, struct view name)
{
	size_t len = name.len < size ? name.len : size - 1;

	memcpy(out, name.data, len);
	out[len] = '\0';
}

static const struct rpc_method *find_method(const struct ttrpc_server *server,
	const struct envelope_request *request, const struct names *names, struct error *err)
{
	bool service_known = false;

	for (size_t i = 0; i < server->method_count; i++) {
		const struct rpc_method *row = &server->methods[i];

		if (!view_equals(request->service, row->service))
			continue;
		service_known = true;
		if (!view_equals(request->method, row->name))
			continue;
		if (row->handler)
			return row;
		error_set(err, STATUS_UNIMPLEMENTED, 0, "%s method is not implemented", row->name);
		return NULL;
	}
	if (service_known)
		error_set(err, STATUS_UNIMPLEMENTED, 0, "%s method", names->method);
	else
		error_invalid(err, "%s service does not exist", names->service);
	return NULL;
}

static int fill_call(
	struct rpc_call *call, const struct envelope_request *request, struct error *err)
{
	int r = message_decode(call->method->request, &call->arena, request->payload.data,
		request->payload.len, &call->request, err);

	if (r < 0)
		return r;
	if (request->metadata_count > 0) {
		r = envelope_metadata(
			request, &call->arena, &call->metadata_keys, &call->metadata_values, err);
		if (r < 0)
			return r;
		call->metadata_count = request->metadata_count;
	}
	call->response = message_new(call->method->response, &call->arena);
	if (!call->response)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"the request leaves no room for a response in the call's %zu bytes",
			call->arena.budget);
	return 0;
}

static void start_call(struct session *session, uint32_t stream_id, const struct rpc_method *method,
	const struct envelope_request *request)
{
	struct error err = ERROR_INIT;
	struct rpc_call *call = rpc_call_new(session, stream_id);

	if (!call) {
		error_set(&err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "allocate a call");
		refuse(session, stream_id, method, &err);
		return;
	}
	call->method = method;
	if (fill_call(call, request, &err) < 0) {
		rpc_call_fail(call, &err);
		return;
	}
	call->charged = call->arena.used;
	session->server->call_memory += call->charged;
	rpc_call_run(call, request->timeout_nano);
}

static void on_frame(
	struct ttrpc_connection *connection, const struct frame_header *header, const uint8_t *body)
{
	struct session *session = session_from(connection);
	struct envelope_request request;
	const struct rpc_method *method;
	struct names names;
	struct error err = ERROR_INIT;

	if (check_stream(session, header->stream_id, &err) < 0 ||
		envelope_decode_request(body, header->length, &request, &err) < 0) {
		refuse(session, header->stream_id, NULL, &err);
		return;
	}
	copy_name(names.service, sizeof(names.service), request.service);
	copy_name(names.method, sizeof(names.method), request.method);
	method = find_method(session->server, &request, &names, &err);
	if (method) {
		start_call(session, header->stream_id, method, &request);
	} else {
		const struct rpc_method row = {.service = names.service, .name = names.method};

		refuse(session, header->stream_id, &row, &err);
	}
}

/* ---- the connection's events --------------------------------------------------------- */

static enum frame_verdict on_begin(
	struct ttrpc_connection *connection, const struct frame_header *header)
{
	bool wanted = header->type == FRAME_REQUEST && header->length <= FRAME_MAX;

	return wanted ? FRAME_TAKE : FRAME_SKIP;
}

/*
 * No method of ours streams. Data for a call that is open (its request said "remote open") is
 * tolerated and dropped, as are frame types we do not know.
 */
static void on_skipped(
	struct ttrpc_connection *connection, const struct frame_header *header, bool lacks_memory)
{
	struct session *session = session_from(connection);
	struct error err = ERROR_INIT;

	if (header->type != FRAME_REQUEST && header->type != FRAME_DATA)
		return;
	if (header->length > FRAME_MAX)
		error_invalid(&err, "frame of %" PRIu32 " bytes is over the limit of %d",
			header->length, FRAME_MAX);
	else if (lacks_memory)
		error_set(&err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"no memory for a frame of %" PRIu32 " bytes", header->length);
	else if (stream_open(session, header->stream_id))
		return;
	else
		error_invalid(
			&err, "data for stream %" PRIu32 ", which is not open", header->stream_id);
	refuse(session, header->stream_id, NULL, &err);
}

void session_cancel_calls(struct session *session, int reason)
{
	while (!list_empty(&session->calls)) {
		struct rpc_call *call = list_entry(session->calls.next, struct rpc_call, node);

		rpc_call_cancel(call, reason);
	}
}

/* Nobody waits for answers any more that are not made yet (server.h). */
static void on_eof(struct ttrpc_connection *connection)
{
	session_cancel_calls(session_from(connection), -ECONNRESET);
}

static void on_closed(struct ttrpc_connection *connection, const struct error *err)
{
	session_free(session_from(connection), -ECONNRESET);
}

static void on_drained(struct ttrpc_connection *connection)
{
	server_progress(session_from(connection)->server);
}

static const struct connection_ops session_ops = {
	.begin = on_begin,
	.frame = on_frame,
	.skipped = on_skipped,
	.eof = on_eof,
	.closed = on_closed,
	.drained = on_drained,
};

int session_new(struct ttrpc_server *server, int fd, struct error *err)
{
	struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session) {
		close_fd(&fd);
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "allocate a session");
	}
	list_init(&session->calls);
	session->server = server;
	r = connection_init(
		&session->connection, server->loop, fd, &session_ops, &server->budget, err);
	if (r < 0) {
		free(session);
		return r;
	}
	list_append(&server->sessions, &session->node);
	server->session_count++;
	return 0;
}

void session_free(struct session *session, int reason)
{
	struct ttrpc_server *server = session->server;

	session_cancel_calls(session, reason);
	connection_release(&session->connection);
	list_remove(&session->node);
	server->session_count--;
	free(session);
	server_progress(server);
}
