/*
 * echo_client ADDRESS: our ttrpc client against the test service of another implementation. Prints
 * "ok - name" or "not ok - name" for every test; the exit code tells whether all were good.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/parse.h"
#include "base/socket.h"
#include "base/strings.h"
#include "empty.pb-c.h"
#include "hard_limits.h"
#include "health.pb-c.h"
#include "lib/echo_service.h"
#include "ttrpc/client.h"

#define MANY 1000

static struct event_loop *loop;
static struct ttrpc_client *client;
static unsigned failures;

__attribute__((format(printf, 3, 4))) static void check(
	const char *name, bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%s - c client: %s\n", good ? "ok" : "not ok", name);
	if (good)
		return;
	failures++;
	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

/* The answer's text in a static buffer; "" and err on failure. */
static const char *call_text(
	const char *method, const char *text, uint64_t timeout_ms, struct error *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	static char answer[256];
	struct client_call call = {0};

	request.service = (char *)text;
	answer[0] = '\0';
	*err = (struct error)ERROR_INIT;
	if (client_call_wait(client, &call, ECHO_SERVICE, method, &request.base,
		    &grpc__version_check_response__descriptor, timeout_ms, err) == 0)
		str_copy(answer, sizeof(answer),
			((Grpc__VersionCheckResponse *)call.response)->grpc_version);
	client_call_release(&call);
	return answer;
}

static void simple_calls(void)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	const char *text = call_text("Version", "h\xc3\xa4llo", 0, &err);

	check("text comes back", str_eq(text, "h\xc3\xa4llo"), "'%s' %s", text, err.text);
	check("an empty reply",
		client_call_wait(client, &call, ECHO_SERVICE, "Empty", &request.base,
			&google__protobuf__empty__descriptor, 0, &err) == 0,
		"%s", err.text);
	client_call_release(&call);
}

static unsigned answered;

static void on_answer(struct client_call *call, int result, const struct error *err)
{
	const char *expected = call->data;

	if (result == 0 &&
		str_eq(((Grpc__VersionCheckResponse *)call->response)->grpc_version, expected))
		answered++;
}

static void many_calls(void)
{
	static struct client_call calls[MANY];
	static char texts[MANY][8];

	for (unsigned i = 0; i < MANY; i++) {
		Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

		str_format(texts[i], sizeof(texts[i]), "%u", i * 7919 % 200);
		request.service = texts[i];
		calls[i].data = texts[i];
		if (client_call_start(client, &calls[i], ECHO_SERVICE, "Delay", &request.base,
			    &grpc__version_check_response__descriptor, 0, on_answer, NULL) < 0)
			break;
	}
	while (ttrpc_client_in_flight(client) > 0 && event_loop_step(loop, -1) >= 0)
		continue;
	for (unsigned i = 0; i < MANY; i++)
		client_call_release(&calls[i]);
	check("1000 calls in flight, answered out of order", answered == MANY, "%u were right",
		answered);
}

static void errors(void)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	char number[8], expected[64];
	int code;

	for (code = 1; code <= 16; code++) {
		str_format(number, sizeof(number), "%d", code);
		str_format(expected, sizeof(expected), "asked to fail with %d", code);
		call_text("Fail", number, 0, &err);
		if (err.status != code || !str_eq(err.text, expected))
			break;
	}
	check("every status code with its text", code == 17, "code %d gave %d '%s'", code,
		err.status, err.text);
	call_text("NoMethod", "", 0, &err);
	check("an unknown method", err.status == STATUS_UNIMPLEMENTED, "%d %s", err.status,
		err.text);
	client_call_wait(client, &call, "no.Service", "Check", &request.base,
		&google__protobuf__empty__descriptor, 0, &err);
	check("an unknown service", err.status == STATUS_UNIMPLEMENTED, "%d %s", err.status,
		err.text);
	client_call_release(&call);
}

static void timeouts(void)
{
	struct error err = ERROR_INIT;
	uint64_t left = 0;
	const char *text;

	text = call_text("Deadline", "", 0, &err);
	check("no timeout is none", str_eq(text, "none"), "'%s' %s", text, err.text);
	text = call_text("Deadline", "", 60000, &err);
	check("a timeout travels", parse_u64(text, &left) == 0 && left > 50000 && left <= 60000,
		"'%s' %s", text, err.text);
	call_text("Park", "", 50, &err);
	check("and is kept there",
		err.status == STATUS_DEADLINE_EXCEEDED &&
			str_eq(err.text, "context deadline exceeded"),
		"%d %s", err.status, err.text);
}

static void large_messages(void)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__ReadStreamResponse *response;
	uint8_t *data = malloc(FRAME_MAX);
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	bool good = false;

	for (size_t i = 0; i < FRAME_MAX; i++)
		data[i] = (uint8_t)(i % 251);
	request.data = (ProtobufCBinaryData){FRAME_MAX - 64, data};
	if (client_call_wait(client, &call, ECHO_SERVICE, "Write", &request.base,
		    &grpc__read_stream_response__descriptor, 0, &err) == 0) {
		response = (Grpc__ReadStreamResponse *)call.response;
		good = response->data.len == FRAME_MAX - 64 &&
		       memcmp(response->data.data, data, FRAME_MAX - 64) == 0;
	}
	check("a message of almost 4 MiB both ways", good, "%s", err.text);
	client_call_release(&call);
	free(data);
}

static void no_answer(struct client_call *call, int result, const struct error *err)
{
	check("a cancelled call is not heard of again", false, "%d %s", result,
		err ? err->text : "");
}

static void cancelling(void)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	const char *text;
	int r;

	request.service = (char *)"20";
	r = client_call_start(client, &call, ECHO_SERVICE, "Delay", &request.base,
		&grpc__version_check_response__descriptor, 0, no_answer, &err);
	client_call_cancel(&call);
	text = call_text("Delay", "60", 0, &err);
	check("a late answer to a cancelled call is dropped", r == 0 && str_eq(text, "60"),
		"'%s' %s", text, err.text);
	client_call_release(&call);
}

/* Last: the connection does not survive it. */
static void a_frame_over_the_limit(void)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	request.len = FRAME_MAX;
	client_call_wait(client, &call, ECHO_SERVICE, "Read", &request.base,
		&grpc__read_stream_response__descriptor, 0, &err);
	check("a response over the limit ends the connection by name",
		err.status == STATUS_UNAVAILABLE && strstr(err.text, "a frame over the limit"),
		"%d %s", err.status, err.text);
	client_call_release(&call);
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	struct address address;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: echo_client ADDRESS\n");
		return 2;
	}
	fd = address_parse(argv[1], &address, &err);
	if (fd == 0)
		fd = address_connect(&address, 5000, &err);
	if (fd < 0) {
		fprintf(stderr, "echo_client: %s\n", err.text);
		return 1;
	}
	loop = event_loop_new();
	client = ttrpc_client_new(loop, fd, NULL, NULL);
	simple_calls();
	many_calls();
	errors();
	timeouts();
	large_messages();
	cancelling();
	a_frame_over_the_limit();
	ttrpc_client_free(client);
	event_loop_free(loop);
	return failures > 0;
}
