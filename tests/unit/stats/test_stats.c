/*
 * Tests host-tools/stats/stats.c and host-tools/oom/oom.c: the subcommands as a whole, against a
 * small server in a child process that is Cradle's agent, or a plain Kata one.
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
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/socket.h"
#include "command_table.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "memory.pb-c.h"
#include "ttrpc/server.h"

#define MIB (1ull << 20)

/* ---- the server ---- */

static int handle_state(struct rpc_call *call, void *context, struct error *err)
{
	static Cradle__ContainerMemory c1 = CRADLE__CONTAINER_MEMORY__INIT,
				       c2 = CRADLE__CONTAINER_MEMORY__INIT;
	static Cradle__GuestMemory guest = CRADLE__GUEST_MEMORY__INIT;
	Cradle__MemoryState *state = (void *)call->response;

	c1.container_id = (char *)"c1";
	c1.state = (char *)"running";
	c1.limit_bytes = 64 * MIB;
	c1.usage_bytes = 3 * MIB;
	c2 = c1;
	c2.container_id = (char *)"c2";
	guest.vm_bytes = 300 * MIB;
	state->guest = &guest;
	state->containers = arena_calloc(&call->arena, 2, sizeof(*state->containers));
	state->containers[state->n_containers++] = &c1;
	state->containers[state->n_containers++] = &c2;
	return 0;
}

static void add_record(struct rpc_call *call, uint64_t sequence, const char *id, uint64_t kills)
{
	Cradle__ListOOMRecordsResponse *response = (void *)call->response;
	static Cradle__MemoryPressure pressure;
	Cradle__OOMRecord *r = arena_alloc(&call->arena, sizeof(*r));

	cradle__oomrecord__init(r);
	r->sequence = sequence;
	r->container_id = (char *)id;
	r->cause = CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT;
	r->limit_bytes = r->peak_bytes = 64 * MIB;
	r->kills = kills;
	r->kills_total = kills + 1;
	if (kills > 1) {
		cradle__memory_pressure__init(&pressure);
		pressure.some_avg10_permyriad = 1234;
		pressure.full_avg10_permyriad = 506;
		r->pressure = &pressure;
		r->pid = 42;
		r->comm = (char *)"dd";
		r->anon_bytes = 60 * MIB;
		r->usage_bytes = 3 * MIB;
		r->container_anon_bytes = MIB;
		r->container_file_bytes = 2 * MIB;
	}
	if (!response->records)
		response->records = arena_calloc(&call->arena, 4, sizeof(*response->records));
	response->records[response->n_records++] = r;
}

static int handle_list(struct rpc_call *call, void *context, struct error *err)
{
	const Cradle__ListOOMRecordsRequest *request = (void *)call->request;

	((Cradle__ListOOMRecordsResponse *)call->response)->lost = 4;
	if (strcmp(request->container_id, "none") != 0)
		add_record(call, 5, "c1", 1);
	return 0;
}

/* Tells of number 6, then ends. */
static int handle_wait(struct rpc_call *call, void *context, struct error *err)
{
	const Cradle__WaitOOMRecordRequest *request = (void *)call->request;

	if (request->after_sequence >= 6)
		return error_set(err, STATUS_UNAVAILABLE, 0, "the sandbox has ended");
	if (request->after_sequence != 5)
		return error_invalid(err, "after %d", (int)request->after_sequence);
	add_record(call, 6, "c2", 7);
	return 0;
}

static int handle_stats(struct rpc_call *call, void *context, struct error *err)
{
	const Grpc__StatsContainerRequest *request = (void *)call->request;
	Grpc__StatsContainerResponse *response = (void *)call->response;
	static Grpc__CgroupStats cgroup = GRPC__CGROUP_STATS__INIT;
	static Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	static Grpc__MemoryData usage = GRPC__MEMORY_DATA__INIT;

	if (strcmp(request->container_id, "kata") != 0)
		return error_invalid(err, "Invalid container id");
	usage.limit = usage.max_usage = 32 * MIB;
	usage.usage = 5 * MIB;
	memory.usage = &usage;
	cgroup.memory_stats = &memory;
	response->cgroup_stats = &cgroup;
	return 0;
}

static int handle_event(struct rpc_call *call, void *context, struct error *err)
{
	static unsigned asked;

	if (asked++ > 0)
		return error_set(err, STATUS_INTERNAL, 0, "over");
	((Grpc__OOMEvent *)call->response)->container_id = (char *)"kata";
	return 0;
}

static int handle_metrics(struct rpc_call *call, void *context, struct error *err)
{
	((Grpc__Metrics *)call->response)->metrics =
		(char *)"kata_guest_meminfo{item=\"mem_total\"} 268435456\n";
	return 0;
}

#define CRADLE_METHODS 3 /* the first so many rows, which a plain agent lacks */
static const struct rpc_method methods[] = {
	{"cradle.Memory", "GetMemoryState", &cradle__get_memory_state_request__descriptor,
		&cradle__memory_state__descriptor, handle_state},
	{"cradle.Memory", "ListOOMRecords", &cradle__list_oomrecords_request__descriptor,
		&cradle__list_oomrecords_response__descriptor, handle_list},
	{"cradle.Memory", "WaitOOMRecord", &cradle__wait_oomrecord_request__descriptor,
		&cradle__list_oomrecords_response__descriptor, handle_wait},
	{"grpc.AgentService", "StatsContainer", &grpc__stats_container_request__descriptor,
		&grpc__stats_container_response__descriptor, handle_stats},
	{"grpc.AgentService", "GetOOMEvent", &grpc__get_oomevent_request__descriptor,
		&grpc__oomevent__descriptor, handle_event},
	{"grpc.AgentService", "GetMetrics", &grpc__get_metrics_request__descriptor,
		&grpc__metrics__descriptor, handle_metrics},
};
static size_t first_method;

static char address[200];

static void log_nothing(const struct rpc_call *call, const struct error *reason)
{
}

static void serve(int ready_fd)
{
	struct event_loop *loop = event_loop_new();
	struct ttrpc_server *server = loop ? ttrpc_server_new(loop, methods + first_method,
						     ARRAY_SIZE(methods) - first_method, NULL)
					   : NULL;
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

static int start_server(void)
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

static int start_cradle(void **state)
{
	first_method = 0;
	return start_server();
}

static int start_plain(void **state)
{
	first_method = CRADLE_METHODS;
	return start_server();
}

/* ---- running a subcommand ---- */

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
static int run(const struct command *command, const char *argument, ...)
{
	const char *argv[10] = {command->name, argument};
	int argc = argument ? 2 : 1, saved_out, saved_err, code;
	va_list args;

	va_start(args, argument);
	while (argument && argc < 9 && (argv[argc] = va_arg(args, const char *)))
		argc++;
	va_end(args);
	fflush(stdout);
	saved_out = redirect(1, "out", O_WRONLY | O_CREAT | O_TRUNC);
	saved_err = redirect(2, "err", O_WRONLY | O_CREAT | O_TRUNC);
	code = command->main(argc, (char **)(uintptr_t)argv);
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

static void test_stats(void **state)
{
	assert_int_equal(run(&stats_command, address, NULL), 0);
	SAYS(out, "CONTAINER");
	SAYS(out, "c1         running  3 MiB");
	SAYS(out, "c2         running  3 MiB");
	SAYS(out, "300 MiB  in all: the VM\n");
	assert_string_equal(err, "");
	assert_int_equal(run(&stats_command, "--json", address, "c2", NULL), 0);
	SAYS(out, "\"container_id\": \"c2\"");
	SAYS(out, "\"limit_bytes\": 67108864");
	assert_null(strstr(out, "\"c1\""));
	assert_int_equal(run(&stats_command, address, "c2", "c9", NULL), 1);
	SAYS(err, "1 of 2 containers are not there");
}

static void test_stats_of_a_plain_agent(void **state)
{
	assert_int_equal(run(&stats_command, address, NULL), 0);
	SAYS(out, "256 MiB  MemTotal\n");
	SAYS(err, "cannot list its containers");
	assert_int_equal(run(&stats_command, address, "kata", NULL), 0);
	SAYS(out, "kata       -      5 MiB        5 MiB  32 MiB  32 MiB         -          -\n");
	assert_string_equal(err, "");
	assert_int_equal(run(&stats_command, address, "other", NULL), 1);
	SAYS(err, "Invalid container id");
}

/* The reader of our output goes away: the end, not a loop. */
static void test_watch_ends_with_its_reader(void **state)
{
	int pipes[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		const char *const argv[] = {"stats", "--watch=0.1", "--json", address};

		dup2(pipes[1], 1);
		close(pipes[0]);
		close(pipes[1]);
		_exit(stats_command.main(4, (char **)(uintptr_t)argv));
	}
	close(pipes[1]);
	for (unsigned lines = 0; lines < 3;) { /* an object a line, again and again */
		assert_int_equal(read(pipes[0], &byte, 1), 1);
		lines += byte == '\n';
	}
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGPIPE : WEXITSTATUS(status) == 125);
}

static void read_page(const char *path, char *text, size_t size)
{
	memset(text, 0, size);
	assert_true(file_read(path, text, size) > 0);
}

static void test_html(void **state)
{
	static char page[65536];
	const char *path = scratch_path("memory.html");

	assert_int_equal(run(&stats_command, "--html", path, address, NULL), 0);
	SAYS(out, "c1         running  3 MiB");
	read_page(path, page, sizeof(page));
	SAYS(page, "<h2>c1</h2>");
	SAYS(page, "container c1 was OOM-killed: it reached its own memory limit");
	assert_int_equal(run(&stats_command, "--html", "/dev/null", address, NULL), 125);
	SAYS(err, "--html: '/dev/null' is not a file");
	assert_int_equal(run(&stats_command, "--html", "/no/such/folder/x", address, NULL), 125);
	SAYS(err, "write the page /no/such/folder/x");
}

/* An interrupt ends the watching; the page shows all of it. */
static void test_html_of_a_watch(void **state)
{
	static char page[65536];
	char path[200];
	int pipes[2], status;
	char byte;
	pid_t pid;

	snprintf(path, sizeof(path), "%s", scratch_path("watch.html"));
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		const char *const argv[] = {
			"stats", "--watch=0.1", "--json", "--html", path, address};

		dup2(pipes[1], 1);
		close(pipes[0]);
		close(pipes[1]);
		_exit(stats_command.main(6, (char **)(uintptr_t)argv));
	}
	close(pipes[1]);
	for (unsigned lines = 0; lines < 3;) {
		assert_int_equal(read(pipes[0], &byte, 1), 1);
		lines += byte == '\n';
	}
	kill(pid, SIGINT);
	while (read(pipes[0], &byte, 1) == 1)
		;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	read_page(path, page, sizeof(page));
	assert_null(strstr(page, " 1 looks at it"));
	SAYS(page, "looks at it");
}

static void test_oom(void **state)
{
	assert_int_equal(run(&oom_command, address, NULL), 0);
	SAYS(out, "  container c1 was OOM-killed: it reached its own memory limit (limit 64 MiB, "
		  "peak 64 MiB); 2 kills of it so far\n");
	SAYS(err, "4 older records are forgotten");
	assert_int_equal(run(&oom_command, address, "none", NULL), 0);
	assert_string_equal(out, "");
}

/* From where the list ended, one after another, until the sandbox ends. */
static void test_oom_follow(void **state)
{
	const char *second;

	assert_int_equal(run(&oom_command, "--follow", "--json", address, NULL), 125);
	SAYS(out, "{\"container_id\": \"c1\"");
	second = strchr(out, '\n') + 1;
	SAYS(second, "{\"container_id\": \"c2\"");
	SAYS(second, "\"kills\": 7,");
	SAYS(second, "\"some_avg10_permyriad\": 1234");
	SAYS(second, "\"container_file_bytes\": 2097152");
	SAYS(err, "the sandbox has ended");
	assert_int_equal(run(&oom_command, "--follow", address, NULL), 125);
	SAYS(out, "peak 64 MiB; killed: dd, which held 60 MiB); 7 processes at once; 8 kills of it "
		  "so far; pid 42; 3 MiB left (anonymous 1 MiB, files 2 MiB); in the 10 s before, "
		  "some tasks waited for memory 12.34 % of the time, all 5.06 %\n");
}

static void test_oom_of_a_plain_agent(void **state)
{
	assert_int_equal(run(&oom_command, address, NULL), 1);
	SAYS(err, "keeps no records of OOM kills; --follow");
	assert_int_equal(run(&oom_command, "--follow", address, NULL), 1);
	SAYS(out, "container kata was OOM-killed: it reached its own memory limit (limit 32 MiB, "
		  "peak 32 MiB); 5 MiB left\n");
	SAYS(err, "over");
}

static void test_wrong_arguments(void **state)
{
	assert_int_equal(run(&stats_command, NULL), 125);
	SAYS(err, "an address is missing");
	assert_int_equal(run(&stats_command, "--watch=never", "unix:///x", NULL), 125);
	SAYS(err, "'never' is not a number of seconds");
	assert_int_equal(run(&stats_command, "--jsn", "unix:///x", NULL), 125);
	SAYS(err, "did you mean '--json'?");
	assert_int_equal(run(&stats_command, "unix:///no/such/socket", NULL), 125);
	SAYS(err, "the agent cannot be reached");
	assert_int_equal(run(&oom_command, NULL), 125);
	assert_int_equal(run(&oom_command, "--folow", "unix:///x", NULL), 125);
	SAYS(err, "did you mean '--follow'?");
	assert_int_equal(run(&oom_command, "unix:///no/such/socket", NULL), 125);
	assert_int_equal(run(&oom_command, "a", "b", "c", NULL), 125);
	SAYS(err, "'c' is too much");
	assert_int_equal(run(&oom_command, "--help", NULL), 0);
	SAYS(out, "Usage: cradle oom");
}

#define WITH_CRADLE(name) cmocka_unit_test_setup_teardown(name, start_cradle, stop_server)
#define WITH_PLAIN(name)  cmocka_unit_test_setup_teardown(name, start_plain, stop_server)

static const struct CMUnitTest tests[] = {
	WITH_CRADLE(test_stats),
	WITH_PLAIN(test_stats_of_a_plain_agent),
	WITH_CRADLE(test_watch_ends_with_its_reader),
	WITH_CRADLE(test_html),
	WITH_CRADLE(test_html_of_a_watch),
	WITH_CRADLE(test_oom),
	WITH_CRADLE(test_oom_follow),
	WITH_PLAIN(test_oom_of_a_plain_agent),
	cmocka_unit_test(test_wrong_arguments),
};
TEST_MAIN(tests)
