/* Tests of agent/ttrpc/client.c against our own server in the same loop, and against raw peers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent.pb-c.h"
#include "base/cleanup.h"
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
	struct ttrpc_server *server;
	struct ttrpc_client *client;
	unsigned closed;
	struct error closed_err;
};

static void on_client_closed(struct ttrpc_client *client, const struct error *err)
{
	struct fixture *fx = ttrpc_client_context(client);

	fx->closed++;
	fx->closed_err = *err;
}

static void no_log(const struct rpc_call *call, const struct error *err)
{
}

/* A client and our server on the two ends of a socket pair. */
static int set_up(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	struct error err = ERROR_INIT;
	int fds[2];

	fx->loop = event_loop_new();
	echo_service_init(&fx->echo, fx->loop);
	fx->server = ttrpc_server_new(fx->loop, echo_methods, echo_method_count, &fx->echo);
	ttrpc_server_set_error_log(fx->server, no_log);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
	assert_int_equal(ttrpc_server_serve_fd(fx->server, fds[0], &err), 0);
	fx->client = ttrpc_client_new(fx->loop, fds[1], on_client_closed, fx);
	assert_non_null(fx->client);
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	ttrpc_client_free(fx->client);
	ttrpc_server_free(fx->server);
	event_loop_free(fx->loop);
	free(fx);
	return 0;
}

static int call_text(struct fixture *fx, struct client_call *call, const char *method,
	const char *text, uint64_t timeout_ms, struct error *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	request.service = (char *)text;
	return client_call_wait(fx->client, call, ECHO_SERVICE, method, &request.base,
		&grpc__version_check_response__descriptor, timeout_ms, err);
}

static const char *text_of(const struct client_call *call)
{
	return ((Grpc__VersionCheckResponse *)call->response)->grpc_version;
}

static void a_call_brings_its_answer(void **state)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	assert_int_equal(call_text(*state, &call, "Version", "hello", 0, &err), 0);
	assert_string_equal(text_of(&call), "hello");
	client_call_release(&call);
	assert_null(call.response);
}

static void errors_carry_code_and_text(void **state)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	assert_true(call_text(*state, &call, "Fail", "5", 0, &err) < 0);
	assert_int_equal(err.status, STATUS_NOT_FOUND);
	assert_string_equal(err.text, "asked to fail with 5: ENOENT: No such file or directory");
	client_call_release(&call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_call_brings_its_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_carry_code_and_text, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
