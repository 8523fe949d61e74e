/* Tests of agent/ttrpc/{server,session,rpc_call}.c with raw peers on socket pairs, in one loop. */
#include "lib/test_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "health.pb-c.h"
#include "lib/echo_service.h"
#include "lib/scratch.h"
#include "lib/ttrpc_peer.h"
#include "ttrpc/server.h"
#include "ttrpc/session.h"

struct fixture {
	struct event_loop *loop;
	struct echo_service echo;
	struct ttrpc_server *server;
	struct ttrpc_peer peer;
	unsigned stopped;
};

static unsigned errors_logged;
static char last_logged[1024];

static void log_error(const struct rpc_call *call, const struct error *err)
{
	char text[ERROR_RENDER_MAX], peer[32];

	errors_logged++;
	str_format(last_logged, sizeof(last_logged), "%s.%s/%u from %s: %s", call->method->service,
		call->method->name, call->stream_id,
		str_starts(connection_peer(call->connection, peer, sizeof(peer)), "unix pid ")
			? "unix"
			: peer,
		error_render(err, text, sizeof(text)));
}

static void step(void *context)
{
	assert_true(event_loop_step(((struct fixture *)context)->loop, 1) >= 0);
}

static void add_peer(struct fixture *fx, struct ttrpc_peer *peer)
{
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
	assert_int_equal(ttrpc_server_serve_fd(fx->server, fds[0], NULL), 0);
	peer_init(peer, fds[1], step, fx);
}

static int set_up(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	fx->loop = event_loop_new();
	echo_service_init(&fx->echo, fx->loop);
	fx->server = ttrpc_server_new(fx->loop, echo_methods, echo_method_count, &fx->echo);
	ttrpc_server_set_error_log(fx->server, log_error);
	errors_logged = 0;
	add_peer(fx, &fx->peer);
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	if (fx->server) {
		ttrpc_server_free(fx->server);
		assert_true(waiter_list_empty(&fx->echo.parked));
	}
	peer_release(&fx->peer);
	event_loop_free(fx->loop);
	free(fx);
	return 0;
}

static void step_until_quiet(struct fixture *fx)
{
	while (event_loop_step(fx->loop, 0) > 0)
		continue;
}

static bool send_text(struct ttrpc_peer *peer, uint32_t stream_id, const char *method,
	const char *text, int64_t timeout_nano)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	request.service = (char *)text;
	return peer_send_request(
		peer, stream_id, ECHO_SERVICE, method, &request.base, timeout_nano);
}

static bool send_read(struct ttrpc_peer *peer, uint32_t stream_id, const char *method, uint32_t len)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	request.len = len;
	return peer_send_request(peer, stream_id, ECHO_SERVICE, method, &request.base, 0);
}

/* The next frame is a success for this stream with this text. */
static void expect_text(struct ttrpc_peer *peer, uint32_t stream_id, const char *text)
{
	struct envelope_response response;
	Grpc__VersionCheckResponse *version;
	struct peer_frame frame;

	assert_true(peer_read_frame(peer, &frame));
	assert_int_equal(frame.header.stream_id, stream_id);
	assert_int_equal(frame.header.type, FRAME_RESPONSE);
	assert_int_equal(
		envelope_decode_response(frame.body, frame.header.length, &response, NULL), 0);
	assert_int_equal(response.code, 0);
	version = grpc__version_check_response__unpack(
		NULL, response.payload.len, response.payload.data);
	assert_non_null(version);
	assert_string_equal(version->grpc_version, text);
	grpc__version_check_response__free_unpacked(version, NULL);
	peer_frame_release(&frame);
}

static void expect_error(
	struct ttrpc_peer *peer, uint32_t stream_id, int code, const char *expected)
{
	char text[ERROR_RENDER_MAX];

	assert_int_equal(peer_read_status(peer, stream_id, text, sizeof(text)), code);
	assert_string_equal(text, expected);
}

static void expect_works(struct ttrpc_peer *peer, uint32_t stream_id)
{
	assert_true(send_text(peer, stream_id, "Version", "still here", 0));
	expect_text(peer, stream_id, "still here");
}

/* Reads one Read answer: its length, or minus the code of an error. */
static int64_t read_answer(struct ttrpc_peer *peer, uint32_t *stream_id)
{
	struct envelope_response response;
	Grpc__ReadStreamResponse *read;
	struct peer_frame frame;
	int64_t result;

	assert_true(peer_read_frame(peer, &frame));
	*stream_id = frame.header.stream_id;
	assert_int_equal(
		envelope_decode_response(frame.body, frame.header.length, &response, NULL), 0);
	result = -response.code;
	if (response.code == 0) {
		read = grpc__read_stream_response__unpack(
			NULL, response.payload.len, response.payload.data);
		assert_non_null(read);
		for (size_t i = 0; i < read->data.len; i++)
			if (read->data.data[i] != i % 251)
				fail_msg("byte %zu is wrong", i);
		result = (int64_t)read->data.len;
		grpc__read_stream_response__free_unpacked(read, NULL);
	}
	peer_frame_release(&frame);
	return result;
}

/* ---- answers ------------------------------------------------------------------------------ */

static void an_empty_reply_is_twelve_bytes(void **state)
{
	static const uint8_t expected[] = {0, 0, 0, 2, 0, 0, 0, 9, 2, 0, 0x0a, 0};
	struct fixture *fx = *state;
	uint8_t bytes[sizeof(expected)];

	assert_true(send_text(&fx->peer, 9, "Empty", "", 0));
	assert_int_equal(peer_read(&fx->peer, bytes, sizeof(bytes)), sizeof(bytes));
	assert_memory_equal(bytes, expected, sizeof(bytes));
}

static void requests_arrive_in_every_split(void **state)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct fixture *fx = *state;
	struct buffer first, second;

	request.service = (char *)"one";
	peer_make_request(&first, 1, ECHO_SERVICE, "Version", &request.base, 0);
	request.service = (char *)"two";
	peer_make_request(&second, 3, ECHO_SERVICE, "Version", &request.base, 0);
	assert_int_equal(buffer_append(&first, second.data, second.len), 0);
	for (size_t at = 0; at <= first.len; at++) {
		assert_true(peer_write(&fx->peer, first.data, at));
		step_until_quiet(fx);
		assert_true(peer_write(&fx->peer, first.data + at, first.len - at));
		expect_text(&fx->peer, 1, "one");
		expect_text(&fx->peer, 3, "two");
	}
	assert_true(peer_write_split(&fx->peer, first.data, first.len, 1));
	expect_text(&fx->peer, 1, "one");
	expect_text(&fx->peer, 3, "two");
	buffer_release(&first);
	buffer_release(&second);
}

static void a_thousand_streams_are_answered_in_reverse(void **state)
{
	struct fixture *fx = *state;
	char text[16];

	for (uint32_t i = 0; i < 1000; i++) {
		str_format(text, sizeof(text), "call %u", i);
		assert_true(send_text(&fx->peer, 2 * i + 1, "Park", text, 0));
		if (i % 100 == 0)
			step_until_quiet(fx);
	}
	step_until_quiet(fx);
	assert_int_equal(fx->echo.parked_count, 1000);
	assert_int_equal(ttrpc_server_calls(fx->server), 1000);
	while (!waiter_list_empty(&fx->echo.parked)) {
		struct waiter *waiter = list_entry(fx->echo.parked.head.prev, struct waiter, node);

		waiter_unlink(waiter);
		waiter->wake(waiter, 0);
	}
	assert_int_equal(ttrpc_server_calls(fx->server), 0);
	for (uint32_t i = 1000; i-- > 0;) {
		str_format(text, sizeof(text), "call %u", i);
		expect_text(&fx->peer, 2 * i + 1, text);
	}
	step_until_quiet(fx);
	assert_int_equal(fx->echo.delivered, 1000);
}

static void a_handler_may_complete_its_call_at_once(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 1, "AtOnce", "", 50000000));
	assert_true(send_text(&fx->peer, 3, "AtOnce", "told", 50000000));
	assert_true(send_text(&fx->peer, 5, "AtOnce", "!", 50000000));
	expect_text(&fx->peer, 1, "");
	expect_text(&fx->peer, 3, "told");
	expect_error(&fx->peer, 5, STATUS_ABORTED, "failed at once");
	step_until_quiet(fx);
	assert_int_equal(fx->echo.delivered, 1);
	assert_int_equal(ttrpc_server_calls(fx->server), 0);
	assert_int_equal(fx->server->call_memory, 0);
	assert_true(send_text(&fx->peer, 7, "Delay", "80", 0));
	expect_text(&fx->peer, 7, "80"); /* no deadline was left running */
}

static void metadata_reaches_the_handler(void **state)
{
	/* {service, method, metadata {"trace", "1"}, {"agent-ctl-cfg", "auto-values"}} */
	static const char body[] = "\x0a\x09test.Echo\x12\x08Metadata\x2a\x0a\x0a\x05trace\x12\x01"
				   "1\x2a\x1c\x0a\x0d"
				   "agent-ctl-cfg\x12\x0b"
				   "auto-values";
	struct fixture *fx = *state;

	assert_true(peer_send_frame(&fx->peer, 1, FRAME_REQUEST, 0, body, sizeof(body) - 1));
	expect_text(&fx->peer, 1, "trace=1,agent-ctl-cfg=auto-values");
	assert_true(send_text(&fx->peer, 3, "Metadata", "", 0));
	expect_text(&fx->peer, 3, "");
}

static void largest_messages_pass_in_both_directions(void **state)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct fixture *fx = *state;
	uint8_t *data = malloc(FRAME_MAX);
	uint32_t stream_id;

	for (size_t i = 0; i < FRAME_MAX; i++)
		data[i] = (uint8_t)(i % 251);
	request.data = (ProtobufCBinaryData){FRAME_MAX - 40, data};
	assert_true(peer_send_request(&fx->peer, 1, ECHO_SERVICE, "Write", &request.base, 0));
	assert_int_equal(read_answer(&fx->peer, &stream_id), FRAME_MAX - 40);
	assert_true(send_read(&fx->peer, 3, "Read", FRAME_MAX - 12));
	assert_int_equal(read_answer(&fx->peer, &stream_id), FRAME_MAX - 12);
	step_until_quiet(fx);
	assert_int_equal(fx->server->budget.used, 0);
	assert_int_equal(fx->server->call_memory, 0);
	free(data);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void failures_carry_code_text_and_errno(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 1, "Fail", "9", 0));
	expect_error(&fx->peer, 1, STATUS_FAILED_PRECONDITION,
		"asked to fail with 9: ENOENT: No such file or directory");
	assert_int_equal(errors_logged, 1);
	assert_string_equal(last_logged,
		"test.Echo.Fail/1 from unix: asked to fail with 9: ENOENT: No such file or "
		"directory");
	/* A handler that did not fill its error. */
	assert_true(send_text(&fx->peer, 3, "Fail", "x", 0));
	expect_error(&fx->peer, 3, STATUS_INVALID_ARGUMENT, "Fail: EINVAL: Invalid argument");
	assert_int_equal(errors_logged, 2);
}

static void unknown_names_are_refused_like_the_rust_agent_does(void **state)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct fixture *fx = *state;

	assert_true(peer_send_request(&fx->peer, 1, "no.Service", "Check", &request.base, 0));
	expect_error(&fx->peer, 1, STATUS_INVALID_ARGUMENT, "no.Service service does not exist");
	assert_true(peer_send_request(&fx->peer, 3, ECHO_SERVICE, "NoMethod", &request.base, 0));
	expect_error(&fx->peer, 3, STATUS_UNIMPLEMENTED, "NoMethod method");
	assert_string_equal(last_logged, "test.Echo.NoMethod/3 from unix: NoMethod method");
	assert_true(peer_send_request(&fx->peer, 5, ECHO_SERVICE, "Absent", &request.base, 0));
	expect_error(&fx->peer, 5, STATUS_UNIMPLEMENTED, "Absent method is not implemented");
	/* Longer than any name: cut, not overrun. */
	assert_true(peer_send_request(&fx->peer, 7,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"Check", &request.base, 0));
	assert_int_equal(peer_read_status(&fx->peer, 7, NULL, 0), STATUS_INVALID_ARGUMENT);
	assert_int_equal(errors_logged, 4);
}

static void malformed_bytes_fail_that_call_only(void **state)
{
	static const char bad_payload[] = "\x0a\x09test.Echo\x12\x07Version\x1a\x02\x0a\x05";
	struct fixture *fx = *state;

	assert_true(peer_send_frame(&fx->peer, 1, FRAME_REQUEST, 0, "\x0a\x05xx", 4));
	expect_error(&fx->peer, 1, STATUS_INVALID_ARGUMENT,
		"request envelope: field 1 is cut off or too long");
	assert_true(peer_send_frame(
		&fx->peer, 3, FRAME_REQUEST, 0, bad_payload, sizeof(bad_payload) - 1));
	assert_int_equal(peer_read_status(&fx->peer, 3, NULL, 0), STATUS_UNKNOWN);
	assert_true(peer_send_frame(&fx->peer, 5, FRAME_REQUEST, 0, "", 0));
	expect_error(&fx->peer, 5, STATUS_INVALID_ARGUMENT, " service does not exist");
	assert_int_equal(errors_logged, 3);
	expect_works(&fx->peer, 7);
}

static void stream_ids_are_checked(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 4, "Version", "", 0));
	expect_error(&fx->peer, 4, STATUS_INVALID_ARGUMENT, "stream id must be odd, not 4");
	assert_true(send_text(&fx->peer, 0, "Version", "", 0));
	expect_error(&fx->peer, 0, STATUS_INVALID_ARGUMENT, "stream id must be odd, not 0");
	assert_true(send_text(&fx->peer, UINT32_MAX, "Version", "last", 0));
	expect_text(&fx->peer, UINT32_MAX, "last");
	assert_true(send_text(&fx->peer, 11, "Park", "first", 0));
	assert_true(send_text(&fx->peer, 11, "Version", "second", 0));
	expect_error(&fx->peer, 11, STATUS_INVALID_ARGUMENT, "stream id 11 is in use");
	waiter_wake_all(&fx->echo.parked, 0);
	expect_text(&fx->peer, 11, "first");
	/* Another connection has its own ids. */
	assert_true(send_text(&fx->peer, 13, "Park", "a", 0));
	step_until_quiet(fx);
	{
		struct ttrpc_peer other;

		add_peer(fx, &other);
		expect_works(&other, 13);
		peer_release(&other);
	}
}

static void streaming_frames_are_tolerated(void **state)
{
	struct fixture *fx = *state;
	static const char park[] = "\x0a\x09test.Echo\x12\x04Park\x1a\x05\x0a\x03"
				   "abc";

	/* A request that announces data, data, the last data, data after the end. */
	assert_true(peer_send_frame(
		&fx->peer, 1, FRAME_REQUEST, FRAME_REMOTE_OPEN, park, sizeof(park) - 1));
	assert_true(peer_send_frame(&fx->peer, 1, FRAME_DATA, 0, "data", 4));
	assert_true(peer_send_frame(
		&fx->peer, 1, FRAME_DATA, FRAME_REMOTE_CLOSED | FRAME_NO_DATA, "", 0));
	step_until_quiet(fx);
	assert_int_equal(fx->echo.parked_count, 1);
	waiter_wake_all(&fx->echo.parked, 0);
	expect_text(&fx->peer, 1, "abc");
	assert_true(peer_send_frame(&fx->peer, 1, FRAME_DATA, 0, "late", 4));
	expect_error(&fx->peer, 1, STATUS_INVALID_ARGUMENT, "data for stream 1, which is not open");
	/* What we do not know is dropped without an answer. */
	assert_true(peer_send_frame(&fx->peer, 5, 77, 0xff, "what?", 5));
	assert_true(peer_send_frame(&fx->peer, 7, FRAME_RESPONSE, 0, "\x0a", 2));
	expect_works(&fx->peer, 9);
}

static void an_oversized_frame_is_thrown_away(void **state)
{
	struct fixture *fx = *state;
	struct frame_header header = {9u << 20, 5, FRAME_REQUEST, 0};
	uint8_t bytes[FRAME_HEADER_SIZE], *body = calloc(1, FRAME_MAX + 1);

	frame_header_encode(&header, bytes);
	assert_true(peer_write(&fx->peer, bytes, sizeof(bytes)));
	for (int i = 0; i < 9; i++) {
		assert_true(peer_write(&fx->peer, body, 1 << 20));
		step_until_quiet(fx);
		assert_int_equal(fx->server->budget.used, 0);
	}
	expect_error(&fx->peer, 5, STATUS_INVALID_ARGUMENT,
		"frame of 9437184 bytes is over the limit of 4194304");
	/* One byte over the limit, too; at the limit it is read, and these bytes do not parse. */
	assert_true(peer_send_frame(&fx->peer, 6, FRAME_REQUEST, 0, body, FRAME_MAX + 1));
	expect_error(&fx->peer, 6, STATUS_INVALID_ARGUMENT,
		"frame of 4194305 bytes is over the limit of 4194304");
	assert_true(peer_send_frame(&fx->peer, 7, FRAME_REQUEST, 0, body, FRAME_MAX));
	expect_error(&fx->peer, 7, STATUS_INVALID_ARGUMENT, "request envelope: bad field tag");
	expect_works(&fx->peer, 9);
	free(body);
}

static void a_response_over_the_limit_is_replaced(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_read(&fx->peer, 1, "Read", FRAME_MAX));
	expect_error(&fx->peer, 1, STATUS_INVALID_ARGUMENT,
		"response of 4194316 bytes is over the limit of 4194304");
	step_until_quiet(fx);
	assert_int_equal(fx->echo.undelivered, 1);
	assert_int_equal(fx->echo.delivered, 0);
	assert_int_equal(errors_logged, 1);
	expect_works(&fx->peer, 3);
}

static void calls_on_a_connection_are_bounded(void **state)
{
	struct fixture *fx = *state;

	for (uint32_t i = 0; i < CALLS_PER_CONNECTION_MAX; i++) {
		assert_true(send_text(&fx->peer, 2 * i + 1, "Park", "", 0));
		if (i % 100 == 0)
			step_until_quiet(fx);
	}
	assert_true(send_text(&fx->peer, 100001, "Version", "", 0));
	expect_error(&fx->peer, 100001, STATUS_RESOURCE_EXHAUSTED,
		"2048 calls are in flight on this connection");
	waiter_wake_one(&fx->echo.parked, 0);
	expect_text(&fx->peer, 1, "");
	expect_works(&fx->peer, 100003);
	waiter_wake_all(&fx->echo.parked, -ECANCELED);
	step_until_quiet(fx);
	assert_int_equal(ttrpc_server_calls(fx->server), 0);
}

static void memory_of_all_calls_is_bounded(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 1, "Park", "", 0));
	step_until_quiet(fx);
	assert_true(fx->server->call_memory > 0);
	fx->server->call_memory += CALLS_MEMORY_MAX;
	assert_true(send_text(&fx->peer, 3, "Version", "", 0));
	assert_int_equal(peer_read_status(&fx->peer, 3, NULL, 0), STATUS_RESOURCE_EXHAUSTED);
	fx->server->call_memory -= CALLS_MEMORY_MAX;
	expect_works(&fx->peer, 5);
	waiter_wake_all(&fx->echo.parked, 0);
	step_until_quiet(fx);
	assert_int_equal(fx->server->call_memory, 0);
}

/* c36 */
static void connections_are_bounded(void **state)
{
	struct fixture *fx = *state;
	struct ttrpc_peer peers[CONNECTIONS_MAX];
	struct error err = ERROR_INIT;
	int fds[2];

	for (int i = 1; i < CONNECTIONS_MAX; i++)
		add_peer(fx, &peers[i]);
	assert_int_equal(ttrpc_server_connections(fx->server), CONNECTIONS_MAX);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
	assert_true(ttrpc_server_serve_fd(fx->server, fds[0], &err) < 0);
	assert_int_equal(err.status, STATUS_RESOURCE_EXHAUSTED);
	peer_init(&peers[0], fds[1], step, fx);
	assert_true(peer_sees_close(&peers[0]));
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		peer_release(&peers[i]);
	step_until_quiet(fx);
	assert_int_equal(ttrpc_server_connections(fx->server), 1);
	expect_works(&fx->peer, 1);
}

/* ---- deadlines, cancelling ------------------------------------------------------------------- */

static void a_deadline_ends_a_parked_call(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 1, "Park", "", 20 * 1000000));
	expect_error(&fx->peer, 1, STATUS_DEADLINE_EXCEEDED, "timeout");
	assert_int_equal(fx->echo.cancelled, 1);
	assert_int_equal(fx->echo.last_reason, -ETIMEDOUT);
	assert_true(waiter_list_empty(&fx->echo.parked));
	assert_int_equal(ttrpc_server_calls(fx->server), 0);
	assert_int_equal(fx->echo.delivered + fx->echo.undelivered, 0);
	assert_int_equal(errors_logged, 1);
	waiter_wake_all(&fx->echo.parked, 0);
	expect_works(&fx->peer, 3);
	/* One nanosecond is a deadline, none and a negative one are not. */
	assert_true(send_text(&fx->peer, 5, "Park", "", 1));
	expect_error(&fx->peer, 5, STATUS_DEADLINE_EXCEEDED, "timeout");
	assert_true(send_text(&fx->peer, 7, "Delay", "30", 0));
	expect_text(&fx->peer, 7, "30");
	assert_true(send_text(&fx->peer, 9, "Delay", "30", INT64_MAX));
	expect_text(&fx->peer, 9, "30");
}

static void an_answer_in_time_stops_the_deadline(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 1, "Delay", "5", 60 * 1000000));
	expect_text(&fx->peer, 1, "5");
	assert_true(send_text(&fx->peer, 3, "Delay", "120", 0));
	expect_text(&fx->peer, 3, "120"); /* and nothing else before it */
	assert_int_equal(errors_logged, 0);
}

static void a_lost_connection_cancels_its_calls_once(void **state)
{
	struct fixture *fx = *state;
	struct ttrpc_peer other;

	add_peer(fx, &other);
	assert_true(send_text(&other, 1, "Park", "other's", 0));
	for (uint32_t i = 0; i < 3; i++)
		assert_true(send_text(&fx->peer, 2 * i + 1, "Park", "", 5000000000));
	step_until_quiet(fx);
	assert_int_equal(ttrpc_server_calls(fx->server), 4);
	close_fd(&fx->peer.fd);
	step_until_quiet(fx);
	assert_int_equal(fx->echo.cancelled, 3);
	assert_int_equal(fx->echo.last_reason, -ECONNRESET);
	assert_int_equal(ttrpc_server_calls(fx->server), 1);
	assert_int_equal(ttrpc_server_connections(fx->server), 1);
	assert_int_equal(errors_logged, 3);
	waiter_wake_all(&fx->echo.parked, 0);
	expect_text(&other, 1, "other's");
	peer_release(&other);
}

static void a_half_closed_peer_gets_answers_that_were_made(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 1, "Park", "", 0));
	assert_true(send_read(&fx->peer, 3, "Read", 700000));
	shutdown(fx->peer.fd, SHUT_WR);
	step_until_quiet(fx);
	assert_int_equal(fx->echo.cancelled, 1); /* at once, while the answer still waits */
	assert_int_equal(fx->echo.last_reason, -ECONNRESET);
	assert_int_equal(ttrpc_server_calls(fx->server), 0);
	assert_int_equal(ttrpc_server_connections(fx->server), 1);
	{
		uint32_t stream_id = 0;

		assert_int_equal(read_answer(&fx->peer, &stream_id), 700000);
		assert_int_equal(stream_id, 3);
	}
	assert_true(peer_sees_close(&fx->peer));
	step_until_quiet(fx);
	assert_int_equal(fx->echo.cancelled, 1);
	assert_int_equal(fx->echo.delivered, 1);
	assert_int_equal(ttrpc_server_connections(fx->server), 0);
}

static void a_cut_frame_leaves_nothing_behind(void **state)
{
	struct fixture *fx = *state;
	struct frame_header header = {FRAME_MAX, 1, FRAME_REQUEST, 0};
	uint8_t bytes[FRAME_HEADER_SIZE], body[100000] = {0};

	frame_header_encode(&header, bytes);
	assert_true(peer_write(&fx->peer, bytes, sizeof(bytes)));
	assert_true(peer_write(&fx->peer, body, sizeof(body)));
	step_until_quiet(fx);
	assert_true(fx->server->budget.used >= sizeof(body));
	assert_true(fx->server->budget.used <= 4 * sizeof(body));
	close_fd(&fx->peer.fd);
	step_until_quiet(fx);
	assert_int_equal(fx->server->budget.used, 0);
	assert_int_equal(ttrpc_server_connections(fx->server), 0);
}

/* ---- the write side ----------------------------------------------------------------------------
 */

static void a_peer_that_does_not_read_stops_nobody_else(void **state)
{
	struct fixture *fx = *state;
	struct ttrpc_peer lazy;
	uint32_t stream_id;
	size_t most = 0;
	unsigned sent = 0;

	add_peer(fx, &lazy);
	/* Until even our requests find no room: it has stopped reading. */
	for (;;) {
		Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;
		struct buffer frame;
		ssize_t n;

		request.len = 300000;
		peer_make_request(&frame, 2 * sent + 1, ECHO_SERVICE, "Read", &request.base, 0);
		n = send(lazy.fd, frame.data, frame.len, MSG_NOSIGNAL);
		if (n < 0)
			assert_int_equal(errno, EAGAIN);
		else
			assert_int_equal(n, frame.len); /* a unix socket takes all or nothing */
		buffer_release(&frame);
		step_until_quiet(fx);
		if (fx->server->budget.used > most)
			most = fx->server->budget.used;
		if (n < 0)
			break;
		sent++;
		if (sent % 10 == 0)
			expect_works(&fx->peer, 100001 + 2 * sent);
	}
	assert_true(most >= WRITE_QUEUE_HIGH);
	assert_true(most < WRITE_QUEUE_HIGH + 400000);
	assert_true(sent > 10);
	expect_works(&fx->peer, 1);
	for (unsigned i = 0; i < sent; i++) {
		assert_int_equal(read_answer(&lazy, &stream_id), 300000);
		assert_int_equal(stream_id, 2 * i + 1);
	}
	expect_works(&lazy, 1000001);
	assert_int_equal(errors_logged, 0);
	peer_release(&lazy);
}

/* Parked calls may all be woken at once: past the queue's end they fail, and their sent() knows. */
static void answers_past_the_write_queue_fail(void **state)
{
	struct fixture *fx = *state;
	unsigned good = 0, bad = 0;
	uint32_t stream_id;

	for (uint32_t i = 0; i < 6; i++)
		assert_true(send_read(&fx->peer, 2 * i + 1, "ParkRead", 3u << 20));
	step_until_quiet(fx);
	assert_int_equal(fx->echo.parked_count, 6);
	waiter_wake_all(&fx->echo.parked, 0);
	assert_true(fx->server->budget.used <= WRITE_QUEUE_MAX + 6000);
	for (int i = 0; i < 6; i++) {
		int64_t r = read_answer(&fx->peer, &stream_id);

		if (r == 3 << 20)
			good++;
		else if (r == -STATUS_RESOURCE_EXHAUSTED)
			bad++;
	}
	step_until_quiet(fx);
	assert_int_equal(good + bad, 6);
	assert_true(good >= 2 && bad >= 3);
	assert_int_equal(fx->echo.delivered, good);
	assert_int_equal(fx->echo.undelivered, bad);
	expect_works(&fx->peer, 101);
}

static void sent_tells_whether_an_answer_left(void **state)
{
	struct fixture *fx = *state;
	uint32_t stream_id;

	assert_true(send_read(&fx->peer, 1, "Read", 3u << 20));
	step_until_quiet(fx);
	assert_int_equal(fx->echo.delivered, 0); /* the socket holds less */
	assert_int_equal(ttrpc_server_calls(fx->server), 0);
	assert_int_equal(read_answer(&fx->peer, &stream_id), 3 << 20);
	step_until_quiet(fx);
	assert_int_equal(fx->echo.delivered, 1);
	assert_true(send_read(&fx->peer, 3, "Read", 3u << 20));
	step_until_quiet(fx);
	close_fd(&fx->peer.fd);
	step_until_quiet(fx);
	assert_int_equal(fx->echo.delivered, 1);
	assert_int_equal(fx->echo.undelivered, 1);
	assert_int_equal(fx->server->call_memory, 0);
}

/* ---- stopping
 * ------------------------------------------------------------------------------------ */

static void on_stopped(void *context)
{
	((struct fixture *)context)->stopped++;
}

static void stop_waits_for_calls_in_flight(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 1, "Delay", "50", 0));
	step_until_quiet(fx);
	ttrpc_server_stop(fx->server, 5000, on_stopped, fx);
	step_until_quiet(fx);
	assert_int_equal(fx->stopped, 0);
	assert_true(send_text(&fx->peer, 3, "Version", "too late", 0));
	expect_text(&fx->peer, 1, "50");
	assert_true(peer_sees_close(&fx->peer));
	assert_int_equal(fx->stopped, 1);
	assert_int_equal(fx->echo.cancelled, 0);
	assert_int_equal(ttrpc_server_connections(fx->server), 0);
}

static void stop_cancels_what_outlasts_the_grace(void **state)
{
	struct fixture *fx = *state;

	assert_true(send_text(&fx->peer, 1, "Park", "", 0));
	step_until_quiet(fx);
	ttrpc_server_stop(fx->server, 30, on_stopped, fx);
	step_until_quiet(fx);
	assert_int_equal(fx->stopped, 0);
	assert_true(peer_sees_close(&fx->peer));
	assert_int_equal(fx->stopped, 1);
	assert_int_equal(fx->echo.cancelled, 1);
	assert_int_equal(fx->echo.last_reason, -ECANCELED);
}

static void free_server(void *context)
{
	struct fixture *fx = context;

	fx->stopped++;
	ttrpc_server_free(fx->server);
	fx->server = NULL;
}

/* An idle server stops at once, from the loop, and its owner may free it then. */
static void stop_may_free_the_server(void **state)
{
	struct fixture *fx = *state;

	ttrpc_server_stop(fx->server, 60000, free_server, fx);
	assert_int_equal(fx->stopped, 0);
	step_until_quiet(fx);
	assert_int_equal(fx->stopped, 1);
	assert_true(peer_sees_close(&fx->peer));
}

/* ---- accepting
 * ------------------------------------------------------------------------------------ */

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	str_copy(address.sun_path, sizeof(address.sun_path), path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		close_fd(&fd);
	return fd;
}

static void without_descriptors_it_backs_off(void **state)
{
	struct fixture *fx = *state;
	struct rlimit old, none;
	struct address address;
	struct ttrpc_peer client;
	char text[150];
	uint64_t until;
	unsigned passes = 0;

	str_format(text, sizeof(text), "unix://%s", scratch_path("agent.sock"));
	assert_int_equal(address_parse(text, &address, NULL), 0);
	assert_int_equal(ttrpc_server_listen(fx->server, &address, NULL), 0);
	peer_init(&client, connect_to(address.path), step, fx);
	assert_true(client.fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	until = event_loop_now_ns() + 250000000;
	while (event_loop_now_ns() < until) {
		assert_true(event_loop_step(fx->loop, 50) >= 0);
		passes++;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(passes < 30);
	expect_works(&client, 1);
	peer_release(&client);
}

/* ---- hostile bytes
 * ------------------------------------------------------------------------------- */

static void fill_hostile(uint8_t *bytes, size_t len, unsigned *seed)
{
	static const char good[] = "\x0a\x09test.Echo\x12\x04Park\x1a\x05\x0a\x03"
				   "abc\x20\x90\x4e";
	size_t at = 0;

	while (at + FRAME_HEADER_SIZE + sizeof(good) < len) {
		struct frame_header header = {(uint32_t)(rand_r(seed) % 64),
			(uint32_t)(rand_r(seed) % 40), (uint8_t)(rand_r(seed) % 5),
			(uint8_t)rand_r(seed)};
		size_t body = sizeof(good) - 1;

		if (rand_r(seed) % 3)
			header.length = (uint32_t)body;
		frame_header_encode(&header, bytes + at);
		at += FRAME_HEADER_SIZE;
		memcpy(bytes + at, good, body);
		if (rand_r(seed) % 2)
			bytes[at + (size_t)rand_r(seed) % body] = (uint8_t)rand_r(seed);
		at += body;
	}
	while (at < len)
		bytes[at++] = (uint8_t)rand_r(seed);
}

static void drain(struct ttrpc_peer *peer)
{
	uint8_t bytes[65536];

	while (recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
}

static void hostile_bytes_harm_nobody(void **state)
{
	struct fixture *fx = *state;
	uint8_t bytes[20000];

	for (unsigned seed = 1; seed <= 300; seed++) {
		struct ttrpc_peer hostile;
		unsigned state_of_seed = seed;
		size_t at = 0;

		add_peer(fx, &hostile);
		if (seed % 4 == 0)
			for (size_t i = 0; i < sizeof(bytes); i++)
				bytes[i] = (uint8_t)rand_r(&state_of_seed);
		else
			fill_hostile(bytes, sizeof(bytes), &state_of_seed);
		while (at < sizeof(bytes)) {
			size_t n = 1 + (size_t)rand_r(&state_of_seed) % 3000;

			if (n > sizeof(bytes) - at)
				n = sizeof(bytes) - at;
			if (!peer_write(&hostile, bytes + at, n))
				break;
			at += n;
			step_until_quiet(fx);
			drain(&hostile);
			if (rand_r(&state_of_seed) % 4 == 0)
				waiter_wake_one(&fx->echo.parked, rand_r(&state_of_seed) % 2 - 1);
		}
		peer_release(&hostile);
		step_until_quiet(fx);
		expect_works(&fx->peer, 2 * seed + 1);
		assert_int_equal(ttrpc_server_calls(fx->server), 0);
		assert_int_equal(ttrpc_server_connections(fx->server), 1);
	}
	step_until_quiet(fx);
	assert_int_equal(fx->server->budget.used, 0);
	assert_int_equal(fx->server->call_memory, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	TEST(an_empty_reply_is_twelve_bytes),
	TEST(requests_arrive_in_every_split),
	TEST(a_thousand_streams_are_answered_in_reverse),
	TEST(a_handler_may_complete_its_call_at_once),
	TEST(metadata_reaches_the_handler),
	TEST(largest_messages_pass_in_both_directions),
	TEST(failures_carry_code_text_and_errno),
	TEST(unknown_names_are_refused_like_the_rust_agent_does),
	TEST(malformed_bytes_fail_that_call_only),
	TEST(stream_ids_are_checked),
	TEST(streaming_frames_are_tolerated),
	TEST(an_oversized_frame_is_thrown_away),
	TEST(a_response_over_the_limit_is_replaced),
	TEST(calls_on_a_connection_are_bounded),
	TEST(memory_of_all_calls_is_bounded),
	TEST(connections_are_bounded),
	TEST(a_deadline_ends_a_parked_call),
	TEST(an_answer_in_time_stops_the_deadline),
	TEST(a_lost_connection_cancels_its_calls_once),
	TEST(a_half_closed_peer_gets_answers_that_were_made),
	TEST(a_cut_frame_leaves_nothing_behind),
	TEST(a_peer_that_does_not_read_stops_nobody_else),
	TEST(answers_past_the_write_queue_fail),
	TEST(sent_tells_whether_an_answer_left),
	TEST(stop_waits_for_calls_in_flight),
	TEST(stop_cancels_what_outlasts_the_grace),
	TEST(stop_may_free_the_server),
	TEST(without_descriptors_it_backs_off),
	TEST(hostile_bytes_harm_nobody),
};
TEST_MAIN(tests)
