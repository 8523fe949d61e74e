/*
 * Whatever blocks, the rest goes on: Health.Check, a whole container and the call that would free
 * the blocked one are answered before the blocker is released. By order, not by time. (Hooks:
 * test_hooks. Frozen groups: test_freeze. Full pipes: test_streams. A share that is looked at:
 * test_small_calls.)
 */
#define TEST_TIMEOUT 200
#include "lib/agent_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/dead_share.h"
#include "lib/test_main.h"

static struct agent agent;
static struct agent_census before;
static const char *const shell[] = {"sh", "-c", "exit 0", NULL};

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

/* The agent is not held up by `blocked`, which is still open afterwards. */
static void expect_others_go_on(const struct pending *blocked)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	const char *output;

	for (int i = 0; i < 5; i++)
		agent_ok(&agent, "Check", &check);
	assert_int_equal(container_whole(&agent, "meanwhile", "echo alive; exit 3", &output), 3);
	assert_string_equal(output, "alive\n");
	assert_false(blocked->done);
}

static void begin_create(struct pending *create, struct test_container *c)
{
	agent_begin(&agent, NULL, create, "CreateContainer", &c->request);
}

static void fill_storage(struct test_container *c, const char *driver, const char *source,
	const char *fstype, const char *point)
{
	Grpc__Storage *s = &c->storages[0];

	grpc__storage__init(s);
	s->driver = (char *)driver;
	s->source = (char *)source;
	s->fstype = (char *)fstype;
	s->mount_point = (char *)point;
	c->storage_list[0] = s;
	c->request.storages = c->storage_list;
	c->request.n_storages = 1;
}

/* A device that never comes: its own deadline ends it. */
static void test_device(void **state)
{
	struct test_container c;
	struct pending create;

	container_fill(&c, &agent, "device", shell);
	fill_storage(&c, "blk", "1e/1f", "ext4", "/run/kata-containers/sandbox/disk");
	begin_create(&create, &c);
	expect_others_go_on(&create);
	agent_await(&agent, &create);
	assert_int_not_equal(create.code, 0);
	assert_non_null(strstr(create.err.text, "1e/1f"));
	pending_release(&create);
	agent_assert_census(&agent, &before);
}

/* A mount that hangs: its helper sleeps on a share whose daemon is dead. */
static void test_mount_of_a_storage(void **state)
{
	struct test_container c;
	struct dead_share share;
	struct pending create;

	dead_share_mount(&agent, &share);
	container_fill(&c, &agent, "mount", shell);
	fill_storage(&c, "ephemeral", "tmpfs", "tmpfs", DEAD_SHARE "/point");
	begin_create(&create, &c);
	expect_others_go_on(&create);
	dead_share_release(&share);
	agent_await(&agent, &create);
	assert_int_not_equal(create.code, 0);
	assert_non_null(strstr(create.err.text, DEAD_SHARE "/point"));
	pending_release(&create);
	dead_share_unmount(&agent);
	agent_assert_census(&agent, &before);
}

/* A mount of the container's own: its first process sleeps; a removal frees it, not the share. */
static void test_mount_of_a_container(void **state)
{
	static char *rbind[] = {(char *)"rbind"};
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct test_container c;
	struct dead_share share;
	struct pending create;

	dead_share_mount(&agent, &share);
	container_fill(&c, &agent, "bind", shell);
	grpc__mount__init(&c.mounts[3]);
	c.mounts[3].destination = (char *)"/tmp";
	c.mounts[3].type = (char *)"bind";
	c.mounts[3].source = (char *)DEAD_SHARE "/folder";
	c.mounts[3].options = rbind;
	c.mounts[3].n_options = 1;
	c.mount_list[3] = &c.mounts[3];
	c.spec.n_mounts = 4;
	begin_create(&create, &c);
	expect_others_go_on(&create);
	remove.container_id = (char *)"bind";
	agent_ok(&agent, "RemoveContainer", &remove);
	agent_await(&agent, &create);
	assert_int_equal(create.code, STATUS_ABORTED);
	pending_release(&create);
	dead_share_release(&share);
	dead_share_unmount(&agent);
	agent_assert_census(&agent, &before);
}

/* The agent's only child when no container is there. */
static pid_t worker_of(void)
{
	char path[64], text[64] = "";
	int pid = 0;

	str_format(path, sizeof(path), "/proc/%d/task/%d/children", (int)agent.pid, (int)agent.pid);
	assert_true(file_read(path, text, sizeof(text)) > 0);
	assert_int_equal(sscanf(text, "%d", &pid), 1);
	return pid;
}

/*
 * A read of statistics that hangs: the worker stands still. Kill, wait and removal do not know of
 * it; the statistics fail by themselves, and the next ones come from another worker.
 */
static void test_statistics(void **state)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct pending stats;
	pid_t worker = worker_of();

	container_run(&agent, "measured", "exec sleep 1000");
	container_run(&agent, "killed", "exec sleep 1000");
	assert_int_equal(kill(worker, SIGSTOP), 0);
	request.container_id = (char *)"measured";
	agent_begin(&agent, NULL, &stats, "StatsContainer", &request);
	sig.container_id = (char *)"killed";
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "killed", ""), 137);
	container_remove_id(&agent, "killed");
	agent_ok(&agent, "Check", &check);
	assert_false(stats.done);
	agent_await(&agent, &stats);
	assert_int_not_equal(stats.code, 0);
	assert_non_null(strstr(stats.err.text, "measured"));
	pending_release(&stats);
	agent_ok(&agent, "StatsContainer", &request);
	container_remove_id(&agent, "measured");
	agent_assert_census(&agent, &before);
	assert_int_not_equal(worker_of(), worker);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_device),
	cmocka_unit_test(test_mount_of_a_storage),
	cmocka_unit_test(test_mount_of_a_container),
	cmocka_unit_test(test_statistics),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
