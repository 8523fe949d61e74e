/* The life of containers and processes: create, start, exec, signal, wait, remove, destroy. */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/test_main.h"

static struct agent agent;

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	agent_start(&agent);
	request.sandbox_id = (char *)"sandbox";
	request.hostname = (char *)"inside";
	agent_ok(&agent, "CreateSandbox", &request);
	/* the first container's PID namespace stays pinned as the sandbox's: one descriptor */
	return container_whole(&agent, "first", "true", NULL);
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void signal_id(const char *id, const char *exec_id, uint32_t sig)
{
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.signal = sig;
	agent_ok(&agent, "SignalProcess", &request);
}

static void test_health(void **state)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct client_call call = {0};

	assert_int_equal(agent_call(&agent, &call, "Check", &request, NULL), 0);
	assert_int_equal(((Grpc__HealthCheckResponse *)call.response)->status,
		GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	assert_int_equal(agent_call(&agent, &call, "Version", &request, NULL), 0);
	assert_string_equal(((Grpc__VersionCheckResponse *)call.response)->agent_version, "4.1.0");
	assert_string_equal(((Grpc__VersionCheckResponse *)call.response)->grpc_version, "0.0.1");
	client_call_release(&call);
}

static void test_guest_details(void **state)
{
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;
	struct client_call call = {0};
	const Grpc__GuestDetailsResponse *response;
	bool blk = false;

	request.mem_block_size = true;
	request.mem_hotplug_probe = true;
	assert_int_equal(agent_call(&agent, &call, "GetGuestDetails", &request, NULL), 0);
	response = (void *)call.response;
	assert_string_equal(response->agent_details->version, "4.1.0");
	assert_false(response->agent_details->init_daemon);
	assert_true(response->agent_details->supports_seccomp);
	for (size_t i = 0; i < response->agent_details->n_storage_handlers; i++)
		blk |= strcmp(response->agent_details->storage_handlers[i], "blk") == 0;
	assert_true(blk);
	client_call_release(&call);
}

static void test_output_and_exit_code(void **state)
{
	struct agent_census before = agent_census(&agent);
	const char *output;

	assert_int_equal(container_whole(&agent, "out", "echo hello; exit 42", &output), 42);
	assert_string_equal(output, "hello\n");
	agent_assert_census(&agent, &before);
}

static void test_shared_hostname_and_own_pid(void **state)
{
	const char *output;

	container_whole(
		&agent, "ns", "hostname; echo $$; cat /proc/1/cmdline | head -c 5", &output);
	assert_string_equal(output, "inside\n1\nsh");
}

static void test_killed_by_signal(void **state)
{
	container_run(&agent, "sig", "sleep 1000");
	signal_id("sig", "sig", SIGKILL);
	assert_int_equal(container_wait(&agent, "sig", "sig"), 128 + SIGKILL);
	container_remove_id(&agent, "sig");
}

/* A pid 1 without handler does not see SIGTERM: it is killed instead. */
static void test_term_to_init_without_handler(void **state)
{
	container_run(&agent, "term", "sleep 1000; true");
	signal_id("term", "", SIGTERM);
	assert_int_equal(container_wait(&agent, "term", ""), 128 + SIGKILL);
	container_remove_id(&agent, "term");
}

static void test_term_to_init_with_handler(void **state)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};

	container_run(
		&agent, "trap", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done");
	read.container_id = (char *)"trap";
	read.len = 100;
	assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
	client_call_release(&call);
	signal_id("trap", "", SIGTERM);
	assert_int_equal(container_wait(&agent, "trap", ""), 7);
	container_remove_id(&agent, "trap");
}

/*
 * c28: the agent cannot look whether init has a handler (it is out of descriptors): SIGTERM stays
 * SIGTERM. So is the signal itself sent without a pidfd.
 */
static void test_c28_masks_that_cannot_be_read(void **state)
{
	struct rlimit none, before;

	container_run(
		&agent, "blind", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done");
	container_expect_line(&agent, "blind", "ready\n");
	assert_int_equal(prlimit(agent.pid, RLIMIT_NOFILE, NULL, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(prlimit(agent.pid, RLIMIT_NOFILE, &none, NULL), 0);
	signal_id("blind", "", SIGTERM);
	assert_int_equal(prlimit(agent.pid, RLIMIT_NOFILE, &before, NULL), 0);
	assert_int_equal(container_wait(&agent, "blind", ""), 7);
	/* not for want of an end: without a handler it would still run */
	container_run(&agent, "deaf", "echo ready; exec sleep 1000");
	container_expect_line(&agent, "deaf", "ready\n");
	assert_int_equal(prlimit(agent.pid, RLIMIT_NOFILE, &none, NULL), 0);
	signal_id("deaf", "", SIGTERM);
	assert_int_equal(prlimit(agent.pid, RLIMIT_NOFILE, &before, NULL), 0);
	assert_int_equal(container_exec_sh(&agent, "deaf", "e", "exit 4", NULL), 0);
	assert_int_equal(container_wait(&agent, "deaf", "e"), 4);
	container_remove_id(&agent, "blind");
	container_remove_id(&agent, "deaf");
}

static void test_exec(void **state)
{
	struct error err = ERROR_INIT;

	container_run(&agent, "ex", "sleep 1000");
	assert_int_equal(container_exec_sh(&agent, "ex", "e1", "echo $$ in; exit 3", &err), 0);
	assert_string_not_equal(container_output(&agent, "ex", "e1", false), "");
	assert_int_equal(container_wait(&agent, "ex", "e1"), 3);
	/* collected: gone for every later call */
	{
		Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

		wait.container_id = (char *)"ex";
		wait.exec_id = (char *)"e1";
		agent_fails(&agent, "WaitProcess", &wait, STATUS_NOT_FOUND, "e1");
	}
	/* the id is free again */
	assert_int_equal(container_exec_sh(&agent, "ex", "e1", "exit 4", &err), 0);
	assert_int_equal(container_wait(&agent, "ex", "e1"), 4);
	container_remove_id(&agent, "ex");
}

static void test_duplicate_exec_id(void **state)
{
	struct error err = ERROR_INIT;

	container_run(&agent, "dup", "sleep 1000");
	assert_int_equal(container_exec_sh(&agent, "dup", "e", "sleep 1000", &err), 0);
	assert_int_equal(container_exec_sh(&agent, "dup", "e", "true", &err), STATUS_INTERNAL);
	container_remove_id(&agent, "dup");
}

/* Several waiters that were there before the end all get the code. */
static void test_many_waiters(void **state)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct pending waiters[8];

	container_run(&agent, "many", "sleep 1000");
	wait.container_id = (char *)"many";
	for (size_t i = 0; i < 8; i++)
		agent_begin(&agent, NULL, &waiters[i], "WaitProcess", &wait);
	signal_id("many", "", SIGINT);
	signal_id("many", "", SIGKILL);
	for (size_t i = 0; i < 8; i++) {
		agent_await(&agent, &waiters[i]);
		assert_int_equal(waiters[i].code, 0);
		assert_int_equal(
			((Grpc__WaitProcessResponse *)waiters[i].call.response)->status, 137);
		pending_release(&waiters[i]);
	}
	container_remove_id(&agent, "many");
}

/* c9: a wait that races with a removal gets the exit code. */
static void test_remove_answers_waiter(void **state)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct agent_census before = agent_census(&agent);
	struct pending waiter;

	container_run(&agent, "race", "sleep 1000");
	wait.container_id = (char *)"race";
	agent_begin(&agent, NULL, &waiter, "WaitProcess", &wait);
	container_remove_id(&agent, "race");
	agent_await(&agent, &waiter);
	assert_int_equal(waiter.code, 0);
	assert_int_equal(((Grpc__WaitProcessResponse *)waiter.call.response)->status, 137);
	pending_release(&waiter);
	agent_assert_census(&agent, &before);
}

static void test_remove_created_container(void **state)
{
	static const char *const argv[] = {"true", NULL};
	struct agent_census before = agent_census(&agent);
	struct test_container c;

	container_fill(&c, &agent, "never", argv);
	container_send(&agent, &c);
	container_remove_id(&agent, "never");
	agent_assert_census(&agent, &before);
}

static void test_kill_all_reaches_children(void **state)
{
	struct agent_census before = agent_census(&agent);

	container_run(&agent, "all", "sleep 1000 & sleep 1000 & wait");
	signal_id("all", "", SIGKILL);
	assert_int_equal(container_wait(&agent, "all", ""), 137);
	container_remove_id(&agent, "all");
	agent_assert_census(&agent, &before);
}

static void test_state_of_descriptors_inside(void **state)
{
	const char *output;

	/* ls itself opens the directory as 3 */
	container_whole(&agent, "fds", "ls /proc/self/fd | tr '\\n' ' '", &output);
	assert_string_equal(output, "0 1 2 3 ");
}

/* A filter is compiled in a helper, into a memfd; init and execs get it (c14: no errno means
 * EPERM). */
static void test_seccomp(void **state)
{
	static const char *const argv[] = {
		"sh", "-c", "mkdir /tmp/a || echo refused; sleep 1000", NULL};
	static char *names[] = {(char *)"mkdir", (char *)"mkdirat"};
	Grpc__LinuxSeccomp seccomp = GRPC__LINUX_SECCOMP__INIT;
	Grpc__LinuxSyscall rule = GRPC__LINUX_SYSCALL__INIT, *rules[] = {&rule};
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct agent_census before = agent_census(&agent);
	struct client_call call = {0};
	struct test_container c;

	seccomp.defaultaction = (char *)"SCMP_ACT_ALLOW";
	seccomp.syscalls = rules;
	seccomp.n_syscalls = 1;
	rule.names = names;
	rule.n_names = 2;
	rule.action = (char *)"SCMP_ACT_ERRNO";
	container_fill(&c, &agent, "filter", argv);
	c.linux_part.seccomp = &seccomp;
	container_send(&agent, &c);
	container_start_id(&agent, "filter");
	read.container_id = (char *)"filter";
	read.len = 100;
	assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
	assert_memory_equal(((Grpc__ReadStreamResponse *)call.response)->data.data, "refused\n", 8);
	client_call_release(&call);
	assert_int_equal(
		container_exec_sh(&agent, "filter", "e", "mkdir /tmp/b; echo $?", NULL), 0);
	assert_string_equal(container_output(&agent, "filter", "e", false), "1\n");
	assert_int_equal(container_wait(&agent, "filter", "e"), 0);
	container_remove_id(&agent, "filter");
	agent_assert_census(&agent, &before);
}

static void test_fifty_runs_leave_nothing(void **state)
{
	struct agent_census before = agent_census(&agent);

	for (int i = 0; i < 50; i++)
		assert_int_equal(container_whole(&agent, "again", "exit 5", NULL), 5);
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_health),
	cmocka_unit_test(test_guest_details),
	cmocka_unit_test(test_output_and_exit_code),
	cmocka_unit_test(test_shared_hostname_and_own_pid),
	cmocka_unit_test(test_killed_by_signal),
	cmocka_unit_test(test_term_to_init_without_handler),
	cmocka_unit_test(test_term_to_init_with_handler),
	cmocka_unit_test(test_c28_masks_that_cannot_be_read),
	cmocka_unit_test(test_exec),
	cmocka_unit_test(test_duplicate_exec_id),
	cmocka_unit_test(test_many_waiters),
	cmocka_unit_test(test_remove_answers_waiter),
	cmocka_unit_test(test_remove_created_container),
	cmocka_unit_test(test_kill_all_reaches_children),
	cmocka_unit_test(test_state_of_descriptors_inside),
	cmocka_unit_test(test_seccomp),
	cmocka_unit_test(test_fifty_runs_leave_nothing),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
