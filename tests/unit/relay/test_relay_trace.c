/* relay_trace, relay_show: calls out of a byte stream, however it is cut; what is no ttrpc. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test_main.h"
#include "base/cleanup.h"
#include "hard_limits.h"
#include "relay/relay_trace.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"

#include "health.pb-c.h"

#define MS 1000000ull

static char *text;
static size_t text_len;
static FILE *file;

static void begin(struct relay_trace *trace)
{
	file = open_memstream(&text, &text_len);
	assert_non_null(file);
	relay_trace_init(trace, file, 7);
}

static void end(struct relay_trace *trace)
{
	relay_trace_release(trace);
	fclose(file);
	free(text);
	text = NULL;
}

static struct json_object *line(unsigned number)
{
	const char *at = text;

	fflush(file);
	at = text;
	while (number-- > 0 && at)
		at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
	return at && *at ? json_tokener_parse(at) : NULL;
}

static void has(unsigned number, const char *key, const char *want)
{
	struct json_object *json = line(number), *value;

	if (!json)
		fail_msg("there is no line %u", number);
	if (!json_object_object_get_ex(json, key, &value))
		fail_msg("line %u has no %s: %s", number, key, text);
	assert_string_equal(json_object_get_string(value), want);
	json_object_put(json);
}

static unsigned lines(void)
{
	unsigned count = 0;

	fflush(file);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		count++;
	return count;
}

static void request_frame(struct buffer *out, uint32_t stream)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	buffer_init(out, 0);
	request.service = (char *)"anything";
	assert_int_equal(
		envelope_request_frame(out, stream, "grpc.Health", "Check", &request.base, 0, NULL),
		0);
}

static void reply_frame(struct buffer *out, uint32_t stream, int status)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;
	struct error error = {.status = status, .text = "refused"};

	buffer_init(out, 0);
	if (status)
		assert_int_equal(envelope_error_frame(out, stream, &error), 0);
	else
		assert_int_equal(envelope_reply_frame(out, stream, &reply.base, NULL), 0);
}

/* Two calls whose answers come in the other order, in pieces of every size. */
static void follows_calls_in_any_pieces(void **state)
{
	struct buffer one, two, first, second;

	request_frame(&one, 1);
	request_frame(&two, 3);
	reply_frame(&first, 3, 0);
	reply_frame(&second, 1, STATUS_NOT_FOUND);
	assert_int_equal(buffer_append(&one, two.data, two.len), 0);
	assert_int_equal(buffer_append(&first, second.data, second.len), 0);
	for (size_t piece = 1; piece <= one.len; piece++) {
		struct relay_trace trace;

		begin(&trace);
		for (size_t at = 0; at < one.len; at += piece)
			relay_trace_feed(&trace, RELAY_TO_AGENT, one.data + at,
				piece < one.len - at ? piece : one.len - at, 1000 * MS);
		for (size_t at = 0; at < first.len; at += piece)
			relay_trace_feed(&trace, RELAY_FROM_AGENT, first.data + at,
				piece < first.len - at ? piece : first.len - at, 1005 * MS);
		assert_int_equal(lines(), 4);
		has(0, "direction", "to-agent");
		has(0, "kind", "request");
		has(0, "method", "grpc.Health/Check");
		has(0, "stream", "1");
		has(0, "connection", "7");
		has(0, "time", "1.000000");
		has(2, "kind", "response");
		has(2, "stream", "3");
		has(2, "status", "0");
		has(2, "latency_us", "5000");
		has(3, "stream", "1");
		has(3, "status", "5");
		has(3, "method", "grpc.Health/Check");
		assert_int_equal(trace.call_count, 0);
		end(&trace);
	}
	buffer_release(&one);
	buffer_release(&two);
	buffer_release(&first);
	buffer_release(&second);
}

static void a_reply_to_nothing_is_shown(void **state)
{
	struct relay_trace trace;
	struct buffer reply;

	begin(&trace);
	reply_frame(&reply, 9, 0);
	relay_trace_feed(&trace, RELAY_FROM_AGENT, reply.data, reply.len, MS);
	has(0, "status", "0");
	assert_null(strstr(text, "latency"));
	assert_null(strstr(text, "method"));
	buffer_release(&reply);
	end(&trace);
}

/* Somebody speaks another protocol: one line, then silence, and no memory. */
static void gives_up_on_what_is_no_ttrpc(void **state)
{
	struct relay_trace trace;
	static const char http[] = "GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n";

	begin(&trace);
	for (int i = 0; i < 1000; i++)
		relay_trace_feed(&trace, RELAY_TO_AGENT, http, strlen(http), MS);
	assert_int_equal(lines(), 1);
	has(0, "kind", "other");
	assert_int_equal(trace.half[RELAY_TO_AGENT].frame.cap, 0);
	/* The other direction is read all the same. */
	assert_false(trace.half[RELAY_FROM_AGENT].lost);
	end(&trace);
}

static void frames_that_do_not_decode_have_a_line(void **state)
{
	struct relay_trace trace;
	struct frame_header headers[] = {{4, 1, FRAME_REQUEST, 0}, {4, 1, FRAME_RESPONSE, 0},
		{4, 1, 77, 0}, {4, 1, FRAME_DATA, 0}};
	uint8_t bytes[FRAME_HEADER_SIZE + 4];

	begin(&trace);
	memset(bytes, 0xff, sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		frame_header_encode(&headers[i], bytes);
		relay_trace_feed(&trace, i == 1 ? RELAY_FROM_AGENT : RELAY_TO_AGENT, bytes,
			sizeof(bytes), MS);
	}
	assert_int_equal(lines(), 4);
	has(0, "method", "");
	has(1, "status", "-1");
	has(2, "kind", "other");
	has(3, "kind", "data");
	end(&trace);
}

static void the_longest_frame_is_followed_and_its_memory_given_back(void **state)
{
	struct relay_trace trace;
	struct frame_header header = {FRAME_MAX, 5, FRAME_DATA, 0};
	uint8_t bytes[FRAME_HEADER_SIZE];
	static uint8_t body[65536];

	begin(&trace);
	frame_header_encode(&header, bytes);
	relay_trace_feed(&trace, RELAY_TO_AGENT, bytes, sizeof(bytes), MS);
	for (size_t i = 0; i < FRAME_MAX / sizeof(body); i++)
		relay_trace_feed(&trace, RELAY_TO_AGENT, body, sizeof(body), MS);
	has(0, "bytes", "4194304");
	assert_true(trace.half[RELAY_TO_AGENT].frame.cap < 65536);
	end(&trace);
}

static void calls_that_are_never_answered_are_bounded(void **state)
{
	struct relay_trace trace;

	begin(&trace);
	for (uint32_t i = 0; i < RELAY_TRACE_CALLS_MAX + 10; i++) {
		struct buffer request;

		request_frame(&request, i);
		relay_trace_feed(&trace, RELAY_TO_AGENT, request.data, request.len, MS);
		buffer_release(&request);
	}
	assert_int_equal(trace.call_count, RELAY_TRACE_CALLS_MAX);
	end(&trace);
}

static int show(const char *trace, char *out, size_t size, struct error *err)
{
	FILE *from = fmemopen((void *)trace, strlen(trace), "r");
	FILE *to = fmemopen(out, size, "w");
	int r = relay_show(from, to, err);

	fclose(from);
	fclose(to);
	return r;
}

static void shows_a_table(void **state)
{
	struct error err = ERROR_INIT;
	char out[2048] = "";

	assert_int_equal(show("{\"time\":1.5,\"connection\":2,\"direction\":\"from-agent\","
			      "\"kind\":\"response\",\"stream\":5,\"bytes\":12,"
			      "\"method\":\"grpc.Health/Check\\u001b[2J\",\"status\":5,"
			      "\"latency_us\":1234}\n{}\n",
				 out, sizeof(out), &err),
		0);
	assert_non_null(strstr(out, "<-       12"));
	assert_non_null(strstr(out, "1.234 ms"));
	assert_non_null(strstr(out, "NOT_FOUND"));
	/* Nothing that a terminal obeys. */
	assert_non_null(strstr(out, "grpc.Health/Check?[2J"));
	assert_true(show("{}\nno json\n", out, sizeof(out), &err) < 0);
	assert_non_null(strstr(err.text, "line 2: "));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(follows_calls_in_any_pieces),
	cmocka_unit_test(a_reply_to_nothing_is_shown),
	cmocka_unit_test(gives_up_on_what_is_no_ttrpc),
	cmocka_unit_test(frames_that_do_not_decode_have_a_line),
	cmocka_unit_test(the_longest_frame_is_followed_and_its_memory_given_back),
	cmocka_unit_test(calls_that_are_never_answered_are_bounded),
	cmocka_unit_test(shows_a_table),
};

TEST_MAIN(tests)
