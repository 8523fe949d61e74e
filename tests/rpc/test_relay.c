/*
 * cradle relay in front of a real agent: containers through it, many clients at once, an agent that
 * restarts, and the record of all that as a table.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct agent agent, via; /* via: the same agent, through the relay */
static pid_t relay;
static char record[200];

/* Starts cradle with these words; its stdout in *out. */
static pid_t cradle(const char *const *words, int *out)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], 1);
		execv(HOST_CRADLE_PATH, (char *const *)words);
		_exit(127);
	}
	assert_true(pid > 0);
	close(fds[1]);
	*out = fds[0];
	return pid;
}

static void connect_via(void)
{
	via.client = agent_connect(&via);
	assert_non_null(via.client);
}

static void start_relay(void)
{
	char listen[160], to[160], line[200] = "";
	size_t n = 0;
	int out;

	str_format(listen, sizeof(listen), "unix://%s", via.socket);
	str_format(to, sizeof(to), "unix://%s", agent.socket);
	relay = cradle((const char *const[]){"cradle", "relay", "--listen", listen, "--record",
			       record, to, NULL},
		&out);
	while (n < sizeof(line) - 1 && read(out, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	close(out);
	assert_true(str_starts(line, "ready unix://"));
	assert_string_equal(line + strlen("ready "), listen);
}

static int setup(void **state)
{
	agent_start(&agent);
	str_format(record, sizeof(record), "%s", scratch_path("record"));
	via = agent;
	str_format(via.socket, sizeof(via.socket), "%s", scratch_path("relay.sock"));
	start_relay();
	connect_via();
	return 0;
}

static int teardown(void **state)
{
	int status;

	ttrpc_client_free(via.client);
	kill(relay, SIGTERM);
	assert_int_equal(waitpid(relay, &status, 0), relay);
	assert_int_equal(status, 0);
	assert_int_not_equal(access(via.socket, F_OK), 0);
	agent_stop(&agent);
	return 0;
}

static void test_containers_run_through_it(void **state)
{
	const char *out;

	assert_int_equal(container_whole(&via, "c1", "echo through; exit 3", &out), 3);
	assert_string_equal(out, "through\n");
	container_expect_much_output(&via, "c2", 8u << 20);
}

/* Each client its own stream: a blocked call of one holds up nobody. */
static void test_clients_do_not_mix(void **state)
{
	enum { N = 40 };
	struct ttrpc_client *clients[N];
	struct pending pending[N] = {{.done = false}}, wait = {.done = false};
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;

	container_run(&via, "c3", "sleep 1000");
	request.container_id = (char *)"c3";
	stats.container_id = (char *)"c3";
	agent_begin(&via, via.client, &wait, "WaitProcess", &request);
	for (int i = 0; i < N; i++)
		clients[i] = agent_connect(&via);
	for (int i = 0; i < N; i++)
		agent_begin(&via, clients[i], &pending[i], "StatsContainer", &stats);
	for (int i = 0; i < N; i++) {
		agent_await(&via, &pending[i]);
		assert_int_equal(pending[i].code, 0);
		pending_release(&pending[i]);
		ttrpc_client_free(clients[i]);
	}
	assert_false(wait.done);
	container_remove_id(&via, "c3");
	agent_await(&via, &wait);
	pending_release(&wait);
}

/* Its streams end; the relay stays, and whoever comes next gets the new agent. */
static void test_the_agent_restarts(void **state)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct client_call call = {0};
	struct pending wait = {.done = false};

	container_run(&via, "c5", "sleep 1000");
	request.container_id = (char *)"c5";
	agent_begin(&via, via.client, &wait, "WaitProcess", &request);
	/* Its answer shows that the call before it has reached the agent. */
	stats.container_id = (char *)"c5";
	agent_ok(&via, "StatsContainer", &stats);
	kill(agent.pid, SIGTERM);
	agent_await(&via, &wait);
	pending_release(&wait);
	/* Until its socket is closed, which the relay passes on. */
	while (agent_call(&via, &call, "StatsContainer", &stats, NULL) != STATUS_UNAVAILABLE)
		;
	client_call_release(&call);
	ttrpc_client_free(via.client);
	agent_stop(&agent);
	agent_start(&agent);
	via.pid = agent.pid;
	via.loop = agent.loop;
	connect_via();
	assert_int_equal(container_whole(&via, "c4", "exit 5", NULL), 5);
}

static void test_the_record_tells_what_went_over(void **state)
{
	static char table[1 << 20];
	struct stat st;
	size_t n = 0;
	ssize_t got;
	int out, status;
	pid_t pid;

	agent_fails(&via, "StartContainer",
		&(Grpc__StartContainerRequest){
			.base = PROTOBUF_C_MESSAGE_INIT(&grpc__start_container_request__descriptor),
			.container_id = (char *)"nobody"},
		STATUS_INTERNAL, "does not exist");
	assert_int_equal(stat(record, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	pid = cradle((const char *const[]){"cradle", "relay", "--show", record, NULL}, &out);
	while ((got = read(out, table + n, sizeof(table) - 1 - n)) > 0)
		n += (size_t)got;
	close(out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_non_null(strstr(table, "request            grpc.AgentService/CreateContainer\n"));
	assert_non_null(strstr(table, "OK                 grpc.AgentService/WaitProcess\n"));
	assert_non_null(strstr(table, "INTERNAL           grpc.AgentService/StartContainer\n"));
	assert_non_null(strstr(table, " ms  "));
	assert_null(strstr(table, "other"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_containers_run_through_it),
	cmocka_unit_test(test_clients_do_not_mix),
	cmocka_unit_test(test_the_agent_restarts),
	cmocka_unit_test(test_the_record_tells_what_went_over),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
