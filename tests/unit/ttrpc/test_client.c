/* Tests of agent/ttrpc/client.c against our own server in the same loop, and against raw peers. */
#include "lib/test_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "empty.pb-c.h"
#include "hard_limits.h"
#include "health.pb-c.h"
#include "lib/echo_service.h"
#include "lib/ttrpc_peer.h"
#include "ttrpc/client.h"
#include "ttrpc/server.h"

struct fixture {
	struct event_loop *loop;
	struct echo_service echo;
	struct ttrpc_server *server; /* one of these two is the agent */
	struct ttrpc_peer agent;
	struct ttrpc_client *client;
	unsigned closed;
	struct error closed_err;
	unsigned answered, failed;
	struct error last;
	bool free_in_callback;
};

static void on_client_closed(struct ttrpc_client *client, const struct error *err)
{
	struct fixture *fx = ttrpc_client_context(client);

	fx->closed++;
	fx->closed_err = *err;
	if (fx->free_in_callback) {
		ttrpc_client_free(client);
		fx->client = NULL;
	}
}

static void no_log(const struct rpc_call *call, const struct error *err)
{
}

static void step(void *context)
{
	assert_true(event_loop_step(((struct fixture *)context)->loop, 1) >= 0);
}

static int set_up_ends(void **state, bool raw)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	int fds[2];

	fx->loop = event_loop_new();
	fx->agent.fd = -1;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
	if (raw) {
		peer_init(&fx->agent, fds[0], step, fx);
	} else {
		echo_service_init(&fx->echo, fx->loop);
		fx->server = ttrpc_server_new(fx->loop, echo_methods, echo_method_count, &fx->echo);
		ttrpc_server_set_error_log(fx->server, no_log);
		assert_int_equal(ttrpc_server_serve_fd(fx->server, fds[0], NULL), 0);
	}
	fx->client = ttrpc_client_new(fx->loop, fds[1], on_client_closed, fx);
	assert_non_null(fx->client);
	*state = fx;
	return 0;
}

/* A client and our server on the two ends of a socket pair. */
static int set_up(void **state)
{
	return set_up_ends(state, false);
}

/* A client and a hand-made agent. */
static int set_up_raw(void **state)
{
	return set_up_ends(state, true);
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	ttrpc_client_free(fx->client);
	ttrpc_server_free(fx->server);
	peer_release(&fx->agent);
	event_loop_free(fx->loop);
	free(fx);
	return 0;
}

static void step_until_quiet(struct fixture *fx)
{
	while (event_loop_step(fx->loop, 0) > 0)
		continue;
}

static int call_text(struct fixture *fx, struct client_call *call, const char *method,
	const char *text, uint64_t timeout_ms, struct error *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	request.service = (char *)text;
	return client_call_wait(fx->client, call, ECHO_SERVICE, method, &request.base,
		&grpc__version_check_response__descriptor, timeout_ms, err);
}

static void on_done(struct client_call *call, int result, const struct error *err)
{
	struct fixture *fx = call->data;

	if (result == 0) {
		assert_null(err);
		fx->answered++;
	} else {
		assert_true(result < 0);
		fx->failed++;
		fx->last = *err;
	}
	if (fx->free_in_callback && fx->client) {
		struct ttrpc_client *client = fx->client;

		fx->client = NULL;
		ttrpc_client_free(client);
	}
}

static int start_text(struct fixture *fx, struct client_call *call, const char *method,
	const char *text, uint64_t timeout_ms, struct error *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	request.service = (char *)text;
	call->data = fx;
	return client_call_start(fx->client, call, ECHO_SERVICE, method, &request.base,
		&grpc__version_check_response__descriptor, timeout_ms, on_done, err);
}

static const char *text_of(const struct client_call *call)
{
	return ((Grpc__VersionCheckResponse *)call->response)->grpc_version;
}

/* ---- against our server ------------------------------------------------------------------------
 */

static void a_call_brings_its_answer(void **state)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	assert_int_equal(call_text(*state, &call, "Version", "hello", 0, &err), 0);
	assert_string_equal(text_of(&call), "hello");
	client_call_release(&call);
	assert_null(call.response);
	/* The struct may be used again. */
	assert_int_equal(call_text(*state, &call, "Version", "again", 1000, &err), 0);
	assert_string_equal(text_of(&call), "again");
	client_call_release(&call);
}

static void errors_carry_code_and_text(void **state)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	assert_int_equal(call_text(*state, &call, "Fail", "5", 0, &err), -ENOENT);
	assert_int_equal(err.status, STATUS_NOT_FOUND);
	assert_string_equal(err.text, "asked to fail with 5: ENOENT: No such file or directory");
	client_call_release(&call);
	assert_int_equal(call_text(*state, &call, "Fail", "77", 0, &err), -EPROTO);
	assert_int_equal(err.status, STATUS_UNKNOWN);
	client_call_release(&call);
	assert_int_equal(call_text(*state, &call, "Absent", "", 0, &err), -ENOSYS);
	assert_int_equal(err.status, STATUS_UNIMPLEMENTED);
	client_call_release(&call);
}

#define MANY 1000

static void many_calls_are_in_flight_at_once(void **state)
{
	static struct client_call calls[MANY];
	struct fixture *fx = *state;
	char text[16];

	memset(calls, 0, sizeof(calls));
	for (int i = 0; i < MANY; i++) {
		str_format(text, sizeof(text), "call %d", i);
		assert_int_equal(start_text(fx, &calls[i], "Park", text, 0, NULL), 0);
	}
	assert_int_equal(ttrpc_client_in_flight(fx->client), MANY);
	while (fx->echo.parked_count < MANY)
		step(fx);
	while (!waiter_list_empty(&fx->echo.parked)) { /* in reverse */
		struct waiter *waiter = list_entry(fx->echo.parked.head.prev, struct waiter, node);

		waiter_unlink(waiter);
		waiter->wake(waiter, 0);
	}
	while (ttrpc_client_in_flight(fx->client) > 0)
		step(fx);
	assert_int_equal(fx->answered, MANY);
	assert_int_equal(fx->failed, 0);
	for (int i = 0; i < MANY; i++) {
		str_format(text, sizeof(text), "call %d", i);
		assert_string_equal(text_of(&calls[i]), text);
		client_call_release(&calls[i]);
	}
}

/* The deadline travels: the agent's answer comes first. */
static void a_timeout_travels_and_the_agent_keeps_it(void **state)
{
	struct fixture *fx = *state;
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	assert_int_equal(call_text(fx, &call, "Park", "", 20, &err), -ETIMEDOUT);
	assert_int_equal(err.status, STATUS_DEADLINE_EXCEEDED);
	assert_string_equal(err.text, "timeout");
	assert_int_equal(fx->echo.cancelled, 1);
	assert_int_equal(call_text(fx, &call, "Version", "on", 20, &err), 0);
	client_call_release(&call);
}

static void a_cancelled_call_is_never_heard_of_again(void **state)
{
	struct client_call given_up = {0}, other = {0};
	struct fixture *fx = *state;

	assert_int_equal(start_text(fx, &given_up, "Park", "", 0, NULL), 0);
	while (fx->echo.parked_count == 0)
		step(fx);
	client_call_cancel(&given_up);
	client_call_cancel(&given_up);
	assert_int_equal(ttrpc_client_in_flight(fx->client), 0);
	waiter_wake_all(&fx->echo.parked, 0); /* its answer comes and is dropped */
	assert_int_equal(call_text(fx, &other, "Version", "fine", 0, NULL), 0);
	assert_int_equal(fx->answered + fx->failed, 0);
	assert_int_equal(fx->closed, 0);
	client_call_release(&other);
	client_call_release(&given_up);
}

static void the_largest_messages_pass(void **state)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__ReadStreamResponse *response;
	uint8_t *data = malloc(FRAME_MAX + 1);
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	struct fixture *fx = *state;

	for (size_t i = 0; i < FRAME_MAX + 1; i++)
		data[i] = (uint8_t)(i >> 8 ^ i);
	request.data = (ProtobufCBinaryData){FRAME_MAX - 40, data};
	assert_int_equal(client_call_wait(fx->client, &call, ECHO_SERVICE, "Write", &request.base,
				 &grpc__read_stream_response__descriptor, 0, &err),
		0);
	response = (Grpc__ReadStreamResponse *)call.response;
	assert_int_equal(response->data.len, FRAME_MAX - 40);
	assert_memory_equal(response->data.data, data, FRAME_MAX - 40);
	client_call_release(&call);
	/* Too long for the protocol is refused here and disturbs nothing. */
	request.data.len = FRAME_MAX + 1;
	assert_true(client_call_wait(fx->client, &call, ECHO_SERVICE, "Write", &request.base,
			    &grpc__read_stream_response__descriptor, 0, &err) < 0);
	assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
	assert_int_equal(call_text(fx, &call, "Version", "ok", 0, &err), 0);
	client_call_release(&call);
	free(data);
}

static void freeing_the_client_fails_what_is_in_flight(void **state)
{
	struct client_call calls[3] = {0};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		assert_int_equal(start_text(fx, &calls[i], "Park", "", 9999, NULL), 0);
	step_until_quiet(fx);
	ttrpc_client_free(fx->client);
	fx->client = NULL;
	assert_int_equal(fx->failed, 3);
	assert_int_equal(fx->last.status, STATUS_CANCELLED);
	assert_int_equal(fx->closed, 0);
	step_until_quiet(fx);
	assert_int_equal(fx->echo.cancelled, 3);
}

static void the_client_may_be_freed_in_done(void **state)
{
	struct client_call calls[3] = {0};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		assert_int_equal(start_text(fx, &calls[i], "Version", "x", 0, NULL), 0);
	fx->free_in_callback = true;
	step_until_quiet(fx);
	assert_null(fx->client);
	assert_int_equal(fx->answered, 1);
	assert_int_equal(fx->failed, 2);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		client_call_release(&calls[i]);
}

static void a_lost_agent_fails_every_call_and_says_so(void **state)
{
	struct client_call calls[2] = {0}, late = {0};
	struct error err = ERROR_INIT;
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		assert_int_equal(start_text(fx, &calls[i], "Park", "", 0, NULL), 0);
	step_until_quiet(fx);
	ttrpc_server_free(fx->server);
	fx->server = NULL;
	step_until_quiet(fx);
	assert_int_equal(fx->failed, 2);
	assert_int_equal(fx->last.status, STATUS_UNAVAILABLE);
	assert_int_equal(fx->closed, 1);
	assert_string_equal(fx->closed_err.text, "the agent closed the connection");
	assert_int_equal(start_text(fx, &late, "Version", "", 0, &err), -ECONNRESET);
	assert_int_equal(err.status, STATUS_UNAVAILABLE);
	assert_int_equal(call_text(fx, &late, "Version", "", 0, &err), -ECONNRESET);
}

/* ---- against a hostile agent
 * ----------------------------------------------------------------------- */

static void the_client_may_be_freed_in_closed(void **state)
{
	struct fixture *fx = *state;

	fx->free_in_callback = true;
	close_fd(&fx->agent.fd);
	step_until_quiet(fx);
	assert_int_equal(fx->closed, 1);
	assert_null(fx->client);
}

static void stream_ids_are_odd_and_rise(void **state)
{
	struct client_call calls[3] = {0};
	struct fixture *fx = *state;

	for (uint32_t i = 0; i < 3; i++) {
		struct peer_frame frame;

		assert_int_equal(start_text(fx, &calls[i], "Version", "", 0, NULL), 0);
		assert_true(peer_read_frame(&fx->agent, &frame));
		assert_int_equal(frame.header.stream_id, 2 * i + 1);
		assert_int_equal(frame.header.type, FRAME_REQUEST);
		assert_int_equal(frame.header.flags, 0);
		peer_frame_release(&frame);
	}
	for (uint32_t i = 0; i < 3; i++)
		client_call_cancel(&calls[i]);
}

static void an_agent_that_never_answers_is_timed_out_here(void **state)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	struct fixture *fx = *state;
	uint64_t start = event_loop_now_ns();

	assert_int_equal(call_text(fx, &call, "Version", "", 10, &err), -ETIMEDOUT);
	assert_int_equal(err.status, STATUS_DEADLINE_EXCEEDED);
	assert_string_equal(err.text, "no answer in time (stream 1)");
	assert_true(event_loop_now_ns() - start < 5000000000);
	/* One late answer is fine, and the connection goes on. */
	assert_true(peer_send_frame(&fx->agent, 1, FRAME_RESPONSE, 0, "\x0a\0", 2));
	step_until_quiet(fx);
	assert_int_equal(fx->closed, 0);
	/* A second one is not. */
	assert_true(peer_send_frame(&fx->agent, 1, FRAME_RESPONSE, 0, "\x0a\0", 2));
	step_until_quiet(fx);
	assert_int_equal(fx->closed, 1);
	assert_string_equal(fx->closed_err.text,
		"the agent broke the protocol: a second response to one call (type 2, stream 1, 2 "
		"bytes)");
}

/* Everything an agent may not do, and what the error says it did. */
static void violations_end_the_connection_by_name(void **state)
{
	static const struct {
		struct frame_header header;
		const char *text;
	} cases[] = {
		{{4, 1, FRAME_REQUEST, 0}, "a frame that is no response"},
		{{4, 1, FRAME_DATA, 0}, "a frame that is no response"},
		{{4, 1, 99, 0}, "a frame that is no response"},
		{{FRAME_MAX + 1, 1, FRAME_RESPONSE, 0}, "a frame over the limit"},
		{{UINT32_MAX, 1, FRAME_RESPONSE, 0}, "a frame over the limit"},
		{{4, 2, FRAME_RESPONSE, 0}, "a response with an even stream id"},
		{{4, 0, FRAME_RESPONSE, 0}, "a response with an even stream id"},
		{{4, 3, FRAME_RESPONSE, 0}, "a response to a call that was never made"},
		{{4, UINT32_MAX, FRAME_RESPONSE, 0}, "a response to a call that was never made"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t bytes[FRAME_HEADER_SIZE];
		struct client_call call = {0};
		struct fixture *fx;
		void *inner;

		set_up_raw(&inner);
		fx = inner;
		assert_int_equal(start_text(fx, &call, "Version", "", 0, NULL), 0);
		frame_header_encode(&cases[i].header, bytes);
		assert_true(peer_write(&fx->agent, bytes, sizeof(bytes)));
		step_until_quiet(fx);
		assert_int_equal(fx->failed, 1);
		assert_int_equal(fx->last.status, STATUS_UNAVAILABLE);
		assert_non_null(strstr(fx->last.text, cases[i].text));
		assert_int_equal(fx->closed, 1);
		assert_non_null(strstr(fx->closed_err.text, cases[i].text));
		tear_down(&inner);
	}
}

static void a_malformed_response_fails_its_call_only(void **state)
{
	static const char bad_payload[] = "\x0a\0\x12\x03\x0a\x05x";
	static const char bad_text[] = "\x0a\0\x12\x03\x0a\x01\xff";
	struct client_call calls[4] = {0};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		assert_int_equal(start_text(fx, &calls[i], "Version", "", 0, NULL), 0);
	assert_true(peer_send_frame(&fx->agent, 1, FRAME_RESPONSE, 0, "\x0a\x07", 2));
	step_until_quiet(fx);
	assert_int_equal(fx->failed, 1);
	assert_int_equal(fx->last.status, STATUS_DATA_LOSS);
	assert_true(peer_send_frame(
		&fx->agent, 3, FRAME_RESPONSE, 0, bad_payload, sizeof(bad_payload) - 1));
	step_until_quiet(fx);
	assert_int_equal(fx->failed, 2);
	assert_int_equal(fx->last.status, STATUS_DATA_LOSS);
	assert_true(
		peer_send_frame(&fx->agent, 5, FRAME_RESPONSE, 0, bad_text, sizeof(bad_text) - 1));
	step_until_quiet(fx);
	assert_int_equal(fx->failed, 3);
	assert_int_equal(fx->last.status, STATUS_DATA_LOSS);
	/* No Status at all is a success. */
	assert_true(peer_send_frame(&fx->agent, 7, FRAME_RESPONSE, 0, "", 0));
	step_until_quiet(fx);
	assert_int_equal(fx->answered, 1);
	assert_int_equal(fx->closed, 0);
	client_call_release(&calls[3]);
}

/* A hostile text in a status: no control characters, no broken UTF-8, not endless. */
static void an_error_text_is_made_harmless(void **state)
{
	char body[3000] = "\x0a\xb4\x17\x08\x0d\x12\xaf\x17";
	struct client_call call = {0};
	struct fixture *fx = *state;

	memset(body + 8, 'x', sizeof(body) - 8);
	memcpy(body + 8, "\x1b[2J\xff\n", 6);
	body[1] = (char)(0x80 | ((sizeof(body) - 3) & 0x7f));
	body[2] = (char)((sizeof(body) - 3) >> 7);
	body[6] = (char)(0x80 | ((sizeof(body) - 8) & 0x7f));
	body[7] = (char)((sizeof(body) - 8) >> 7);
	assert_int_equal(start_text(fx, &call, "Version", "", 0, NULL), 0);
	assert_true(peer_send_frame(&fx->agent, 1, FRAME_RESPONSE, 0, body, sizeof(body)));
	step_until_quiet(fx);
	assert_int_equal(fx->failed, 1);
	assert_int_equal(fx->last.status, STATUS_INTERNAL);
	assert_int_equal(strncmp(fx->last.text, "?[2J??xxx", 9), 0);
	assert_true(strlen(fx->last.text) < sizeof(fx->last.text));
}

static void responses_arrive_in_every_split(void **state)
{
	static const char body[] = "\x0a\0\x12\x05\x0a\x03"
				   "abc";
	struct fixture *fx = *state;
	uint8_t bytes[FRAME_HEADER_SIZE + sizeof(body) - 1];

	for (uint32_t at = 0; at <= sizeof(bytes); at++) {
		struct frame_header header = {sizeof(body) - 1, 2 * at + 1, FRAME_RESPONSE, 0};
		struct client_call call = {0};

		frame_header_encode(&header, bytes);
		memcpy(bytes + FRAME_HEADER_SIZE, body, sizeof(body) - 1);
		assert_int_equal(start_text(fx, &call, "Version", "", 0, NULL), 0);
		assert_true(peer_write(&fx->agent, bytes, at));
		step_until_quiet(fx);
		assert_true(peer_write(&fx->agent, bytes + at, sizeof(bytes) - at));
		step_until_quiet(fx);
		assert_int_equal(fx->answered, at + 1);
		assert_string_equal(text_of(&call), "abc");
		client_call_release(&call);
	}
}

static void an_agent_that_does_not_read_is_reported(void **state)
{
	static struct client_call calls[64];
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	uint8_t *data = calloc(1, 1 << 20);
	struct error err = ERROR_INIT;
	struct fixture *fx = *state;
	size_t i;
	int r = 0;

	memset(calls, 0, sizeof(calls));
	request.data = (ProtobufCBinaryData){1 << 20, data};
	for (i = 0; i < ARRAY_SIZE(calls) && r == 0; i++) {
		calls[i].data = fx;
		r = client_call_start(fx->client, &calls[i], ECHO_SERVICE, "Write", &request.base,
			&grpc__read_stream_response__descriptor, 0, on_done, &err);
		step_until_quiet(fx);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(err.status, STATUS_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(err.text, "queue Write: the agent has not read the last"));
	assert_int_equal(ttrpc_client_in_flight(fx->client), i - 1);
	free(data);
}

/* 4 MiB of empty messages in a response must not become hundreds of megabytes. */
static void a_response_is_bounded_in_memory(void **state)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	size_t payload = FRAME_MAX - 64, len = 0;
	uint8_t *body = malloc(FRAME_MAX);
	struct client_call call = {0};
	struct fixture *fx = *state;

	body[len++] = 0x12;
	for (size_t rest = payload; rest > 0; rest >>= 7)
		body[len++] = (uint8_t)((rest & 0x7f) | (rest >> 7 ? 0x80 : 0));
	for (size_t i = 0; i < payload; i += 2) { /* Routes: field 1, empty */
		body[len++] = 0x0a;
		body[len++] = 0;
	}
	call.data = fx;
	assert_int_equal(client_call_start(fx->client, &call, ECHO_SERVICE, "Routes", &request.base,
				 &grpc__routes__descriptor, 0, on_done, NULL),
		0);
	assert_true(peer_send_frame(&fx->agent, 1, FRAME_RESPONSE, 0, body, (uint32_t)len));
	step_until_quiet(fx);
	assert_int_equal(fx->failed, 1);
	assert_int_equal(fx->last.status, STATUS_RESOURCE_EXHAUSTED);
	assert_int_equal(fx->closed, 0);
	client_call_release(&call);
	free(body);
}

static void hostile_bytes_end_in_an_error(void **state)
{
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct client_call calls[10] = {0};
		unsigned random = seed;
		uint8_t bytes[300];
		struct fixture *fx;
		void *inner;

		set_up_raw(&inner);
		fx = inner;
		for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
			assert_int_equal(start_text(fx, &calls[i], "Version", "", 0, NULL), 0);
		for (int frame = 0; frame < 20; frame++) {
			struct frame_header header = {(uint32_t)(rand_r(&random) % 30),
				(uint32_t)(rand_r(&random) % 22) | 1, FRAME_RESPONSE, 0};

			for (size_t i = 0; i < sizeof(bytes); i++)
				bytes[i] = (uint8_t)rand_r(&random);
			memcpy(bytes + FRAME_HEADER_SIZE, "\x0a\0\x12\x05\x0a\x03", 6);
			if (rand_r(&random) % 8 == 0)
				header.type = bytes[100];
			frame_header_encode(&header, bytes);
			if (!peer_write(&fx->agent, bytes, FRAME_HEADER_SIZE + header.length))
				break;
			step_until_quiet(fx);
		}
		close_fd(&fx->agent.fd);
		step_until_quiet(fx);
		assert_int_equal(fx->closed, 1);
		assert_int_equal(fx->answered + fx->failed, ARRAY_SIZE(calls));
		for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
			client_call_release(&calls[i]);
		tear_down(&inner);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define RAW(name)  cmocka_unit_test_setup_teardown(name, set_up_raw, tear_down)
static const struct CMUnitTest tests[] = {
	TEST(a_call_brings_its_answer),
	TEST(errors_carry_code_and_text),
	TEST(many_calls_are_in_flight_at_once),
	TEST(a_timeout_travels_and_the_agent_keeps_it),
	TEST(a_cancelled_call_is_never_heard_of_again),
	TEST(the_largest_messages_pass),
	TEST(freeing_the_client_fails_what_is_in_flight),
	TEST(the_client_may_be_freed_in_done),
	TEST(a_lost_agent_fails_every_call_and_says_so),
	RAW(the_client_may_be_freed_in_closed),
	RAW(stream_ids_are_odd_and_rise),
	RAW(an_agent_that_never_answers_is_timed_out_here),
	cmocka_unit_test(violations_end_the_connection_by_name),
	RAW(a_malformed_response_fails_its_call_only),
	RAW(an_error_text_is_made_harmless),
	RAW(responses_arrive_in_every_split),
	RAW(an_agent_that_does_not_read_is_reported),
	RAW(a_response_is_bounded_in_memory),
	cmocka_unit_test(hostile_bytes_end_in_an_error),
};
TEST_MAIN(tests)
