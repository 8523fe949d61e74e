/*
 * Hooks of each kind: when they run, what they are told, what their failure does, and that a slow
 * one holds up nobody else (c6, c12, c58).
 */
#define TEST_TIMEOUT 240
#include "lib/agent_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

enum kind {
	PRESTART,
	CREATE_RUNTIME,
	CREATE_CONTAINER,
	START_CONTAINER,
	POSTSTART,
	POSTSTOP,
	KINDS
};

static const char *const names[KINDS] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};

static struct agent agent;
static struct agent_census before;

/* One hook of each kind, of which a test takes what it wants. */
static struct hooks {
	Grpc__Hooks all;
	Grpc__Hook hook[KINDS], *list[KINDS];
	char script[KINDS][400], *args[KINDS][3], *env[1];
	Grpc__Spec__AnnotationsEntry annotation, *annotations[1];
} h;

/* Where a hook of the kind finds a file of the container's /tmp. */
static const char *path_for(enum kind kind, const char *name)
{
	static char path[400];

	str_format(
		path, sizeof(path), "%s/tmp/%s", kind == START_CONTAINER ? "" : agent.rootfs, name);
	return path;
}

static void hook(enum kind kind, const char *script)
{
	size_t *const counts[] = {&h.all.n_prestart, &h.all.n_createruntime,
		&h.all.n_createcontainer, &h.all.n_startcontainer, &h.all.n_poststart,
		&h.all.n_poststop};
	Grpc__Hook ***const lists[] = {&h.all.prestart, &h.all.createruntime,
		&h.all.createcontainer, &h.all.startcontainer, &h.all.poststart, &h.all.poststop};

	grpc__hook__init(&h.hook[kind]);
	h.hook[kind].path = (char *)"/bin/sh";
	str_copy(h.script[kind], sizeof(h.script[kind]), script);
	h.args[kind][0] = (char *)"sh";
	h.args[kind][1] = (char *)"-c";
	h.args[kind][2] = h.script[kind];
	h.hook[kind].args = h.args[kind];
	h.hook[kind].n_args = 3;
	h.env[0] = (char *)"PATH=/bin:/usr/bin";
	h.hook[kind].env = h.env;
	h.hook[kind].n_env = 1;
	h.list[kind] = &h.hook[kind];
	*lists[kind] = &h.list[kind];
	*counts[kind] = 1;
}

static void fill(struct test_container *c, const char *id)
{
	static const char *const argv[] = {"sleep", "1000", NULL};

	container_fill(c, &agent, id, argv);
	memset(&h, 0, sizeof(h));
	grpc__hooks__init(&h.all);
	c->spec.hooks = &h.all;
	unlink(path_for(PRESTART, "order"));
}

static const char *order(void)
{
	static char text[8192];

	if (file_read(path_for(PRESTART, "order"), text, sizeof(text)) < 0)
		text[0] = '\0';
	return text;
}

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	const char *warm_up;

	/* where the agent may not change its own, there is something to inherit all the same */
	assert_int_equal(file_write("/proc/self/oom_score_adj", "100"), 0);
	agent_start(&agent);
	agent_ok(&agent, "CreateSandbox", &request);
	container_whole(&agent, "warm", "true", &warm_up);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void write_order(enum kind kind)
{
	char script[400];

	str_format(script, sizeof(script), "echo %s >> %s", names[kind], path_for(kind, "order"));
	hook(kind, script);
}

/* c12: each kind once, at its moment. */
static void test_c12_order(void **state)
{
	struct test_container c;

	fill(&c, "order");
	for (int kind = 0; kind < KINDS; kind++)
		write_order((enum kind)kind);
	container_send(&agent, &c);
	assert_string_equal(order(), "prestart\ncreateRuntime\ncreateContainer\n");
	container_start_id(&agent, "order");
	assert_string_equal(
		order(), "prestart\ncreateRuntime\ncreateContainer\nstartContainer\npoststart\n");
	container_remove_id(&agent, "order");
	assert_string_equal(order(), "prestart\ncreateRuntime\ncreateContainer\nstartContainer\n"
				     "poststart\npoststop\n");
	agent_assert_census(&agent, &before);
}

/*
 * The agent protects itself from the OOM killer, as a service too; nothing it starts inherits that:
 * hooks in the agent's place have 0, those in the container's and the container what it asked for.
 */
static void test_protection_is_not_inherited(void **state)
{
	const char *argv[] = {"cat", "/proc/self/oom_score_adj", NULL};
	char path[64], text[16] = "";
	struct test_container c;

	/* lowering it takes a capability that a test's machine may not give to anybody */
	str_format(path, sizeof(path), "/proc/%d/oom_score_adj", (int)agent.pid);
	assert_true(file_read(path, text, sizeof(text)) > 0);
	assert_string_equal(
		text, file_write("/proc/self/oom_score_adj", "-1") == 0 ? "-997\n" : "100\n");
	fill(&c, "score");
	c.process.oomscoreadj = 7;
	for (int kind = 0; kind < KINDS; kind++) {
		char script[400];

		str_format(script, sizeof(script), "cat /proc/self/oom_score_adj >> %s",
			path_for((enum kind)kind, "order"));
		hook((enum kind)kind, script);
	}
	container_send(&agent, &c);
	container_start_id(&agent, "score");
	container_remove_id(&agent, "score");
	assert_string_equal(order(), "0\n0\n7\n7\n0\n0\n");
	container_fill(&c, &agent, "plain", argv);
	container_send(&agent, &c);
	container_start_id(&agent, "plain");
	assert_string_equal(container_output(&agent, "plain", "", false), "0\n");
	assert_int_equal(container_wait(&agent, "plain", ""), 0);
	container_remove_id(&agent, "plain");
	agent_assert_census(&agent, &before);
}

/* The state on stdin: JSON, with what the OCI specification wants in it. */
static void test_state(void **state)
{
	static const char *const status[KINDS] = {
		"creating", "creating", "creating", "created", "running", "stopped"};
	char expected[400], line[600];
	const char *text;
	int first = 0;
	struct test_container c;

	fill(&c, "state");
	grpc__spec__annotations_entry__init(&h.annotation);
	h.annotation.key = (char *)"a key";
	h.annotation.value = (char *)"say \"\\\n";
	h.annotations[0] = &h.annotation;
	c.spec.annotations = h.annotations;
	c.spec.n_annotations = 1;
	for (int kind = 0; kind < KINDS; kind++) {
		char script[400];

		str_format(script, sizeof(script), "cat >> %s", path_for((enum kind)kind, "order"));
		hook((enum kind)kind, script);
	}
	container_send(&agent, &c);
	container_start_id(&agent, "state");
	container_remove_id(&agent, "state");
	text = order();
	for (int kind = 0; kind < KINDS; kind++) {
		size_t n = strcspn(text, "\n");
		const char *pid;

		str_format(line, sizeof(line), "%.*s", (int)n, text);
		text += n + 1;
		str_format(expected, sizeof(expected),
			"{\"ociVersion\":\"1.0.2\",\"id\":\"state\","
			"\"bundle\":\"/run/kata-containers/state\","
			"\"annotations\":{\"a key\":\"say \\\"\\\\\\u000a\"},\"status\":\"%s\"",
			status[kind]);
		if (!str_starts(line, expected))
			fail_msg("%s: %s", names[kind], line);
		pid = strstr(line, "\"pid\":");
		if (kind == POSTSTOP) {
			assert_null(pid);
			continue;
		}
		/* the agent's number for it, for all of them the same */
		assert_non_null(pid);
		if (kind == 0)
			first = atoi(pid + 6);
		assert_true(first > 1);
		assert_int_equal(atoi(pid + 6), first);
	}
	agent_assert_census(&agent, &before);
}

/* Namespaces and root file system a hook runs in; its environment is what it was given. */
static void test_surroundings(void **state)
{
	char mine[64] = "", expected[400];
	struct test_container c;
	const enum kind shown[] = {CREATE_RUNTIME, CREATE_CONTAINER, START_CONTAINER};

	assert_true(readlink("/proc/self/ns/uts", mine, sizeof(mine) - 1) > 0);
	fill(&c, "where");
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		char script[400];

		str_format(script, sizeof(script),
			"{ readlink /proc/self/ns/uts; [ -d /work -o -d /usr ] && echo guest; "
			"echo \"[$HOME$OLDPWD]\"; } >> %s",
			path_for(shown[i], "order"));
		hook(shown[i], script);
	}
	container_send(&agent, &c);
	container_start_id(&agent, "where");
	container_remove_id(&agent, "where");
	str_format(expected, sizeof(expected), "%s\nguest\n[]\nuts:[", mine);
	if (!str_starts(order(), expected))
		fail_msg("%s", order());
	/* createContainer: the container's namespaces, the guest's files; startContainer: its own
	 */
	assert_non_null(strstr(order() + strlen(expected), "]\nguest\n[]\nuts:["));
	assert_null(strstr(order() + strlen(expected), mine));
	assert_string_equal(strrchr(order(), 'u'), strstr(strrchr(order(), 'u'), "uts:["));
	assert_non_null(strstr(strrchr(order(), ':'), "]\n[]\n"));
}

static void test_failures_that_count(void **state)
{
	struct test_container c;
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;

	for (int kind = 0; kind <= CREATE_CONTAINER; kind++) {
		char text[100];

		fill(&c, "fails");
		hook((enum kind)kind, "echo broken; exit 3");
		write_order(POSTSTOP);
		str_format(text, sizeof(text), "hook %s /bin/sh: exit code 3: broken", names[kind]);
		agent_fails(&agent, "CreateContainer", &c.request, STATUS_INTERNAL, text);
		/* what was begun is ended, its poststop hooks included */
		assert_string_equal(order(), "poststop\n");
		agent_assert_census(&agent, &before);
	}
	fill(&c, "fails");
	hook(START_CONTAINER, "echo broken; exit 3");
	container_send(&agent, &c);
	start.container_id = (char *)"fails";
	agent_fails(&agent, "StartContainer", &start, STATUS_INTERNAL,
		"hook startContainer /bin/sh: exit code 3: broken");
	container_remove_id(&agent, "fails");
	agent_assert_census(&agent, &before);
}

static void test_failures_that_do_not(void **state)
{
	struct test_container c;

	fill(&c, "goes-on");
	hook(POSTSTART, "exit 3");
	hook(POSTSTOP, "kill -9 $$");
	container_send(&agent, &c);
	container_start_id(&agent, "goes-on");
	container_remove_id(&agent, "goes-on");
	agent_assert_census(&agent, &before);
}

static void test_ways_to_fail(void **state)
{
	struct test_container c;

	fill(&c, "ways");
	hook(PRESTART, "");
	h.hook[PRESTART].path = (char *)"/no/such/hook";
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INTERNAL,
		"hook prestart /no/such/hook: exit code 127: ENOENT");
	hook(PRESTART, "kill -9 $$");
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INTERNAL, "killed by signal 9");
	hook(PRESTART, "echo waiting; sleep 100");
	h.hook[PRESTART].timeout = 1;
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INTERNAL,
		"killed after 1 s: waiting: ETIMEDOUT");
	h.hook[PRESTART].timeout = -1;
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INVALID_ARGUMENT, "prestart[0]");
	hook(PRESTART, "true");
	h.hook[PRESTART].path = (char *)"sh";
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INVALID_ARGUMENT,
		"\"sh\" is not absolute");
	agent_assert_census(&agent, &before);
	/* c5: no argv at all is the path alone */
	hook(PRESTART, "");
	h.hook[PRESTART].n_args = 0;
	h.hook[PRESTART].path = (char *)"/bin/true";
	container_send(&agent, &c);
	container_remove_id(&agent, "ways");
	agent_assert_census(&agent, &before);
}

/* c48: one that closes its output may go on; one that leaves a child with its output is over. */
static void test_c48_output_is_not_the_end(void **state)
{
	struct test_container c;
	char script[400];

	fill(&c, "output");
	str_format(script, sizeof(script), "exec >&- 2>&-; sleep 1.2; echo late >> %s",
		path_for(PRESTART, "order"));
	hook(PRESTART, script);
	hook(CREATE_RUNTIME, "sleep 5 & exit 0");
	container_send(&agent, &c);
	assert_string_equal(order(), "late\n");
	/* much output is no obstacle either */
	container_remove_id(&agent, "output");
	fill(&c, "output");
	hook(CREATE_CONTAINER, "head -c 1000000 /dev/zero");
	container_send(&agent, &c);
	container_remove_id(&agent, "output");
	agent_assert_census(&agent, &before);
}

/* ---- slow hooks ---- */

static void make_fifo(void)
{
	unlink(path_for(PRESTART, "fifo"));
	assert_int_equal(mkfifo(path_for(PRESTART, "fifo"), 0600), 0);
}

static void wait_hook(enum kind kind)
{
	char script[400];

	str_format(script, sizeof(script), "read x < %s", path_for(kind, "fifo"));
	hook(kind, script);
}

/* The call hangs in its hook, Health is answered, the hook is let go, then the call is answered. */
static void held_up(const char *method, const void *request)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct pending slow, health;
	int fd;

	agent_begin(&agent, NULL, &slow, method, request);
	agent_begin(&agent, NULL, &health, "Check", &check);
	agent_await(&agent, &health);
	fd = open(path_for(PRESTART, "fifo"), O_WRONLY); /* returns when the hook reads */
	pending_release(&health);
	agent_begin(&agent, NULL, &health, "Check", &check);
	agent_await(&agent, &health);
	assert_false(slow.done);
	assert_int_equal(write(fd, "\n", 1), 1);
	close(fd);
	agent_await(&agent, &slow);
	assert_int_equal(slow.code, 0);
	pending_release(&slow);
	pending_release(&health);
}

static void test_c58_slow_hooks(void **state)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__RemoveContainerRequest removal = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	start.container_id = removal.container_id = (char *)"slow";
	make_fifo();
	for (int kind = 0; kind < KINDS; kind++) {
		struct test_container c;

		fill(&c, "slow");
		wait_hook((enum kind)kind);
		if (kind <= CREATE_CONTAINER)
			held_up("CreateContainer", &c.request);
		else
			container_send(&agent, &c);
		if (kind == START_CONTAINER || kind == POSTSTART)
			held_up("StartContainer", &start);
		else
			container_start_id(&agent, "slow");
		if (kind == POSTSTOP)
			held_up("RemoveContainer", &removal);
		else
			container_remove_id(&agent, "slow");
		agent_assert_census(&agent, &before);
	}
}

/* Removed while a hook runs: the hook is killed, the caller is told, nothing stays. */
static void test_removal_ends_hooks(void **state)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;

	start.container_id = (char *)"gone";
	make_fifo();
	for (int kind = 0; kind <= POSTSTART; kind++) {
		struct test_container c;
		struct pending slow;
		int fd;

		fill(&c, "gone");
		wait_hook((enum kind)kind);
		if (kind > CREATE_CONTAINER)
			container_send(&agent, &c);
		if (kind > CREATE_CONTAINER)
			agent_begin(&agent, NULL, &slow, "StartContainer", &start);
		else
			agent_begin(&agent, NULL, &slow, "CreateContainer", &c.request);
		event_loop_step(agent.loop, 0);
		fd = open(path_for(PRESTART, "fifo"), O_WRONLY);
		container_remove_id(&agent, "gone");
		agent_await(&agent, &slow);
		/* a killed init has not failed to start: its exit code says how it ended */
		if (kind != START_CONTAINER)
			assert_int_equal(slow.code, STATUS_ABORTED);
		pending_release(&slow);
		close(fd);
		agent_assert_census(&agent, &before);
	}
}

static void test_caller_that_vanishes(void **state)
{
	struct ttrpc_client *client = agent_connect(&agent);
	struct test_container c;
	struct pending slow;
	int fd;

	make_fifo();
	fill(&c, "vanish");
	wait_hook(CREATE_RUNTIME);
	agent_begin(&agent, client, &slow, "CreateContainer", &c.request);
	event_loop_step(agent.loop, 0);
	fd = open(path_for(PRESTART, "fifo"), O_WRONLY);
	ttrpc_client_free(client);
	pending_release(&slow);
	agent_assert_census(&agent, &before);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_c12_order),
	cmocka_unit_test(test_protection_is_not_inherited),
	cmocka_unit_test(test_state),
	cmocka_unit_test(test_surroundings),
	cmocka_unit_test(test_failures_that_count),
	cmocka_unit_test(test_failures_that_do_not),
	cmocka_unit_test(test_ways_to_fail),
	cmocka_unit_test(test_c48_output_is_not_the_end),
	cmocka_unit_test(test_c58_slow_hooks),
	cmocka_unit_test(test_removal_ends_hooks),
	cmocka_unit_test(test_caller_that_vanishes),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
