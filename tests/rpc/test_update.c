/*
 * UpdateContainer: limits as the kernel shows them. A hybrid v1 host has one v2 controller,
 * hugetlb: it stands for all of them here; memory, cpu and pids are checked in a guest (tests/vm).
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/test_main.h"

#define MIB (1024 * 1024)

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	agent_start(&agent);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* An update of hugetlb limits: of 2 MB pages, and of one more size. */
struct update {
	Grpc__UpdateContainerRequest request;
	Grpc__LinuxResources resources;
	Grpc__LinuxHugepageLimit limits[2], *list[2];
};

static void update_fill(struct update *u, const char *id, uint64_t bytes)
{
	grpc__update_container_request__init(&u->request);
	grpc__linux_resources__init(&u->resources);
	for (int i = 0; i < 2; i++) {
		grpc__linux_hugepage_limit__init(&u->limits[i]);
		u->list[i] = &u->limits[i];
	}
	u->limits[0].pagesize = (char *)"2MB";
	u->limits[0].limit = bytes;
	u->limits[1].pagesize = (char *)"7MB"; /* no machine has these */
	u->resources.hugepagelimits = u->list;
	u->resources.n_hugepagelimits = 1;
	u->request.container_id = (char *)id;
	u->request.resources = &u->resources;
}

static uint64_t limit_of(const char *id)
{
	static const char *const roots[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	char path[256], text[64];

	for (size_t i = 0; i < 2; i++) {
		str_format(path, sizeof(path), "%s/cradle-test-%d/%s/hugetlb.2MB.max", roots[i],
			(int)getpid(), id);
		if (file_read(path, text, sizeof(text)) > 0)
			return strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
	}
	fail_msg("no hugetlb.2MB.max for container %s", id);
	return 0;
}

static void test_limits_change(void **state)
{
	Grpc__UpdateContainerRequest empty = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__LinuxResources nothing = GRPC__LINUX_RESOURCES__INIT;
	Grpc__PauseContainerRequest pause_request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	static const char *const argv[] = {"sleep", "1000", NULL};
	struct test_container c;
	struct update u;

	container_fill(&c, &agent, "live", argv);
	container_send(&agent, &c);
	update_fill(&u, "live", 4 * MIB);
	agent_ok(&agent, "UpdateContainer", &u.request); /* before the start */
	assert_int_equal(limit_of("live"), 4 * MIB);
	container_start_id(&agent, "live");
	u.limits[0].limit = 8 * MIB;
	agent_ok(&agent, "UpdateContainer", &u.request);
	assert_int_equal(limit_of("live"), 8 * MIB);
	/* nothing asked: nothing done */
	empty.container_id = pause_request.container_id = (char *)"live";
	agent_ok(&agent, "UpdateContainer", &empty);
	empty.resources = &nothing;
	agent_ok(&agent, "UpdateContainer", &empty);
	assert_int_equal(limit_of("live"), 8 * MIB);
	/* and while it is paused */
	agent_ok(&agent, "PauseContainer", &pause_request);
	u.limits[0].limit = 2 * MIB;
	agent_ok(&agent, "UpdateContainer", &u.request);
	assert_int_equal(limit_of("live"), 2 * MIB);
	container_remove_id(&agent, "live");
	agent_assert_census(&agent, &before);
}

/* The limit that failed is named, and how many before it are set. */
static void test_partial_failure(void **state)
{
	struct update u;

	container_run(&agent, "part", "sleep 1000");
	update_fill(&u, "part", 6 * MIB);
	u.resources.n_hugepagelimits = 2;
	agent_fails(&agent, "UpdateContainer", &u.request, STATUS_FAILED_PRECONDITION,
		"update container part: 1 of 2 limits are set, not the next: "
		"set limit hugetlb.7MB.max");
	assert_int_equal(limit_of("part"), 6 * MIB);
	container_remove_id(&agent, "part");
	agent_assert_census(&agent, &before);
}

static void test_refused(void **state)
{
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct update u;

	update_fill(&u, "nothing", 2 * MIB);
	agent_fails(&agent, "UpdateContainer", &u.request, STATUS_INVALID_ARGUMENT, "nothing");
	container_run(&agent, "bad", "sleep 1000");
	u.request.container_id = (char *)"bad";
	/* values that contradict each other: nothing is set */
	memory.limit = 8 * MIB;
	memory.swap = 4 * MIB;
	u.resources.memory = &memory;
	agent_fails(&agent, "UpdateContainer", &u.request, STATUS_INVALID_ARGUMENT,
		"below Memory.Limit");
	u.resources.memory = NULL;
	u.limits[0].pagesize = (char *)"../2MB";
	agent_fails(&agent, "UpdateContainer", &u.request, STATUS_INVALID_ARGUMENT, "Pagesize");
	/* none: "max", or the largest number there is, as the kernel likes */
	assert_true(limit_of("bad") > UINT64_MAX / 4);
	u.limits[0].pagesize = (char *)"2MB";
	sig.container_id = (char *)"bad";
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "bad", ""), 137);
	agent_fails(&agent, "UpdateContainer", &u.request, STATUS_INTERNAL,
		"cannot update container bad: it is stopped");
	container_remove_id(&agent, "bad");
	agent_assert_census(&agent, &before);
}

/* Many at once: one after another, the last one asked for is the one that stays. */
static void test_in_the_order_of_asking(void **state)
{
	struct pending calls[20];
	struct update u;

	container_run(&agent, "order", "sleep 1000");
	for (size_t i = 0; i < 20; i++) {
		update_fill(&u, "order", (i + 1) * 2 * MIB);
		agent_begin(&agent, NULL, &calls[i], "UpdateContainer", &u.request);
	}
	for (size_t i = 0; i < 20; i++) {
		agent_await(&agent, &calls[i]);
		assert_int_equal(calls[i].code, 0);
		if (i)
			assert_true(calls[i - 1].order < calls[i].order);
		pending_release(&calls[i]);
	}
	assert_int_equal(limit_of("order"), 40 * MIB);
	container_remove_id(&agent, "order");
	agent_assert_census(&agent, &before);
}

/* Its caller goes: the update does not. */
static void test_vanished_caller(void **state)
{
	struct ttrpc_client *client = agent_connect(&agent);
	struct pending call;
	struct update u;

	container_run(&agent, "alone", "sleep 1000");
	update_fill(&u, "alone", 10 * MIB);
	kill(agent.pid, SIGSTOP);
	agent_begin(&agent, client, &call, "UpdateContainer", &u.request);
	event_loop_step(agent.loop, 0);
	event_loop_step(agent.loop, 0);
	kill(agent.pid, SIGCONT);
	ttrpc_client_free(client);
	pending_release(&call);
	while (limit_of("alone") != 10 * MIB)
		event_loop_step(agent.loop, 1);
	container_remove_id(&agent, "alone");
	agent_assert_census(&agent, &before);
}

/* Removed while updates wait: each caller hears of it, nothing stays. */
static void test_removed_meanwhile(void **state)
{
	Grpc__RemoveContainerRequest remove_request = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct pending calls[20], removed;
	unsigned aborted = 0;
	struct update u;

	container_run(&agent, "gone", "sleep 1000");
	remove_request.container_id = (char *)"gone";
	kill(agent.pid, SIGSTOP);
	for (size_t i = 0; i < 20; i++) {
		update_fill(&u, "gone", (i + 1) * 2 * MIB);
		agent_begin(&agent, NULL, &calls[i], "UpdateContainer", &u.request);
	}
	agent_begin(&agent, NULL, &removed, "RemoveContainer", &remove_request);
	event_loop_step(agent.loop, 0);
	event_loop_step(agent.loop, 0);
	kill(agent.pid, SIGCONT);
	for (size_t i = 0; i < 20; i++) {
		agent_await(&agent, &calls[i]);
		assert_true(calls[i].code == 0 || calls[i].code == STATUS_ABORTED);
		aborted += calls[i].code == STATUS_ABORTED;
		pending_release(&calls[i]);
	}
	assert_true(aborted > 0);
	agent_await(&agent, &removed);
	assert_int_equal(removed.code, 0);
	pending_release(&removed);
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_limits_change),
	cmocka_unit_test(test_partial_failure),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_in_the_order_of_asking),
	cmocka_unit_test(test_vanished_caller),
	cmocka_unit_test(test_removed_meanwhile),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
