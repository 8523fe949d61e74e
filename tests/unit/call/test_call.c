/*
 * Tests host-tools/call/call.c: the subcommand as a whole, against a small server of a few methods
 * in a child process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/socket.h"
#include "command_table.h"
#include "health.pb-c.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "ttrpc/server.h"

/* ---- the server ---- */

static int handle_check(struct rpc_call *call, void *context, struct error *err)
{
	((Grpc__HealthCheckResponse *)call->response)->status =
		GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	return 0;
}

static int handle_wait(struct rpc_call *call, void *context, struct error *err)
{
	const Grpc__WaitProcessRequest *request = (Grpc__WaitProcessRequest *)call->request;

	if (strcmp(request->exec_id, "gone") == 0)
		return error_set(err, STATUS_NOT_FOUND, ENOENT, "process %s of container %s",
			request->exec_id, request->container_id);
	((Grpc__WaitProcessResponse *)call->response)->status = 137;
	return 0;
}

static int handle_write(struct rpc_call *call, void *context, struct error *err)
{
	const Grpc__WriteStreamRequest *request = (Grpc__WriteStreamRequest *)call->request;

	((Grpc__WriteStreamResponse *)call->response)->len = request->data.len;
	return 0;
}

static int handle_never(struct rpc_call *call, void *context, struct error *err)
{
	return RPC_PENDING;
}

static int handle_exit(struct rpc_call *call, void *context, struct error *err)
{
	_exit(0);
}

static const struct rpc_method methods[] = {
	{"grpc.Health", "Check", &grpc__check_request__descriptor,
		&grpc__health_check_response__descriptor, handle_check},
	{"grpc.AgentService", "WaitProcess", &grpc__wait_process_request__descriptor,
		&grpc__wait_process_response__descriptor, handle_wait},
	{"grpc.AgentService", "WriteStdin", &grpc__write_stream_request__descriptor,
		&grpc__write_stream_response__descriptor, handle_write},
	{"grpc.AgentService", "GetOOMEvent", &grpc__get_oomevent_request__descriptor,
		&grpc__oomevent__descriptor, handle_never},
	{"grpc.AgentService", "DestroySandbox", &grpc__destroy_sandbox_request__descriptor,
		&google__protobuf__empty__descriptor, handle_exit},
};

static char address[200];

static void log_nothing(const struct rpc_call *call, const struct error *reason)
{
}

static void serve(int ready_fd)
{
	struct event_loop *loop = event_loop_new();
	struct ttrpc_server *server =
		loop ? ttrpc_server_new(loop, methods, ARRAY_SIZE(methods), NULL) : NULL;
	struct error err = ERROR_INIT;
	struct address parsed;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!server || address_parse(address, &parsed, &err) < 0 ||
		ttrpc_server_listen(server, &parsed, &err) < 0) {
		fprintf(stderr, "server: %s\n", err.text);
		_exit(1);
	}
	ttrpc_server_set_error_log(server, log_nothing);
	close(ready_fd);
	event_loop_run(loop);
	_exit(1);
}

static pid_t server_pid;

static int start_server(void **state)
{
	int ready[2];
	char byte;

	snprintf(address, sizeof(address), "unix://%s", scratch_path("agent.sock"));
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	server_pid = fork();
	assert_true(server_pid >= 0);
	if (server_pid == 0) {
		close(ready[0]);
		serve(ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 0); /* listens, or is gone */
	close(ready[0]);
	return 0;
}

static int stop_server(void **state)
{
	kill(server_pid, SIGKILL);
	waitpid(server_pid, NULL, 0);
	return 0;
}

/* ---- running the subcommand ---- */

static char out[32768], err[4096];

static int redirect(int fd, const char *name, int flags)
{
	int saved = dup(fd), file = open(scratch_path("%s", name), flags | O_CLOEXEC, 0600);

	assert_true(saved >= 0 && file >= 0);
	assert_true(dup2(file, fd) == fd);
	close(file);
	return saved;
}

static void restore(int saved, int fd)
{
	assert_true(dup2(saved, fd) == fd);
	close(saved);
}

/* Arguments up to NULL. Fills out and err, returns the exit code. */
static int call(const char *argument, ...)
{
	const char *argv[10] = {"call", argument};
	int argc = argument ? 2 : 1, saved_out, saved_err, code;
	va_list args;

	va_start(args, argument);
	while (argument && argc < 9 && (argv[argc] = va_arg(args, const char *)))
		argc++;
	va_end(args);
	fflush(stdout);
	saved_out = redirect(1, "out", O_WRONLY | O_CREAT | O_TRUNC);
	saved_err = redirect(2, "err", O_WRONLY | O_CREAT | O_TRUNC);
	code = call_command.main(argc, (char **)(uintptr_t)argv);
	fflush(stdout);
	restore(saved_out, 1);
	restore(saved_err, 2);
	assert_true(file_read(scratch_path("out"), out, sizeof(out)) >= 0);
	assert_true(file_read(scratch_path("err"), err, sizeof(err)) >= 0);
	return code;
}

#define SAYS(text, what)                                                                           \
	do {                                                                                       \
		if (!strstr(text, what))                                                           \
			fail_msg("'%s' does not say '%s'", text, what);                            \
	} while (0)

/* ---- tests ---- */

static void test_an_answer_is_printed(void **state)
{
	assert_int_equal(call(address, "Check", NULL), 0);
	assert_string_equal(out, "{\n  \"status\": \"SERVING\"\n}\n");
	assert_string_equal(err, "");
	assert_int_equal(
		call(address, "grpc.AgentService/WaitProcess", "{\"container_id\": \"c\"}", NULL),
		0);
	SAYS(out, "\"status\": 137");
}

static void test_an_error_of_the_agent(void **state)
{
	assert_int_equal(call(address, "WaitProcess",
				 "{\"container_id\": \"c\", \"exec_id\": \"gone\"}", NULL),
		1);
	assert_string_equal(out, "");
	SAYS(err, "cradle call: grpc.AgentService/WaitProcess: NOT_FOUND (5): process gone of "
		  "container c: ENOENT: No such file or directory\n");
	assert_int_equal(call(address, "PauseContainer", NULL), 1);
	SAYS(err, "UNIMPLEMENTED (12)");
}

static void test_the_request_from_standard_input(void **state)
{
	int saved;

	scratch_file("request", "{\"data\": \"aGVsbG8=\"}\n");
	saved = redirect(0, "request", O_RDONLY);
	assert_int_equal(call(address, "WriteStdin", "-", NULL), 0);
	restore(saved, 0);
	SAYS(out, "\"len\": 5");
}

static void test_the_time_is_limited(void **state)
{
	assert_int_equal(call("--timeout", "0.2", address, "GetOOMEvent", NULL), 1);
	SAYS(err, "DEADLINE_EXCEEDED (4)");
	assert_int_equal(call("--timeout=0.2", address, "GetOOMEvent", NULL), 1);
	SAYS(err, "DEADLINE_EXCEEDED (4)");
}

static void test_a_connection_that_ends_is_no_answer(void **state)
{
	assert_int_equal(call(address, "DestroySandbox", NULL), 125);
	SAYS(err, "UNAVAILABLE (14)");
}

static void test_nobody_there(void **state)
{
	assert_int_equal(call("unix:///no/such/socket", "Check", NULL), 125);
	SAYS(err, "the agent cannot be reached: ");
	SAYS(err, "ENOENT");
	assert_int_equal(call("tcp://1.2.3.4", "Check", NULL), 125);
	SAYS(err, "tcp://1.2.3.4");
}

static void test_wrong_arguments(void **state)
{
	assert_int_equal(call(NULL), 125);
	SAYS(err, "an address and a method are missing");
	assert_int_equal(call(address, NULL), 125);
	SAYS(err, "a method is missing");
	assert_int_equal(call(address, "Chek", NULL), 125);
	SAYS(err, "did you mean 'Check'?");
	assert_int_equal(call(address, "Check", "{}", "{}", NULL), 125);
	SAYS(err, "'{}' is too much");
	assert_int_equal(call("--timout", "3", address, "Check", NULL), 125);
	SAYS(err, "unknown option '--timout'; did you mean '--timeout'?");
	assert_int_equal(call("--timeout", "soon", address, "Check", NULL), 125);
	SAYS(err, "'soon' is not a number of seconds");
	assert_int_equal(call(address, "Check", "--timeout", NULL), 125);
	SAYS(err, "--timeout needs a value");
	assert_int_equal(call(address, "Check", "{\"servis\": \"\"}", NULL), 125);
	SAYS(err, "no field is called \"servis\"; did you mean \"service\"?");
	assert_int_equal(call(address, "Check", "{", NULL), 125);
	SAYS(err, "JSON line 1, column 2: the text ends in the middle");
}

static void test_teaching(void **state)
{
	assert_int_equal(call("--list", NULL), 0);
	SAYS(out, "grpc.AgentService/GetOOMEvent: GetOOMEventRequest -> OOMEvent\n");
	SAYS(out, "cradle.Memory/ListOOMRecords: ");
	assert_int_equal(call("--describe", "Check", NULL), 0);
	assert_string_equal(out, "grpc.Health/Check\nrequest grpc.CheckRequest\n"
				 "  service: string\nresponse grpc.HealthCheckResponse\n"
				 "  status: UNKNOWN | SERVING | NOT_SERVING\n");
	assert_int_equal(call("--describe", "Nothing", NULL), 125);
	assert_int_equal(call("--help", NULL), 0);
	SAYS(out, "Usage: cradle call");
}

#define WITH_SERVER(name) cmocka_unit_test_setup_teardown(name, start_server, stop_server)

static const struct CMUnitTest tests[] = {
	WITH_SERVER(test_an_answer_is_printed),
	WITH_SERVER(test_an_error_of_the_agent),
	WITH_SERVER(test_the_request_from_standard_input),
	WITH_SERVER(test_the_time_is_limited),
	WITH_SERVER(test_a_connection_that_ends_is_no_answer),
	WITH_SERVER(test_wrong_arguments),
	cmocka_unit_test(test_nobody_there),
	cmocka_unit_test(test_teaching),
};
TEST_MAIN(tests)
