/* agent/memory/oom_monitor.c on made-up control files: what is counted when, and the cause it gets.
 */
#include "memory/oom_monitor.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static struct cgroup_events *events;
static struct oom_monitor *monitor;
static struct cgroup_root root;
static struct oom_target target;

static void drop_log(const char *record, size_t len, void *context)
{
}

/* memory.events and memory.events.local of the container. */
static void set_counters(unsigned oom, unsigned oom_kill, unsigned local_oom)
{
	char text[128];

	snprintf(text, sizeof(text), "low 0\nhigh 0\nmax 9\noom %u\noom_kill %u\n", oom, oom_kill);
	scratch_file("pod/c1/memory.events", text);
	snprintf(text, sizeof(text), "low 0\nhigh 0\nmax 9\noom %u\noom_kill %u\n", local_oom,
		oom_kill);
	scratch_file("pod/c1/memory.events.local", text);
}

static int setup(void **state)
{
	log_set_sink(drop_log, NULL);
	set_counters(0, 0, 0);
	scratch_file("pod/memory.events.local", "oom 0\noom_kill 0\n");
	snprintf(root.mount, sizeof(root.mount), "%s", scratch_dir());
	snprintf(root.base, sizeof(root.base), "%s", scratch_path("pod"));
	loop = event_loop_new();
	events = cgroup_events_new(loop);
	monitor = oom_monitor_new(events, &root);
	oom_target_add(monitor, &target, "c1", scratch_path("pod/c1"));
	return loop && events && monitor ? 0 : -1;
}

static int teardown(void **state)
{
	oom_target_remove(&target);
	oom_monitor_free(monitor);
	cgroup_events_free(events);
	event_loop_free(loop);
	scratch_remove();
	return 0;
}

static enum oom_cause last_cause(size_t expected_records)
{
	const struct oom_record *records[8];
	uint64_t lost;
	size_t count = oom_monitor_records(monitor, records, 8, &lost);

	assert_int_equal(count, expected_records);
	return records[count - 1]->cause;
}

static void test_own_limit(void **state)
{
	set_counters(1, 1, 1);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(1), OOM_CAUSE_CONTAINER_LIMIT);
	assert_int_equal(oom_target_check(&target), 0);
}

/* The limit is counted first, the kill a moment later: a look in between keeps the cause. */
static void test_looked_between_limit_and_kill(void **state)
{
	set_counters(1, 0, 1);
	assert_int_equal(oom_target_check(&target), 0);
	assert_int_equal(oom_target_check(&target), 0);
	set_counters(1, 1, 1);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(1), OOM_CAUSE_CONTAINER_LIMIT);
}

/* A second kill has to have a cause of its own. */
static void test_second_kill(void **state)
{
	set_counters(1, 1, 1);
	assert_int_equal(oom_target_check(&target), 1);
	set_counters(1, 3, 1);
	assert_int_equal(oom_target_check(&target), 2);
	assert_int_equal(last_cause(3), OOM_CAUSE_WHOLE_VM);
}

static void test_limit_of_the_pod(void **state)
{
	scratch_file("pod/memory.events.local", "oom 1\noom_kill 0\n");
	assert_int_equal(oom_target_check(&target), 0);
	set_counters(0, 1, 0);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(1), OOM_CAUSE_POD_LIMIT);
}

#define OOM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	OOM_TEST(test_own_limit),
	OOM_TEST(test_looked_between_limit_and_kill),
	OOM_TEST(test_second_kill),
	OOM_TEST(test_limit_of_the_pod),
};
TEST_MAIN(tests)
