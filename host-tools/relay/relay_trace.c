/* relay_trace: see the header. */
#include "relay/relay_trace.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"

struct record {
	uint64_t now_ns;
	enum relay_direction direction;
	const char *kind; /* request, response, data, other */
	const struct frame_header *header;
	const char *method; /* NULL = not known */
	int status;	    /* responses: -1 = does not decode */
	int64_t latency_ns; /* -1 = not known */
};

/* Failing to write a line loses that line only: the stream is more important than its trace. */
static void write_record(struct relay_trace *trace, const struct record *record)
{
	struct json_object *line = json_object_new_object();
	char time[40];

	if (!line)
		return;
	str_format(time, sizeof(time), "%.6f", (double)record->now_ns / 1e9);
	json_object_object_add(
		line, "time", json_object_new_double_s((double)record->now_ns / 1e9, time));
	json_object_object_add(line, "connection", json_object_new_int64(trace->connection));
	json_object_object_add(line, "direction",
		json_object_new_string(
			record->direction == RELAY_TO_AGENT ? "to-agent" : "from-agent"));
	json_object_object_add(line, "kind", json_object_new_string(record->kind));
	if (record->header) {
		json_object_object_add(
			line, "stream", json_object_new_int64(record->header->stream_id));
		json_object_object_add(
			line, "bytes", json_object_new_int64(record->header->length));
	}
	if (record->method)
		json_object_object_add(line, "method", json_object_new_string(record->method));
	if (str_eq(record->kind, "response"))
		json_object_object_add(line, "status", json_object_new_int(record->status));
	if (record->latency_ns >= 0)
		json_object_object_add(
			line, "latency_us", json_object_new_int64(record->latency_ns / 1000));
	fprintf(trace->to, "%s\n",
		json_object_to_json_string_ext(
			line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(trace->to);
	json_object_put(line);
}

/* ---- calls under way ---- */

static void remember(
	struct relay_trace *trace, uint32_t stream, const char *method, uint64_t now_ns)
{
	struct relay_trace_call *call;

	if (trace->call_count == RELAY_TRACE_CALLS_MAX)
		return;
	if (trace->call_count == trace->call_room) {
		size_t room = trace->call_room ? trace->call_room * 2 : 16;

		call = reallocarray(trace->calls, room, sizeof(*call));
		if (!call)
			return;
		trace->calls = call;
		trace->call_room = room;
	}
	call = &trace->calls[trace->call_count++];
	call->stream = stream;
	call->start_ns = now_ns;
	str_copy(call->method, sizeof(call->method), method);
}

/* The answer to a stream's call ends it. False when nothing is known of it. */
static bool recall(struct relay_trace *trace, uint32_t stream, struct relay_trace_call *ret)
{
	for (size_t i = 0; i < trace->call_count; i++) {
		if (trace->calls[i].stream != stream)
			continue;
		*ret = trace->calls[i];
		trace->calls[i] = trace->calls[--trace->call_count];
		return true;
	}
	return false;
}

/* ---- frames ---- */

static void take_request(struct relay_trace *trace, struct record *record, const uint8_t *body)
{
	struct envelope_request request;
	char method[sizeof(((struct relay_trace_call *)0)->method)] = "";

	if (envelope_decode_request(body, record->header->length, &request, NULL) == 0)
		str_format(method, sizeof(method), "%.*s/%.*s",
			(int)(request.service.len < 60 ? request.service.len : 60),
			(const char *)request.service.data,
			(int)(request.method.len < 60 ? request.method.len : 60),
			(const char *)request.method.data);
	record->method = method;
	remember(trace, record->header->stream_id, method, record->now_ns);
	write_record(trace, record);
}

static void take_response(struct relay_trace *trace, struct record *record, const uint8_t *body)
{
	struct envelope_response response;
	struct relay_trace_call call;

	record->status = -1;
	if (envelope_decode_response(body, record->header->length, &response, NULL) == 0)
		record->status = response.code;
	if (recall(trace, record->header->stream_id, &call)) {
		record->method = call.method;
		if (record->now_ns >= call.start_ns)
			record->latency_ns = (int64_t)(record->now_ns - call.start_ns);
	}
	write_record(trace, record);
}

static void take_frame(struct relay_trace *trace, struct record *record, const uint8_t *body)
{
	uint8_t type = record->header->type;

	if (type == FRAME_REQUEST && record->direction == RELAY_TO_AGENT) {
		record->kind = "request";
		take_request(trace, record, body);
	} else if (type == FRAME_RESPONSE && record->direction == RELAY_FROM_AGENT) {
		record->kind = "response";
		take_response(trace, record, body);
	} else {
		record->kind = type == FRAME_DATA ? "data" : "other";
		write_record(trace, record);
	}
}

/* Nothing of this direction is understood from here on. */
static void lose(struct relay_trace *trace, struct record *record)
{
	trace->half[record->direction].lost = true;
	buffer_release(&trace->half[record->direction].frame);
	record->kind = "other";
	write_record(trace, record);
}

/* How many bytes the frame still wants, its header first. */
static size_t wanted(const struct relay_trace_half *half)
{
	if (half->frame.len < FRAME_HEADER_SIZE)
		return FRAME_HEADER_SIZE - half->frame.len;
	return FRAME_HEADER_SIZE + frame_header_decode(half->frame.data).length - half->frame.len;
}

void relay_trace_feed(struct relay_trace *trace, enum relay_direction direction, const void *data,
	size_t len, uint64_t now_ns)
{
	struct relay_trace_half *half = &trace->half[direction];
	const uint8_t *at = data;

	while (len > 0 && !half->lost) {
		struct record record = {.now_ns = now_ns, .direction = direction, .latency_ns = -1};
		size_t want = wanted(half), take = want < len ? want : len;
		struct frame_header header;

		if (buffer_append(&half->frame, at, take) < 0) {
			lose(trace, &record);
			return;
		}
		at += take;
		len -= take;
		if (half->frame.len < FRAME_HEADER_SIZE)
			return;
		header = frame_header_decode(half->frame.data);
		record.header = &header;
		if (header.length > FRAME_MAX) {
			lose(trace, &record);
			return;
		}
		if (wanted(half) > 0)
			continue;
		take_frame(trace, &record, half->frame.data + FRAME_HEADER_SIZE);
		/* A large frame's memory is not kept for the small ones that follow. */
		if (half->frame.cap > 65536)
			buffer_release(&half->frame);
		else
			buffer_clear(&half->frame);
	}
}

void relay_trace_init(struct relay_trace *trace, FILE *to, unsigned connection)
{
	memset(trace, 0, sizeof(*trace));
	trace->to = to;
	trace->connection = connection;
	for (int i = 0; i < 2; i++)
		buffer_init(&trace->half[i].frame, FRAME_HEADER_SIZE + FRAME_MAX);
}

void relay_trace_release(struct relay_trace *trace)
{
	for (int i = 0; i < 2; i++)
		buffer_release(&trace->half[i].frame);
	free(take_ptr(trace->calls));
}
