/*
 * What processes of a container have and leave: no descriptor of the agent's, a session of their
 * own, signals that stay inside, no zombies, and an agent that is after many execs what it was
 * before.
 */
#define TEST_TIMEOUT 200
#include "lib/agent_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	agent_start(&agent);
	agent_ok(&agent, "CreateSandbox", &request);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static const char *exec_output(const char *id, const char *script)
{
	static char text[4096];

	assert_int_equal(container_exec_sh(&agent, id, "x", script, NULL), 0);
	str_copy(text, sizeof(text), container_output(&agent, id, "x", false));
	container_wait(&agent, id, "x");
	return text;
}

/* ---- what is said ---- */

/* c37: no log line, at debug level, and no error tells what stands in a container's environment. */
static void test_c37_secrets_are_not_said(void **state)
{
	static const char *const argv[] = {"sh", "-c", "exit 0", NULL};
	static const char *const missing[] = {"/missing", NULL};
	static char log[8 << 20];
	struct client_call call = {0};
	struct test_container c;
	struct error err = ERROR_INIT;

	for (int i = 0; i < 2; i++) {
		container_fill(&c, &agent, "secret", i ? missing : argv);
		c.env[c.process.n_env++] = (char *)"PASSWORD=hunter-c37";
		assert_int_equal(
			agent_call(&agent, &call, "CreateContainer", &c.request, &err) != 0, i);
		if (i)
			continue;
		container_start_id(&agent, "secret");
		container_remove_id(&agent, "secret");
	}
	client_call_release(&call);
	assert_non_null(strstr(err.text, "/missing"));
	assert_null(strstr(err.text, "hunter-c37"));
	assert_null(strstr(err.text, "backtrace"));
	assert_true(file_read(scratch_path("agent.log"), log, sizeof(log)) > 0);
	assert_non_null(strstr(log, "\"secret\""));
	assert_null(strstr(log, "hunter-c37"));
}

/* ---- what a container costs ---- */

/* Field by field of smaps_rollup, in KiB. */
static long agent_pss(void)
{
	char path[64], text[4096];
	const char *at;
	long kib = 0;

	str_format(path, sizeof(path), "/proc/%d/smaps_rollup", (int)agent.pid);
	assert_true(file_read(path, text, sizeof(text)) > 0);
	at = strstr(text, "Pss:");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "Pss: %ld", &kib), 1);
	return kib;
}

/*
 * c59: nothing is used up by 140 containers alive (an inotify instance each would end at 128), each
 * holds its three pipes and no more (on v1 an eventfd too) and takes at most 6 KiB of the agent's
 * memory, and what nobody read is gone with them.
 */
static void test_c59_descriptors_of_a_container(void **state)
{
	int each = file_exists("/sys/fs/cgroup/memory/memory.limit_in_bytes") ? 4 : 3;
	const int count = 140;
	char id[16];
	long pss;
	int fds;

	/* the first one founds the pod's PID namespace, which the agent keeps open */
	container_run(&agent, "founder", "exec sleep 1000");
	fds = agent_census_at_rest(&agent).fds;
	pss = agent_pss();
	for (int i = 0; i < count; i++) {
		str_format(id, sizeof(id), "many-%d", i);
		container_run(&agent, id, "echo unread; exec sleep 1000");
	}
	assert_int_equal(agent_census_at_rest(&agent).fds, fds + count * each);
	pss = agent_pss() - pss;
	print_message("# %d containers: %ld KiB more PSS\n", count, pss);
#ifndef __SANITIZE_ADDRESS__
	assert_true(pss <= 6l * count);
#endif
	for (int i = 0; i < count; i++) {
		str_format(id, sizeof(id), "many-%d", i);
		container_remove_id(&agent, id);
	}
	container_remove_id(&agent, "founder");
	agent_assert_census(&agent, &before);
}

/* ---- descriptors ---- */

/* ls has the directory open as 3 */
#define LIST_FDS "ls /proc/self/fd | tr '\\n' ' '"

static void add_hook(Grpc__Hook *hook, char **args, const char *script)
{
	static char *env[] = {(char *)"PATH=/bin:/usr/bin"};

	grpc__hook__init(hook);
	hook->path = (char *)"/bin/sh";
	args[0] = (char *)"sh";
	args[1] = (char *)"-c";
	args[2] = (char *)script;
	hook->args = args;
	hook->n_args = 3;
	hook->env = env;
	hook->n_env = 1;
}

/* Init, an exec and hooks on both sides, while the agent has much open. */
static void test_c8_no_descriptor_of_the_agent(void **state)
{
	static const char *const argv[] = {"sh", "-c", LIST_FDS "; cat", NULL};
	Grpc__Hooks hooks = GRPC__HOOKS__INIT;
	Grpc__Hook prestart, start, *list[2] = {&prestart, &start};
	char outside[300], *args[2][3], text[64] = "";
	struct test_container c;

	container_run(&agent, "other", "exec sleep 1000");
	assert_int_equal(container_exec_sh(&agent, "other", "e", "exec sleep 1000", NULL), 0);
	container_fill(&c, &agent, "fds", argv);
	str_format(outside, sizeof(outside), LIST_FDS " > %s", scratch_path("hook-fds"));
	add_hook(&prestart, args[0], outside);
	add_hook(&start, args[1], LIST_FDS " > /tmp/hook-fds");
	hooks.prestart = &list[0];
	hooks.n_prestart = 1;
	hooks.startcontainer = &list[1];
	hooks.n_startcontainer = 1;
	c.spec.hooks = &hooks;
	container_send(&agent, &c);
	container_start_id(&agent, "fds");
	assert_string_equal(exec_output("fds", LIST_FDS), "0 1 2 3 ");
	assert_string_equal(exec_output("fds", "cat /tmp/hook-fds"), "0 1 2 3 ");
	assert_true(file_read(scratch_path("hook-fds"), text, sizeof(text)) > 0);
	assert_string_equal(text, "0 1 2 3 ");
	{
		Grpc__CloseStdinRequest end = GRPC__CLOSE_STDIN_REQUEST__INIT;

		end.container_id = (char *)"fds";
		agent_ok(&agent, "CloseStdin", &end);
	}
	assert_string_equal(container_output(&agent, "fds", "", false), "0 1 2 3 ");
	container_remove_id(&agent, "fds");
	container_remove_id(&agent, "other");
	agent_assert_census(&agent, &before);
}

/* ---- sessions and signals ---- */

/* Fields 5 and 6 of stat: process group and session are the process's own number. */
static void test_sessions(void **state)
{
	static const char own[] = "read pid name state parent group session rest < /proc/self/stat;"
				  "test $group = $session && test $session = $$ && echo own";

	container_run(&agent, "session", own);
	assert_string_equal(container_output(&agent, "session", "", false), "own\n");
	container_remove_id(&agent, "session");
	container_run(&agent, "session", "exec sleep 1000");
	assert_string_equal(exec_output("session", own), "own\n");
	container_remove_id(&agent, "session");
	agent_assert_census(&agent, &before);
}

/* "kill 0" reaches its own group only, "kill -9 -1" its own container only. */
static void test_signals_stay_inside(void **state)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;

	container_run(&agent, "bystander", "exec sleep 1000");
	container_run(&agent, "wild", "sleep 1000; echo survived; exec sleep 1000");
	assert_int_equal(container_exec_sh(&agent, "wild", "zero", "kill -9 0; exit 1", NULL), 0);
	assert_int_equal(container_wait(&agent, "wild", "zero"), 137);
	/* init's child is in another group and lives; killing all ends it, and not init */
	assert_int_equal(container_exec_sh(&agent, "wild", "all", "kill -9 -1; exit 3", NULL), 0);
	/* kill(2) spares who calls it */
	assert_int_equal(container_wait(&agent, "wild", "all"), 3);
	{
		Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
		struct client_call call = {0};

		read.container_id = (char *)"wild";
		read.len = 100;
		assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
		assert_memory_equal(
			((Grpc__ReadStreamResponse *)call.response)->data.data, "survived\n", 9);
		client_call_release(&call);
	}
	agent_ok(&agent, "Check", &check);
	assert_string_equal(exec_output("bystander", "echo here"), "here\n");
	container_remove_id(&agent, "wild");
	container_remove_id(&agent, "bystander");
	agent_assert_census(&agent, &before);
}

/* ---- many execs ---- */

static int zombies(void)
{
	char command[128];

	str_format(command, sizeof(command),
		"exit $(ps --no-headers --ppid %d -o stat | grep -c '^Z')", (int)agent.pid);
	return WEXITSTATUS(system(command));
}

static void execs(int count)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;

	for (int i = 0; i < count; i++) {
		char id[32];

		str_format(id, sizeof(id), "exec-%d", i);
		/* a child of its own that outlives it for a moment */
		assert_int_equal(
			container_exec_sh(&agent, "many", id, "true & echo $$; exit 5", NULL), 0);
		assert_true(container_output(&agent, "many", id, false)[0] != '\0');
		/* both to their ends: what is unread stays readable for a while, and open */
		assert_string_equal(container_output(&agent, "many", id, true), "");
		assert_int_equal(container_wait(&agent, "many", id), 5);
	}
	/* the last one is let go with the loop's next turn */
	agent_ok(&agent, "Check", &check);
}

/* The quick half of the churn benchmark's 10,000: nothing grows, nobody is left. */
static void test_growth(void **state)
{
	struct agent_census middle;
	long pss;

	container_run(&agent, "many", "while :; do sleep 0.05; done");
	execs(60);
	middle = agent_census_at_rest(&agent);
	pss = agent_pss();
	execs(240);
	agent_assert_census(&agent, &middle);
	assert_int_equal(zombies(), 0);
#ifndef __SANITIZE_ADDRESS__
	/* a page table, a heap's edge: not a struct for each exec, which would be 200 KiB */
	if (agent_pss() > pss + 48)
		fail_msg("PSS grew from %ld to %ld KiB in 240 execs", pss, agent_pss());
#else
	(void)pss;
#endif
	container_remove_id(&agent, "many");
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_c37_secrets_are_not_said),
	cmocka_unit_test(test_c8_no_descriptor_of_the_agent),
	cmocka_unit_test(test_c59_descriptors_of_a_container),
	cmocka_unit_test(test_sessions),
	cmocka_unit_test(test_signals_stay_inside),
	cmocka_unit_test(test_growth),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
