/*
 * PauseContainer and ResumeContainer: a paused container stands still, holds nobody up, and can be
 * killed, waited for, measured and removed.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/strings.h"
#include "lib/test_groups.h"
#include "lib/test_main.h"

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	agent_start(&agent);
	/* the first: its PID namespace is the sandbox's */
	container_run(&agent, "anchor", "sleep 1000");
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	container_remove_id(&agent, "anchor");
	agent_stop(&agent);
	return 0;
}

static void pause_id(const char *id)
{
	Grpc__PauseContainerRequest request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	agent_ok(&agent, "PauseContainer", &request);
}

static void resume_id(const char *id)
{
	Grpc__ResumeContainerRequest request = GRPC__RESUME_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	agent_ok(&agent, "ResumeContainer", &request);
}

static void signal_id(const char *id, const char *exec_id, uint32_t sig)
{
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.signal = sig;
	agent_ok(&agent, "SignalProcess", &request);
}

static void health(void)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;

	agent_ok(&agent, "Check", &check);
}

/* The call does not wait for it, the test does: until the kernel says frozen 1 (or 0). */
static void await_frozen(const char *id, bool want)
{
	while (group_frozen(id) != want)
		sched_yield();
}

static void begin_read(struct pending *read, const char *id)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	request.container_id = (char *)id;
	request.len = 65536;
	agent_begin(&agent, NULL, read, "ReadStdout", &request);
}

/* Until nothing is left: the next read stays open. */
static void drain(struct pending *read, const char *id)
{
	for (;;) {
		begin_read(read, id);
		health();
		if (!read->done)
			return;
		assert_int_equal(read->code, 0);
		pending_release(read);
	}
}

#define TALKER "while :; do echo x; done"

static void test_stands_still_and_goes_on(void **state)
{
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct pending read, exited;

	container_run(&agent, "still", TALKER);
	wait.container_id = stats.container_id = (char *)"still";
	agent_begin(&agent, NULL, &exited, "WaitProcess", &wait);
	pause_id("still");
	await_frozen("still", true);
	drain(&read, "still");
	agent_ok(&agent, "StatsContainer", &stats);
	assert_false(read.done);
	assert_false(exited.done);
	resume_id("still");
	agent_await(&agent, &read);
	assert_int_equal(read.code, 0);
	assert_true(((Grpc__ReadStreamResponse *)read.call.response)->data.len > 0);
	pending_release(&read);
	container_remove_id(&agent, "still");
	agent_await(&agent, &exited);
	assert_int_equal(((Grpc__WaitProcessResponse *)exited.call.response)->status, 137);
	pending_release(&exited);
	agent_assert_census(&agent, &before);
}

static void test_wrong_states(void **state)
{
	Grpc__PauseContainerRequest pause_request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume_request = GRPC__RESUME_CONTAINER_REQUEST__INIT;

	pause_request.container_id = resume_request.container_id = (char *)"nothing";
	agent_fails(&agent, "PauseContainer", &pause_request, STATUS_INVALID_ARGUMENT, "nothing");
	agent_fails(&agent, "ResumeContainer", &resume_request, STATUS_INVALID_ARGUMENT, "nothing");
	container_run(&agent, "wrong", "sleep 1000");
	pause_request.container_id = resume_request.container_id = (char *)"wrong";
	agent_fails(&agent, "ResumeContainer", &resume_request, STATUS_INTERNAL,
		"cannot resume container wrong: it is running");
	pause_id("wrong");
	agent_fails(&agent, "PauseContainer", &pause_request, STATUS_INTERNAL,
		"cannot pause container wrong: it is paused");
	resume_id("wrong");
	signal_id("wrong", "", SIGKILL);
	assert_int_equal(container_wait(&agent, "wrong", ""), 137);
	agent_fails(&agent, "PauseContainer", &pause_request, STATUS_INTERNAL, "it is stopped");
	container_remove_id(&agent, "wrong");
	agent_assert_census(&agent, &before);
}

/* One that is paused before its start may be started once it goes on, not before. */
static void test_paused_before_start(void **state)
{
	static const char *const argv[] = {"sh", "-c", "exit 6", NULL};
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	struct test_container c;

	container_fill(&c, &agent, "early", argv);
	container_send(&agent, &c);
	pause_id("early");
	start.container_id = (char *)"early";
	agent_fails(&agent, "StartContainer", &start, STATUS_INTERNAL,
		"cannot start container early: it is paused");
	resume_id("early");
	container_start_id(&agent, "early");
	assert_int_equal(container_wait(&agent, "early", ""), 6);
	container_remove_id(&agent, "early");
	agent_assert_census(&agent, &before);
}

/* c2: an exec in a paused container is refused at once; it neither hangs nor keeps anything. */
static void test_c02_exec_in_paused_container(void **state)
{
	struct agent_census paused;
	struct error err;

	container_run(&agent, "cold", "sleep 1000");
	pause_id("cold");
	await_frozen("cold", true);
	paused = agent_census(&agent);
	assert_int_equal(container_exec_sh(&agent, "cold", "e", "exit 5", &err), STATUS_INTERNAL);
	assert_non_null(strstr(err.text, "cannot exec in container cold: it is paused"));
	agent_assert_census(&agent, &paused);
	resume_id("cold");
	assert_int_equal(container_exec_sh(&agent, "cold", "e", "exit 5", NULL), 0);
	assert_int_equal(container_wait(&agent, "cold", "e"), 5);
	container_remove_id(&agent, "cold");
	agent_assert_census(&agent, &before);
}

/*
 * The pause comes while an exec is being set up: its child freezes half way. Others are answered
 * meanwhile, and the exec when it goes on.
 */
static void test_c02_paused_while_an_exec_starts(void **state)
{
	static char *args[] = {(char *)"/bin/sh", (char *)"-c", (char *)"exit 8"};
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__PauseContainerRequest pause_request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__Process process = GRPC__PROCESS__INIT;
	struct pending exec, paused;

	container_run(&agent, "half", "sleep 1000");
	process.args = args;
	process.n_args = 3;
	request.process = &process;
	request.container_id = pause_request.container_id = (char *)"half";
	request.exec_id = (char *)"e";
	kill(agent.pid, SIGSTOP);
	agent_begin(&agent, NULL, &exec, "ExecProcess", &request);
	agent_begin(&agent, NULL, &paused, "PauseContainer", &pause_request);
	event_loop_step(agent.loop, 0);
	event_loop_step(agent.loop, 0);
	kill(agent.pid, SIGCONT);
	agent_await(&agent, &paused);
	assert_int_equal(paused.code, 0);
	health();
	assert_false(exec.done);
	resume_id("half");
	agent_await(&agent, &exec);
	assert_int_equal(exec.code, 0);
	assert_int_equal(container_wait(&agent, "half", "e"), 8);
	pending_release(&exec);
	pending_release(&paused);
	container_remove_id(&agent, "half");
	agent_assert_census(&agent, &before);
}

/* Dead is dead, also frozen; what was left alive goes on. */
static void test_killed_while_paused(void **state)
{
	for (int all = 0; all < 2; all++) {
		container_run(&agent, "ice", TALKER);
		assert_int_equal(container_exec_sh(&agent, "ice", "e", "sleep 1000", NULL), 0);
		pause_id("ice");
		await_frozen("ice", true);
		signal_id("ice", all ? "" : "ice", SIGKILL);
		assert_int_equal(container_wait(&agent, "ice", ""), 137);
		assert_int_equal(container_wait(&agent, "ice", "e"), 137);
		container_remove_id(&agent, "ice");
		agent_assert_census(&agent, &before);
	}
}

/* Any other signal arrives when it goes on. */
static void test_signal_waits_for_resume(void **state)
{
	struct pending read;

	container_run(&agent, "later",
		"trap 'echo got it; exit 7' TERM; echo up; "
		"while :; do sleep 0.02; done");
	begin_read(&read, "later");
	agent_await(&agent, &read);
	pending_release(&read);
	pause_id("later");
	await_frozen("later", true);
	signal_id("later", "", SIGTERM);
	begin_read(&read, "later");
	health();
	assert_false(read.done);
	resume_id("later");
	agent_await(&agent, &read);
	assert_int_equal(((Grpc__ReadStreamResponse *)read.call.response)->data.len, 7);
	pending_release(&read);
	assert_int_equal(container_wait(&agent, "later", ""), 7);
	container_remove_id(&agent, "later");
	agent_assert_census(&agent, &before);
}

/* c54: neither a frozen process nor its group stays behind. */
static void test_c54_removed_while_paused(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	struct test_container c;

	container_run(&agent, "gone", TALKER);
	pause_id("gone");
	await_frozen("gone", true);
	container_remove_id(&agent, "gone");
	agent_assert_census(&agent, &before);
	/* one that was never started */
	container_fill(&c, &agent, "gone", argv);
	container_send(&agent, &c);
	pause_id("gone");
	container_remove_id(&agent, "gone");
	agent_assert_census(&agent, &before);
}

/* In a shared PID namespace others outlive init: they are not left frozen. */
static void test_init_ends_while_paused(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	struct test_container c;

	container_fill(&c, &agent, "second", argv);
	c.request.sandbox_pidns = true;
	container_send(&agent, &c);
	container_start_id(&agent, "second");
	assert_int_equal(container_exec_sh(&agent, "second", "e", "read line; exit 9", NULL), 0);
	pause_id("second");
	await_frozen("second", true);
	signal_id("second", "second", SIGKILL);
	assert_int_equal(container_wait(&agent, "second", ""), 137);
	await_frozen("second", false);
	signal_id("second", "e", SIGTERM);
	assert_int_equal(container_wait(&agent, "second", "e"), 128 + SIGTERM);
	container_remove_id(&agent, "second");
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_stands_still_and_goes_on),
	cmocka_unit_test(test_wrong_states),
	cmocka_unit_test(test_paused_before_start),
	cmocka_unit_test(test_c02_exec_in_paused_container),
	cmocka_unit_test(test_c02_paused_while_an_exec_starts),
	cmocka_unit_test(test_killed_while_paused),
	cmocka_unit_test(test_signal_waits_for_resume),
	cmocka_unit_test(test_c54_removed_while_paused),
	cmocka_unit_test(test_init_ends_while_paused),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
