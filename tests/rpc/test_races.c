/*
 * Requests that meet an event half way. The agent is stopped (SIGSTOP) while both get ready, so
 * that it finds them in one turn of its loop, in an order that the test decides.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_groups.h"
#include "lib/test_main.h"

static struct agent agent;
static struct agent_census before;
static const char *const shell[] = {"sh", "-c", "exit 6", NULL};

static int setup(void **state)
{
	agent_start(&agent);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	kill(agent.pid, SIGCONT); /* a failed assertion may have left it stopped */
	agent_stop(&agent);
	return 0;
}

/* ---- stopping and looking
 * ------------------------------------------------------------------------- */

static void stop_agent(void)
{
	int status;

	kill(agent.pid, SIGSTOP);
	assert_int_equal(waitpid(agent.pid, &status, WUNTRACED), agent.pid);
	assert_true(WIFSTOPPED(status));
}

static void continue_agent(void)
{
	kill(agent.pid, SIGCONT);
}

/* What is queued in the client goes into the socket; nothing comes back from a stopped agent. */
static void push_requests(void)
{
	for (int i = 0; i < 10; i++)
		event_loop_step(agent.loop, 0);
}

static char state_of(pid_t pid)
{
	char path[64], text[512];
	const char *end;

	str_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(path, text, sizeof(text)) < 0)
		return '-';
	end = strrchr(text, ')');
	return end ? end[2] : '-';
}

/* Sleeps in read(2): a child that said CREATED and waits for START (files do not let it sleep). */
static bool waits_for_start(pid_t pid)
{
	char path[64], text[256];

	str_format(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	return file_read(path, text, sizeof(text)) > 0 && text[0] >= '0' && text[0] <= '9' &&
	       atoi(text) == SYS_read;
}

/* ---- init and StartContainer
 * ---------------------------------------------------------------------- */

/* Init dies, and before the agent has told anybody of it, somebody starts it. */
static void test_start_meets_death(void **state)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	struct test_container c;
	struct pending call;
	pid_t init;

	start.container_id = (char *)"dies";
	container_fill(&c, &agent, "dies", shell);
	container_send(&agent, &c);
	init = group_first_pid("dies");
	assert_true(init > 0);
	stop_agent();
	kill(init, SIGKILL);
	while (state_of(init) != 'Z')
		sched_yield();
	agent_begin(&agent, NULL, &call, "StartContainer", &start);
	push_requests();
	continue_agent();
	agent_await(&agent, &call);
	assert_int_equal(call.code, STATUS_INTERNAL);
	pending_release(&call);
	assert_int_equal(container_wait(&agent, "dies", ""), 137);
	container_remove_id(&agent, "dies");
	agent_assert_census(&agent, &before);
}

/* A pid 1 has no handler while it stands before exec either: SIGTERM must not be lost on it. */
static void test_term_before_start(void **state)
{
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct test_container c;

	container_fill(&c, &agent, "early", shell);
	container_send(&agent, &c);
	sig.container_id = (char *)"early";
	sig.signal = SIGTERM;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "early", ""), 137);
	container_remove_id(&agent, "early");
	agent_assert_census(&agent, &before);
}

/* ---- creation and RemoveContainer
 * ----------------------------------------------------------------- */

/*
 * The removal is found before init's "created", both in one turn. False when init could not be
 * stopped before it said so: then this was an ordinary removal of a container.
 */
static bool remove_before_created(void)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	uint64_t started = event_loop_now_ns();
	struct pending create, removal;
	struct test_container c;
	pid_t init = 0;
	bool hit;

	remove.container_id = (char *)"meets";
	container_fill(&c, &agent, "meets", shell);
	agent_begin(&agent, NULL, &create, "CreateContainer", &c.request);
	push_requests();
	while (!init)
		init = group_first_pid("meets");
	kill(init, SIGSTOP);
	stop_agent();
	agent_begin(&agent, NULL, &removal, "RemoveContainer", &remove);
	push_requests();
	kill(init, SIGCONT);
	while (!waits_for_start(init) && state_of(init) != 'Z')
		sched_yield();
	continue_agent();
	agent_await(&agent, &create);
	agent_await(&agent, &removal);
	assert_int_equal(removal.code, 0);
	hit = create.code == STATUS_ABORTED;
	assert_true(hit || create.code == 0);
	assert_true(create.order < removal.order);
	/* not by the timeout of the teardown */
	assert_true(event_loop_now_ns() - started < 5000000000ull);
	pending_release(&create);
	pending_release(&removal);
	agent_assert_census(&agent, &before);
	return hit;
}

static void test_remove_meets_created(void **state)
{
	int hits = 0;

	for (int i = 0; i < 100 && hits < 3; i++)
		hits += remove_before_created();
	assert_int_equal(hits, 3);
	/* the agent's lists are whole */
	assert_int_equal(container_whole(&agent, "meets", "exit 3", NULL), 3);
}

static void fill_storage(Grpc__Storage *storage, const char *path)
{
	grpc__storage__init(storage);
	storage->driver = (char *)"ephemeral";
	storage->source = storage->fstype = (char *)"tmpfs";
	storage->mount_point = (char *)path;
	storage->shared = true;
}

/*
 * A storage that is mounted already is handed out one turn of the loop later; the removal comes in
 * that turn. (A turn takes 32 frames: that is what the health checks between are for.)
 */
static void test_remove_meets_storage(void **state)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	static struct pending checks[32];
	struct pending create, removal;
	Grpc__Storage storage, *list[] = {&storage};
	struct test_container c;
	struct agent_census mounted;
	char path[256];

	str_format(path, sizeof(path), "%s/shared", scratch_dir());
	fill_storage(&storage, path);
	container_fill(&c, &agent, "holder", shell);
	c.request.storages = list;
	c.request.n_storages = 1;
	container_send(&agent, &c);
	container_remove_id(&agent, "holder"); /* shared: stays mounted */
	mounted = agent_census(&agent);

	container_fill(&c, &agent, "late", shell);
	c.request.storages = list;
	c.request.n_storages = 1;
	remove.container_id = (char *)"late";
	stop_agent();
	agent_begin(&agent, NULL, &create, "CreateContainer", &c.request);
	for (size_t i = 0; i < 32; i++)
		agent_begin(&agent, NULL, &checks[i], "Check", &check);
	agent_begin(&agent, NULL, &removal, "RemoveContainer", &remove);
	push_requests();
	continue_agent();
	agent_await(&agent, &create);
	agent_await(&agent, &removal);
	assert_int_equal(create.code, STATUS_ABORTED);
	assert_int_equal(removal.code, 0);
	for (size_t i = 0; i < 32; i++) {
		agent_await(&agent, &checks[i]);
		pending_release(&checks[i]);
	}
	pending_release(&create);
	pending_release(&removal);
	agent_assert_census(&agent, &mounted);
}

/* A removal in every step of a creation: both are answered, nothing stays. */
static void test_remove_while_creating(void **state)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct agent_census mounted = agent_census(&agent);

	remove.container_id = (char *)"steps";
	for (int i = 0; i < 30; i++) {
		struct pending create, removal;
		struct test_container c;

		container_fill(&c, &agent, "steps", shell);
		agent_begin(&agent, NULL, &create, "CreateContainer", &c.request);
		for (int k = 0; k < i && !create.done; k++) {
			push_requests();
			usleep(300); /* spreads the removals over the steps; nothing is awaited */
		}
		agent_begin(&agent, NULL, &removal, "RemoveContainer", &remove);
		agent_await(&agent, &create);
		agent_await(&agent, &removal);
		assert_true(create.code == STATUS_ABORTED || create.code == 0);
		assert_int_equal(removal.code, 0);
		pending_release(&create);
		pending_release(&removal);
		agent_assert_census(&agent, &mounted);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_start_meets_death),
	cmocka_unit_test(test_term_before_start),
	cmocka_unit_test(test_remove_meets_created),
	cmocka_unit_test(test_remove_meets_storage),
	cmocka_unit_test(test_remove_while_creating),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
