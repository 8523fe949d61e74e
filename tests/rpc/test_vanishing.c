/* A client that vanishes in each blocking call: the call ends, nothing is lost, nothing stays. */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/test_main.h"

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	const char *warm_up;

	agent_start(&agent);
	container_whole(&agent, "warm", "true", &warm_up);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* Sends a call on a connection of its own, sees it parked (Health answers after it), then goes. */
static void vanish_in(const char *method, const void *request)
{
	struct ttrpc_client *client = agent_connect(&agent);
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct pending parked, health;

	agent_begin(&agent, client, &parked, method, request);
	agent_begin(&agent, client, &health, "Check", &check);
	agent_await(&agent, &health);
	assert_false(parked.done);
	pending_release(&health);
	ttrpc_client_free(client);
	pending_release(&parked);
}

static void test_wait_process(void **state)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	container_run(&agent, "wait", "sleep 1000");
	wait.container_id = sig.container_id = (char *)"wait";
	vanish_in("WaitProcess", &wait);
	/* the exit code is still there for the next who asks */
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "wait", ""), 137);
	container_remove_id(&agent, "wait");
	agent_assert_census(&agent, &before);
}

static void test_read(void **state)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;

	container_run(&agent, "read", "read line; echo the only line");
	read.container_id = (char *)"read";
	read.len = 100;
	vanish_in("ReadStdout", &read);
	vanish_in("ReadStderr", &read);
	{
		Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;

		write.container_id = (char *)"read";
		write.data.data = (uint8_t *)"\n";
		write.data.len = 1;
		agent_ok(&agent, "WriteStdin", &write);
	}
	/* not a byte went with the readers that are gone */
	assert_string_equal(container_output(&agent, "read", "", false), "the only line\n");
	container_remove_id(&agent, "read");
	agent_assert_census(&agent, &before);
}

static void test_write(void **state)
{
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	static uint8_t data[1 << 20];

	container_run(&agent, "write", "sleep 1000");
	write.container_id = (char *)"write";
	write.data.data = data;
	write.data.len = sizeof(data);
	vanish_in("WriteStdin", &write);
	container_remove_id(&agent, "write");
	agent_assert_census(&agent, &before);
}

static void test_oom_event(void **state)
{
	Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;

	vanish_in("GetOOMEvent", &request);
	agent_assert_census(&agent, &before);
}

static void stop_agent(void)
{
	int status;

	kill(agent.pid, SIGSTOP);
	assert_int_equal(waitpid(agent.pid, &status, WUNTRACED), agent.pid);
}

/* The caller of a creation goes: what was made is undone, the id is free. */
static void test_create(void **state)
{
	static const char *const argv[] = {"true", NULL};

	for (int i = 0; i < 20; i++) {
		struct ttrpc_client *client = agent_connect(&agent);
		struct test_container c;
		struct pending create;
		const char *output;

		container_fill(&c, &agent, "half", argv);
		agent_begin(&agent, client, &create, "CreateContainer", &c.request);
		for (int k = 0; k < i; k++)
			event_loop_step(agent.loop, 1);
		stop_agent();
		/* an answer that is out already was not lost with the caller */
		for (int k = 0; k < 10; k++)
			event_loop_step(agent.loop, 0);
		ttrpc_client_free(client);
		kill(agent.pid, SIGCONT);
		if (create.done && create.code == 0)
			container_remove_id(&agent, "half");
		pending_release(&create);
		agent_assert_census(&agent, &before);
		assert_int_equal(container_whole(&agent, "half", "echo ok", &output), 0);
		assert_string_equal(output, "ok\n");
	}
}

static void test_start_and_remove(void **state)
{
	static const char *const argv[] = {"sh", "-c", "exit 6", NULL};
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct ttrpc_client *client = agent_connect(&agent);
	struct pending call;
	struct test_container c;

	container_fill(&c, &agent, "goes-on", argv);
	container_send(&agent, &c);
	start.container_id = remove.container_id = (char *)"goes-on";
	/* a start goes on without its caller, and so does a removal */
	agent_begin(&agent, client, &call, "StartContainer", &start);
	event_loop_step(agent.loop, 0);
	ttrpc_client_free(client);
	pending_release(&call);
	assert_int_equal(container_wait(&agent, "goes-on", ""), 6);
	client = agent_connect(&agent);
	agent_begin(&agent, client, &call, "RemoveContainer", &remove);
	event_loop_step(agent.loop, 0);
	ttrpc_client_free(client);
	pending_release(&call);
	agent_assert_census(&agent, &before);
}

/* A deadline ends a wait with DEADLINE_EXCEEDED, and only the wait. */
static void test_deadline(void **state)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	container_run(&agent, "late", "sleep 1000");
	wait.container_id = (char *)"late";
	assert_true(
		client_call_wait(agent.client, &call, "grpc.AgentService", "WaitProcess",
			(void *)&wait, &grpc__wait_process_response__descriptor, 100, &err) < 0);
	assert_int_equal(err.status, STATUS_DEADLINE_EXCEEDED);
	client_call_release(&call);
	container_remove_id(&agent, "late");
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_wait_process),
	cmocka_unit_test(test_read),
	cmocka_unit_test(test_write),
	cmocka_unit_test(test_oom_event),
	cmocka_unit_test(test_create),
	cmocka_unit_test(test_start_and_remove),
	cmocka_unit_test(test_deadline),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
