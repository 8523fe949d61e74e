/*
 * The pod's shared PID namespace: who founds it, who joins it, and when it ends. (The other half of
 * c25, OnlineCPUMem's `wait`, comes with CPU and memory hotplug.)
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <signal.h>
#include <string.h>

#include "lib/test_main.h"

static struct agent agent;

static void start(bool shared)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	agent_start(&agent);
	request.sandbox_id = (char *)"pod";
	request.sandbox_pidns = shared;
	agent_ok(&agent, "CreateSandbox", &request);
}

static void fill(struct test_container *c, const char *id, const char *script, bool join)
{
	static const char *argv[] = {"sh", "-c", NULL, NULL};

	argv[2] = script;
	container_fill(c, &agent, id, argv);
	c->request.sandbox_pidns = join;
}

static void run(const char *id, const char *script, bool join)
{
	struct test_container c;

	fill(&c, id, script, join);
	container_send(&agent, &c);
	container_start_id(&agent, id);
}

/* What a container of this kind sees as its process 1. */
static void expect_first(bool join, const char *expected)
{
	run("look", "tr '\\0' ' ' < /proc/1/cmdline; echo", join);
	assert_string_equal(container_output(&agent, "look", "", false), expected);
	assert_int_equal(container_wait(&agent, "look", ""), 0);
	container_remove_id(&agent, "look");
}

static void kill_init(const char *id)
{
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	sig.container_id = sig.exec_id = (char *)id;
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, id, ""), 137);
}

#define OWN "sh -c tr '\\0' ' ' < /proc/1/cmdline; echo \n"

/* CreateSandbox's sandbox_pidns: all of the pod, whatever each CreateContainer says. */
static void test_c25_sandbox_pidns_of_the_sandbox(void **state)
{
	start(true);
	run("pod", "exec sleep 1000", false);
	expect_first(false, "sleep 1000 \n");
	expect_first(true, "sleep 1000 \n");
	agent_stop(&agent);
}

/* Without it each has its own, but for those that ask. */
static void test_sandbox_pidns_of_a_container(void **state)
{
	start(false);
	run("pod", "exec sleep 1000", false);
	expect_first(false, OWN);
	expect_first(true, "sleep 1000 \n");
	agent_stop(&agent);
}

/* It ends with its first process; the pod's pause container made anew founds it again. */
static void test_ends_with_its_init(void **state)
{
	struct test_container c;
	struct agent_census census;

	start(false);
	run("pod", "exec sleep 1000", false);
	run("other", "exec sleep 1000", true);
	kill_init("pod");
	/* the kernel has ended all that lived in it */
	assert_int_equal(container_wait(&agent, "other", ""), 137);
	container_remove_id(&agent, "other");
	census = agent_census(&agent);
	fill(&c, "late", "true", true);
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INTERNAL,
		"the sandbox has no PID namespace");
	agent_assert_census(&agent, &census);
	container_remove_id(&agent, "pod");
	run("bystander", "exec sleep 2000", false);
	run("pod", "exec sleep 3000", false);
	expect_first(true, "sleep 3000 \n");
	agent_stop(&agent);
}

/* The founder is removed whole: nothing of its namespace is kept. */
static void test_founder_is_removed(void **state)
{
	struct agent_census census;

	start(false);
	run("warm", "exit 0", false);
	container_wait(&agent, "warm", "");
	container_remove_id(&agent, "warm");
	census = agent_census(&agent);
	run("first", "exec sleep 1000", false);
	container_remove_id(&agent, "first");
	agent_assert_census(&agent, &census);
	run("pod", "exec sleep 4000", true);
	expect_first(true, "sleep 4000 \n");
	agent_stop(&agent);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_c25_sandbox_pidns_of_the_sandbox),
	cmocka_unit_test(test_sandbox_pidns_of_a_container),
	cmocka_unit_test(test_ends_with_its_init),
	cmocka_unit_test(test_founder_is_removed),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
