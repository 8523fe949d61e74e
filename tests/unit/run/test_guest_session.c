/*
 * guest_session: against an agent made of a method table on the other end of a socket pair: the
 * order of calls, output in order and whole, exit codes, the words for an OOM kill, and every step
 * failing in turn.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/socket.h"
#include "base/strings.h"
#include "lib/test_main.h"
#include "run/guest_session.h"
#include "ttrpc/server.h"

#include "empty.pb-c.h"

#define MIB (1u << 20)

/* ---- the agent ------------------------------------------------------------------------------- */

static struct agent {
	char log[1024];	       /* names of the calls, in order */
	const char *fail_call; /* this one fails... */
	struct error fail_with;
	size_t out_left, out_made; /* bytes of stdout still to give */
	int status;
	bool oom, memory_service;
	struct rpc_call *oom_call; /* parked */
	struct rpc_call *parked_read[4];
	char network[256]; /* what the network is to be */
	char input[256];
	size_t input_len;
	bool silent;	 /* health is asked for in vain */
	unsigned checks; /* how often it was asked */
	bool made_up;	 /* OOM events of other containers, as fast as they are asked for */
	unsigned events;
	bool terminal;	       /* the process has one */
	const char *park_call; /* never answered */
	bool too_long;	       /* more output than was asked for */
	bool hold_output;      /* stdout does not end before somebody signals */
} agent;

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 7 + at / 253);
}

static int note(struct rpc_call *call, struct error *err)
{
	size_t len = strlen(agent.log);

	str_format(agent.log + len, sizeof(agent.log) - len, "%s ", call->method->name);
	if (str_eq(agent.fail_call, call->method->name)) {
		*err = agent.fail_with;
		return -1;
	}
	return str_eq(agent.park_call, call->method->name) ? RPC_PENDING : 0;
}

static int check(struct rpc_call *call, void *context, struct error *err)
{
	agent.checks++;
	return agent.silent ? RPC_PENDING : 0;
}

static int plain(struct rpc_call *call, void *context, struct error *err)
{
	return note(call, err);
}

/* What was asked is kept as text. */
static int update_interface(struct rpc_call *call, void *context, struct error *err)
{
	const Types__Interface *i = ((Grpc__UpdateInterfaceRequest *)call->request)->interface;

	str_format(agent.network, sizeof(agent.network), "%s %s %s %s/%s", i->name, i->hwaddr,
		i->devicepath, i->ipaddresses[0]->address, i->ipaddresses[0]->mask);
	return note(call, err);
}

static int update_routes(struct rpc_call *call, void *context, struct error *err)
{
	const Types__Route *r = ((Grpc__UpdateRoutesRequest *)call->request)->routes->routes[0];
	size_t len = strlen(agent.network);

	str_format(agent.network + len, sizeof(agent.network) - len, ", '%s' via %s dev %s",
		r->dest, r->gateway, r->device);
	return note(call, err);
}

static int create_sandbox(struct rpc_call *call, void *context, struct error *err)
{
	const Grpc__CreateSandboxRequest *request = (Grpc__CreateSandboxRequest *)call->request;
	size_t len = strlen(agent.network);

	if (request->n_dns)
		str_format(
			agent.network + len, sizeof(agent.network) - len, ", %s", request->dns[0]);
	return note(call, err);
}

static int read_stdout(struct rpc_call *call, void *context, struct error *err)
{
	const Grpc__ReadStreamRequest *request = (Grpc__ReadStreamRequest *)call->request;
	Grpc__ReadStreamResponse *response = (Grpc__ReadStreamResponse *)call->response;
	size_t len = agent.out_left < request->len ? agent.out_left : request->len;

	if (agent.hold_output && agent.out_left == 0) {
		for (unsigned i = 0; i < 4; i++) {
			if (!agent.parked_read[i]) {
				agent.parked_read[i] = call;
				return RPC_PENDING;
			}
		}
	}
	if (agent.too_long)
		len = request->len + 1;
	response->data.data = arena_alloc(&call->arena, len ? len : 1);
	response->data.len = len;
	for (size_t i = 0; i < len; i++)
		response->data.data[i] = pattern(agent.out_made++);
	agent.out_left -= len;
	return str_eq(agent.fail_call, "ReadStdout") ? note(call, err) : 0;
}

static int read_stderr(struct rpc_call *call, void *context, struct error *err)
{
	return 0;
}

static int write_stdin(struct rpc_call *call, void *context, struct error *err)
{
	const Grpc__WriteStreamRequest *request = (Grpc__WriteStreamRequest *)call->request;
	/* Takes at most three bytes at a time: the rest has to be sent again. */
	size_t len = request->data.len < 3 ? request->data.len : 3;

	if (agent.input_len + len < sizeof(agent.input)) {
		memcpy(agent.input + agent.input_len, request->data.data, len);
		agent.input_len += len;
	}
	((Grpc__WriteStreamResponse *)call->response)->len = (uint32_t)len;
	return 0;
}

static int signal_process(struct rpc_call *call, void *context, struct error *err)
{
	agent.hold_output = false;
	for (unsigned i = 0; i < 4; i++) {
		if (agent.parked_read[i])
			rpc_call_reply(agent.parked_read[i]);
		agent.parked_read[i] = NULL;
	}
	return note(call, err);
}

static int get_oom_event(struct rpc_call *call, void *context, struct error *err)
{
	if (agent.made_up) {
		agent.events++;
		((Grpc__OOMEvent *)call->response)->container_id = (char *)"another";
		return 0;
	}
	agent.oom_call = call;
	return RPC_PENDING;
}

static int wait_process(struct rpc_call *call, void *context, struct error *err)
{
	if (agent.oom && agent.oom_call) {
		((Grpc__OOMEvent *)agent.oom_call->response)->container_id =
			arena_strdup(&agent.oom_call->arena, "c1");
		rpc_call_reply(agent.oom_call);
		agent.oom_call = NULL;
	}
	((Grpc__WaitProcessResponse *)call->response)->status = agent.status;
	return note(call, err);
}

static int stats(struct rpc_call *call, void *context, struct error *err)
{
	static Grpc__CgroupStats cgroup = GRPC__CGROUP_STATS__INIT;
	static Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	static Grpc__MemoryData usage = GRPC__MEMORY_DATA__INIT;

	usage.limit = usage.max_usage = 64 * MIB;
	usage.usage = 2 * MIB;
	memory.usage = &usage;
	cgroup.memory_stats = &memory;
	((Grpc__StatsContainerResponse *)call->response)->cgroup_stats = &cgroup;
	return note(call, err);
}

static int oom_records(struct rpc_call *call, void *context, struct error *err)
{
	static Cradle__OOMRecord record = CRADLE__OOMRECORD__INIT;
	static Cradle__OOMRecord *list[] = {&record};
	Cradle__ListOOMRecordsResponse *response = (Cradle__ListOOMRecordsResponse *)call->response;

	if (!agent.memory_service)
		return error_set(err, STATUS_UNIMPLEMENTED, 0, "no such service");
	record.cause = CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT;
	record.limit_bytes = record.peak_bytes = 64 * MIB;
	record.comm = (char *)"dd";
	response->records = list;
	response->n_records = 1;
	return note(call, err);
}

#define EMPTY google__protobuf__empty__descriptor
#define ROW(method, request, response, handler)                                                    \
	{                                                                                          \
		"grpc.AgentService", method, &grpc__##request##__descriptor, &response, handler    \
	}

static const struct rpc_method methods[] = {
	ROW("UpdateInterface", update_interface_request, types__interface__descriptor,
		update_interface),
	ROW("UpdateRoutes", update_routes_request, grpc__routes__descriptor, update_routes),
	ROW("CreateSandbox", create_sandbox_request, EMPTY, create_sandbox),
	ROW("DestroySandbox", destroy_sandbox_request, EMPTY, plain),
	ROW("CreateContainer", create_container_request, EMPTY, plain),
	ROW("StartContainer", start_container_request, EMPTY, plain),
	ROW("RemoveContainer", remove_container_request, EMPTY, plain),
	ROW("SignalProcess", signal_process_request, EMPTY, signal_process),
	ROW("CloseStdin", close_stdin_request, EMPTY, plain),
	ROW("WriteStdin", write_stream_request, grpc__write_stream_response__descriptor,
		write_stdin),
	ROW("ReadStdout", read_stream_request, grpc__read_stream_response__descriptor, read_stdout),
	ROW("ReadStderr", read_stream_request, grpc__read_stream_response__descriptor, read_stderr),
	ROW("WaitProcess", wait_process_request, grpc__wait_process_response__descriptor,
		wait_process),
	ROW("StatsContainer", stats_container_request, grpc__stats_container_response__descriptor,
		stats),
	ROW("GetOOMEvent", get_oomevent_request, grpc__oomevent__descriptor, get_oom_event),
	{"grpc.Health", "Check", &grpc__check_request__descriptor,
		&grpc__health_check_response__descriptor, check},
	{"cradle.Memory", "ListOOMRecords", &cradle__list_oomrecords_request__descriptor,
		&cradle__list_oomrecords_response__descriptor, oom_records},
};

/* ---- our side -------------------------------------------------------------------------------- */

static struct event_loop *loop;
static struct ttrpc_server *server;
static struct guest_session session;
static struct session_result result;
static struct failure failure;
static bool finished, failed, ready;
static int out_fd;

static void on_finished(void *owner, const struct session_result *r)
{
	result = *r;
	finished = true;
	event_loop_stop(loop);
}

static void on_failed(void *owner, const struct failure *f)
{
	failure = *f;
	failed = true;
	event_loop_stop(loop);
}

static void on_ready(void *owner)
{
	ready = true;
}

static void quiet(const struct rpc_call *call, const struct error *err)
{
}

static int set_up(void **state)
{
	memset(&agent, 0, sizeof(agent));
	finished = failed = ready = false;
	if (!loop) {
		loop = event_loop_new();
		assert_int_equal(child_reaper_init(loop), 0); /* SIGPIPE is ignored from here on */
	}
	server = ttrpc_server_new(loop, methods, sizeof(methods) / sizeof(methods[0]), NULL);
	ttrpc_server_set_error_log(server, quiet);
	out_fd = memfd_create("stdout", MFD_CLOEXEC);
	return 0;
}

static int tear_down(void **state)
{
	guest_session_release(&session);
	ttrpc_server_free(server);
	close(out_fd);
	return 0;
}

static void start(struct session_request request)
{
	static Grpc__CreateContainerRequest container;
	static Grpc__Spec oci;
	static Grpc__Process process;
	static char *args[] = {(char *)"/bin/thing"};
	const struct session_events events = {
		.ready = on_ready, .finished = on_finished, .failed = on_failed};
	struct error err = ERROR_INIT;
	int fds[2];

	grpc__create_container_request__init(&container);
	grpc__spec__init(&oci);
	grpc__process__init(&process);
	container.container_id = (char *)"c1";
	container.oci = &oci;
	oci.process = &process;
	process.args = args;
	process.n_args = 1;
	process.terminal = agent.terminal;
	if (request.sandbox_id)
		request.container = NULL;
	else
		request.container = &container;
	request.sandbox_id = "s1";
	assert_int_equal(socket_pair(SOCK_STREAM, fds), 0);
	assert_int_equal(ttrpc_server_serve_fd(server, fds[1], &err), 0);
	assert_int_equal(guest_session_start(&session, loop, fds[0], &request, &events, &err), 0);
}

static struct session_request plain_request(void)
{
	return (struct session_request){
		.memory_limit = 64 * MIB, .in_fd = -1, .out_fd = out_fd, .err_fd = 2};
}

static void the_whole_life_in_order(void **state)
{
	agent.status = 3;
	start(plain_request());
	event_loop_run(loop);
	assert_true(finished && ready);
	assert_int_equal(result.exit_code, 3);
	assert_string_equal(result.oom, "");
	assert_string_equal(result.stats, "");
	assert_string_equal(agent.log, "CreateSandbox CreateContainer StartContainer CloseStdin "
				       "WaitProcess RemoveContainer "
				       "DestroySandbox ");
}

/* The network is there before the sandbox, as with the runtimes. */
static void a_network_comes_first(void **state)
{
	struct session_request request = plain_request();

	request.net_path = "10";
	start(request);
	event_loop_run(loop);
	assert_true(finished && ready);
	assert_string_equal(agent.network, "eth0 52:54:00:c8:ad:1e 10 10.0.2.15/24, '' via "
					   "10.0.2.2 dev eth0, nameserver 10.0.2.3");
	assert_int_equal(strncmp(agent.log, "UpdateInterface UpdateRoutes CreateSandbox ", 43), 0);
}

static void a_network_that_fails_is_named(const char *call)
{
	struct session_request request = plain_request();

	request.net_path = "10";
	agent.fail_call = call;
	error_set(&agent.fail_with, STATUS_INTERNAL, 0, "no such thing");
	start(request);
	event_loop_run(loop);
	assert_true(failed && !ready);
	assert_non_null(strstr(failure.stage, "the network could not be set up"));
	assert_non_null(strstr(failure.error.text, "no such thing"));
	assert_null(strstr(agent.log, "CreateSandbox"));
}

static void no_interface(void **state)
{
	a_network_that_fails_is_named("UpdateInterface");
	assert_non_null(strstr(failure.advice, "virtio-net"));
}

static void no_route(void **state)
{
	a_network_that_fails_is_named("UpdateRoutes");
}

static void output_arrives_whole_and_in_order(void **state)
{
	const size_t size = 5 * MIB + 12345;
	uint8_t *map;

	agent.out_left = size;
	start(plain_request());
	event_loop_run(loop);
	assert_true(finished);
	assert_int_equal(lseek(out_fd, 0, SEEK_END), size);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, out_fd, 0);
	for (size_t i = 0; i < size; i++) {
		if (map[i] != pattern(i))
			fail_msg("byte %zu differs", i);
	}
	munmap(map, size);
}

static void input_is_sent_until_its_end(void **state)
{
	struct session_request request = plain_request();
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "hello guest", 11), 11);
	close(fds[1]);
	request.in_fd = fds[0];
	agent.hold_output = true;
	start(request);
	while (!strstr(agent.log, "CloseStdin"))
		event_loop_step(loop, 1000);
	assert_int_equal(agent.input_len, 11);
	assert_memory_equal(agent.input, "hello guest", 11);
	signal_process(&(struct rpc_call){.method = &methods[0]}, NULL, NULL);
	event_loop_run(loop);
	assert_true(finished);
	close(fds[0]);
}

/* ^D may come before a program edits its own lines: then it is no end to it. */
static void the_end_is_typed_into_a_terminal_again_and_again(void **state)
{
	struct session_request request = plain_request();
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	close(fds[1]);
	request.in_fd = fds[0];
	agent.hold_output = agent.terminal = true;
	start(request);
	while (agent.input_len < 5)
		event_loop_step(loop, 1000);
	assert_memory_equal(agent.input, "x\4\4\4\4", 5);
	assert_null(strstr(agent.log, "CloseStdin"));
	signal_process(&(struct rpc_call){.method = &methods[0]}, NULL, NULL);
	event_loop_run(loop);
	assert_true(finished);
	close(fds[0]);
}

static void an_oom_kill_is_explained(void **state)
{
	agent.status = 137;
	agent.oom = true;
	agent.memory_service = true;
	start(plain_request());
	event_loop_run(loop);
	assert_int_equal(result.exit_code, 137);
	assert_string_equal(result.oom, "container c1 was OOM-killed: it reached its own memory "
					"limit (limit 64 MiB, peak 64 "
					"MiB; killed: dd)");
}

static void an_agent_without_records_gives_statistics(void **state)
{
	agent.status = 137;
	agent.oom = true;
	start(plain_request());
	event_loop_run(loop);
	assert_non_null(strstr(result.oom, "its own memory limit (limit 64 MiB"));
	assert_non_null(strstr(agent.log, "StatsContainer RemoveContainer"));
}

static void a_plain_kill_is_not(void **state)
{
	agent.status = 137;
	agent.memory_service = true;
	start(plain_request());
	event_loop_run(loop);
	assert_int_equal(result.exit_code, 137);
	assert_string_equal(result.oom, "");
}

static void statistics_come_before_the_removal(void **state)
{
	struct session_request request = plain_request();

	request.want_stats = true;
	start(request);
	event_loop_run(loop);
	assert_non_null(strstr(result.stats, "peak 64 MiB, limit 64 MiB"));
	assert_non_null(strstr(agent.log, "WaitProcess StatsContainer RemoveContainer"));
}

static void each_step_fails_with_its_name(void **state)
{
	static const struct {
		const char *call, *stage;
	} rows[] = {
		{"CreateSandbox", "the sandbox could not be made"},
		{"CreateContainer", "the container could not be made"},
		{"StartContainer", "the container does not start"},
		{"ReadStdout", "the container's output was cut"},
		{"WaitProcess", "the container's exit code is lost"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tear_down(NULL);
		set_up(NULL);
		agent.fail_call = rows[i].call;
		error_set(&agent.fail_with, STATUS_INTERNAL, 0, "mount /x");
		start(plain_request());
		event_loop_run(loop);
		assert_true(failed);
		assert_string_equal(failure.stage, rows[i].stage);
		assert_int_equal(failure.exit_code, 125);
		assert_non_null(strstr(failure.error.text, "mount /x"));
	}
}

static void expect_start_failure(int errnum, const char *text, int code)
{
	agent.fail_call = "StartContainer";
	error_errno(&agent.fail_with, errnum, "%s", text);
	start(plain_request());
	event_loop_run(loop);
	assert_true(failed);
	assert_int_equal(failure.exit_code, code);
	assert_non_null(strstr(failure.error.text, "/bin/thing"));
}

static void a_missing_command_is_127(void **state)
{
	expect_start_failure(ENOENT, "the file /bin/thing was not found", 127);
}

static void a_command_that_cannot_run_is_126(void **state)
{
	expect_start_failure(EACCES, "exec /bin/thing", 126);
}

static void a_missing_folder_is_not_a_missing_command(void **state)
{
	expect_start_failure(ENOENT, "working directory /bin/thing", 125);
}

static void a_reader_that_goes_ends_the_container(void **state)
{
	struct session_request request = plain_request();
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	request.out_fd = fds[1];
	agent.out_left = 100000;
	agent.hold_output = true;
	agent.status = 137;
	start(request);
	event_loop_run(loop);
	assert_true(finished);
	assert_int_equal(result.exit_code, 141);
	assert_non_null(strstr(agent.log, "SignalProcess"));
	close(fds[1]);
}

static void an_agent_that_goes_is_one_story(void **state)
{
	agent.hold_output = true;
	start(plain_request());
	while (!agent.parked_read[1])
		event_loop_step(loop, 1000);
	ttrpc_server_free(server);
	server = NULL;
	event_loop_run(loop);
	assert_true(failed);
	assert_string_equal(failure.stage, "the agent is gone");
	assert_int_equal(failure.error.status, STATUS_UNAVAILABLE);
}

static void holding_makes_a_sandbox_only(void **state)
{
	struct session_request request = plain_request();

	request.sandbox_id = "hold";
	start(request);
	while (!ready)
		event_loop_step(loop, 1000);
	guest_session_end(&session);
	event_loop_run(loop);
	assert_true(finished);
	assert_string_equal(agent.log, "CreateSandbox DestroySandbox ");
}

static void run_with_pulse(void)
{
	struct session_request request = plain_request();

	request.silence_ms = 200;
	start(request);
}

static void an_agent_that_falls_silent_fails_the_run(void **state)
{
	agent.hold_output = true;
	agent.silent = true;
	run_with_pulse();
	event_loop_run(loop);
	assert_true(failed && failure.show_console);
	assert_string_equal(failure.stage, "the agent does not answer any more");
	assert_non_null(strstr(failure.error.text, "container c1"));
	assert_int_equal(failure.exit_code, 125);
	assert_int_equal(agent.checks, 1);
}

static void a_container_may_be_silent_for_longer(void **state)
{
	agent.hold_output = true;
	run_with_pulse();
	while (agent.checks < 12)
		event_loop_step(loop, 1000);
	assert_false(failed);
	signal_process(&(struct rpc_call){.method = &methods[0]}, NULL, NULL);
	event_loop_run(loop);
	assert_true(finished);
}

static void a_step_that_is_late_is_told_from_one_that_failed(void **state)
{
	agent.fail_call = "CreateContainer";
	error_set(&agent.fail_with, STATUS_DEADLINE_EXCEEDED, 0, "timeout");
	start(plain_request());
	event_loop_run(loop);
	assert_true(failed);
	assert_non_null(strstr(failure.error.text, "container c1: timeout"));
	assert_non_null(strstr(failure.advice, "--agent-timeout"));
}

static void patience_with_silence_is_patience_with_a_step(void **state)
{
	struct session_request request = plain_request();

	request.silence_ms = 500000;
	agent.park_call = "CreateContainer";
	start(request);
	while (!str_eq(agent.log, "CreateSandbox CreateContainer "))
		event_loop_step(loop, 1000);
	assert_true(session.call.call.deadline.due_ns - event_loop_now_ns() > 400000000000ull);
}

static void silence_after_the_exit_costs_nothing(void **state)
{
	agent.status = 9;
	agent.silent = true;
	agent.park_call = "RemoveContainer";
	run_with_pulse();
	event_loop_run(loop);
	assert_true(finished);
	assert_int_equal(result.exit_code, 9);
}

static void more_output_than_was_asked_for_is_a_violation(void **state)
{
	agent.too_long = true;
	start(plain_request());
	event_loop_run(loop);
	assert_true(failed);
	assert_string_equal(failure.stage, "the agent cannot be trusted");
	assert_int_equal(lseek(out_fd, 0, SEEK_END), 0);
}

static void made_up_events_are_not_answered_at_their_pace(void **state)
{
	uint64_t begin = event_loop_now_ns();

	agent.hold_output = agent.made_up = true;
	run_with_pulse();
	while (agent.checks < 4)
		event_loop_step(loop, 1000);
	assert_in_range(agent.events, 2, 2 + (event_loop_now_ns() - begin) / 20000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	TEST(the_whole_life_in_order),
	TEST(a_network_comes_first),
	TEST(no_interface),
	TEST(no_route),
	TEST(output_arrives_whole_and_in_order),
	TEST(input_is_sent_until_its_end),
	TEST(the_end_is_typed_into_a_terminal_again_and_again),
	TEST(an_oom_kill_is_explained),
	TEST(an_agent_without_records_gives_statistics),
	TEST(a_plain_kill_is_not),
	TEST(statistics_come_before_the_removal),
	TEST(each_step_fails_with_its_name),
	TEST(a_missing_command_is_127),
	TEST(a_command_that_cannot_run_is_126),
	TEST(a_missing_folder_is_not_a_missing_command),
	TEST(a_reader_that_goes_ends_the_container),
	TEST(an_agent_that_goes_is_one_story),
	TEST(holding_makes_a_sandbox_only),
	TEST(an_agent_that_falls_silent_fails_the_run),
	TEST(a_container_may_be_silent_for_longer),
	TEST(a_step_that_is_late_is_told_from_one_that_failed),
	TEST(patience_with_silence_is_patience_with_a_step),
	TEST(silence_after_the_exit_costs_nothing),
	TEST(more_output_than_was_asked_for_is_a_violation),
	TEST(made_up_events_are_not_answered_at_their_pace),
};

TEST_MAIN(tests)
