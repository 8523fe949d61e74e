/* agent/memory/oom_monitor.c on made-up control files: what is counted when, and the cause it gets.
 */
#include "memory/oom_monitor.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "hard_limits.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static struct cgroup_events *events;
static struct oom_monitor *monitor;
static struct cgroup_root root;
static struct oom_target target;

static char logged[1024]; /* the latest error */

static void keep_log(const char *record, size_t len, void *context)
{
	if (memmem(record, len, "\"ERRO\"", 6) || memmem(record, len, "\"ERROR\"", 7))
		snprintf(logged, sizeof(logged), "%.*s", (int)len, record);
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
	log_set_sink(keep_log, NULL);
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
	size_t count = oom_monitor_records(monitor, false, records, 8, &lost);

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

static void set_pod(unsigned oom)
{
	char text[64];

	snprintf(text, sizeof(text), "oom %u\noom_kill 0\n", oom);
	scratch_file("pod/memory.events.local", text);
}

/* Two limits are hit before the first kill is seen: each explains one. */
static void test_two_limits_at_one_look(void **state)
{
	set_counters(2, 1, 2);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(1), OOM_CAUSE_CONTAINER_LIMIT);
	set_counters(2, 2, 2);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(2), OOM_CAUSE_CONTAINER_LIMIT);
	set_counters(2, 3, 2);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(3), OOM_CAUSE_WHOLE_VM);
}

/* One limit of the pod kills in one container: it is no cause for a kill in another. */
static void test_pod_explains_one_kill(void **state)
{
	struct oom_target other;

	scratch_file("pod/c2/memory.events", "oom 0\noom_kill 0\n");
	oom_target_add(monitor, &other, "c2", scratch_path("pod/c2"));
	set_pod(1);
	scratch_file("pod/memory.max", "1048576\n");
	scratch_file("pod/c2/memory.events", "oom 0\noom_kill 1\n");
	assert_int_equal(oom_target_check(&other), 1);
	assert_int_equal(last_cause(1), OOM_CAUSE_POD_LIMIT);
	set_counters(0, 1, 0);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(2), OOM_CAUSE_WHOLE_VM);
	oom_target_remove(&other);
}

/* The limit in the record is the one that was hit. */
static void test_limit_in_the_record(void **state)
{
	const struct oom_record *records[8];
	uint64_t lost;

	scratch_file("pod/memory.max", "1048576\n");
	scratch_file("pod/c1/memory.max", "4096\n");
	set_pod(1);
	set_counters(1, 2, 1);
	assert_int_equal(oom_target_check(&target), 2);
	assert_int_equal(oom_monitor_records(monitor, false, records, 8, &lost), 2);
	assert_int_equal(records[0]->cause, OOM_CAUSE_CONTAINER_LIMIT);
	assert_int_equal(records[0]->limit, 4096);
	assert_int_equal(records[1]->cause, OOM_CAUSE_POD_LIMIT);
	assert_int_equal(records[1]->limit, 1048576);
}

static void pass_ms(uint64_t ms)
{
	const uint64_t end = event_loop_now_ns() + ms * 1000000;

	while (event_loop_now_ns() < end)
		event_loop_step(loop, 10);
}

/* Limits that killed nobody (the victim was dying already) are too old to explain a later kill. */
static void test_old_limits_explain_nothing(void **state)
{
	set_pod(1);
	set_counters(1, 0, 1);
	oom_target_check(&target);
	pass_ms(2 * OOM_CREDIT_MS + 500);
	set_counters(1, 1, 1);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(1), OOM_CAUSE_WHOLE_VM);
}

/* The same when only the pod's limit was hit, of which no container's counters tell. */
static void test_old_pod_limit_explains_nothing(void **state)
{
	set_pod(1);
	pass_ms(2 * OOM_CREDIT_MS + 500);
	set_counters(0, 1, 0);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(1), OOM_CAUSE_WHOLE_VM);
}

static void test_limit_of_the_pod(void **state)
{
	scratch_file("pod/memory.events.local", "oom 1\noom_kill 0\n");
	assert_int_equal(oom_target_check(&target), 0);
	set_counters(0, 1, 0);
	assert_int_equal(oom_target_check(&target), 1);
	assert_int_equal(last_cause(1), OOM_CAUSE_POD_LIMIT);
}

/* ---- events ---- */

struct listener {
	struct waiter waiter;
	int calls, value;
	bool takes;
	struct oom_event *event; /* what it took, as GetOOMEvent does */
};

static void on_wake(struct waiter *waiter, int value)
{
	struct listener *listener = (struct listener *)waiter; /* its first member */

	listener->calls++;
	listener->value = value;
	if (listener->takes && value == 0)
		listener->event = oom_monitor_take(monitor);
}

static void listen_on(struct waiter_list *list, struct listener *listener)
{
	*listener = (struct listener){
		.waiter.wake = on_wake, .takes = list == oom_monitor_waiters(monitor)};
	waiter_park(list, &listener->waiter);
}

/* One waiter is woken for one event; whoever is not needed goes on waiting. */
static void test_waiters_are_woken(void **state)
{
	struct listener a, b;

	listen_on(oom_monitor_waiters(monitor), &a);
	listen_on(oom_monitor_waiters(monitor), &b);
	set_counters(1, 0, 1);
	oom_target_check(&target);
	assert_int_equal(a.calls, 0);
	set_counters(1, 1, 1);
	oom_target_check(&target);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.value, 0);
	oom_monitor_end(monitor, -5);
	assert_int_equal(b.value, -5);
}

/* Held while an event is not written: queued, lent, given back; free once all are out. */
static void test_hold(void **state)
{
	struct oom_event *first, *second;
	struct listener held;

	assert_false(oom_target_hold(&target));
	set_counters(2, 2, 2);
	oom_target_check(&target);
	assert_false(oom_target_hold(&target)); /* nobody has ever asked */
	first = oom_monitor_take(monitor);
	second = oom_monitor_take(monitor);
	assert_non_null(second);
	assert_null(oom_monitor_take(monitor));
	assert_true(oom_target_hold(&target));
	listen_on(&target.delivered, &held);
	oom_monitor_delivered(monitor, first);
	assert_true(oom_target_hold(&target));
	oom_monitor_give_back(monitor, second);
	assert_true(oom_target_hold(&target));
	assert_int_equal(held.calls, 0);
	oom_monitor_delivered(monitor, oom_monitor_take(monitor));
	assert_int_equal(held.calls, 1);
	assert_false(oom_target_hold(&target));
}

/* An event that was not written goes back to its place, in front of younger ones, and is offered.
 */
static void test_give_back_keeps_the_order(void **state)
{
	struct oom_event *first, *second;
	struct listener next;

	set_counters(1, 3, 1);
	assert_int_equal(oom_target_check(&target), 3);
	first = oom_monitor_take(monitor);
	second = oom_monitor_take(monitor);
	assert_int_equal(first->sequence, 1);
	assert_int_equal(second->sequence, 2);
	listen_on(oom_monitor_waiters(monitor), &next);
	oom_monitor_give_back(monitor, second);
	assert_int_equal(next.calls, 1);
	assert_ptr_equal(next.event, second);
	oom_monitor_give_back(monitor, second);
	oom_monitor_give_back(monitor, first);
	for (uint64_t i = 1; i <= 3; i++) {
		struct oom_event *event = oom_monitor_take(monitor);

		assert_int_equal(event->sequence, i);
		oom_monitor_delivered(monitor, event);
	}
	assert_null(oom_monitor_take(monitor));
}

/* The container goes, with a last look at its counters; its events stay, also one that is lent. */
static void test_events_outlive_the_container(void **state)
{
	struct oom_event *lent, *queued;
	struct listener held;

	set_counters(1, 1, 1);
	oom_target_check(&target);
	lent = oom_monitor_take(monitor);
	listen_on(&target.delivered, &held);
	set_counters(2, 2, 2);
	oom_target_remove(&target);
	assert_int_equal(held.calls, 1);
	assert_false(oom_target_hold(&target));
	memset(&target, 0xa5, sizeof(target)); /* as if freed */
	oom_monitor_give_back(monitor, lent);
	lent = oom_monitor_take(monitor);
	queued = oom_monitor_take(monitor);
	assert_string_equal(lent->container_id, "c1");
	assert_string_equal(queued->container_id, "c1");
	oom_monitor_delivered(monitor, lent);
	oom_monitor_delivered(monitor, queued);
	memset(&target, 0, sizeof(target));
}

/* A stall's kill takes processes along, here and in nested groups: not their threads. */
static void test_stall_counts_processes(void **state)
{
	const struct oom_record *record;
	uint64_t lost;

	scratch_file("pod/c1/pids.current", "9\n");
	scratch_file("pod/c1/cgroup.procs", "11\n12\n");
	scratch_file("pod/c1/inner/cgroup.procs", "13\n");
	oom_target_stalled(&target, true);
	assert_int_equal(oom_monitor_records(monitor, false, &record, 1, &lost), 1);
	assert_int_equal(record->cause, OOM_CAUSE_STALL);
	assert_int_equal(record->kills, 3);
	assert_int_equal(record->kills_total, 3);
}

/* memory.oom.group: one event for all that died together. */
static void test_group_kill(void **state)
{
	const struct oom_record *record;
	uint64_t lost;

	scratch_file("pod/c1/memory.events", "oom 1\noom_kill 5\noom_group_kill 1\n");
	scratch_file("pod/c1/memory.events.local", "oom 1\n");
	assert_int_equal(oom_target_check(&target), 5);
	assert_int_equal(oom_monitor_records(monitor, false, &record, 1, &lost), 1);
	assert_int_equal(record->kills, 4);
	assert_int_equal(record->kills_total, 4);
	assert_non_null(oom_monitor_take(monitor));
	assert_null(oom_monitor_take(monitor));
}

/* Bounded: the oldest records are forgotten and counted, the youngest events are dropped. */
static void test_bounds(void **state)
{
	const struct oom_record *records[OOM_RECORDS_MAX + 8];
	unsigned taken = 0;
	uint64_t lost;

	set_counters(1, OOM_QUEUE_MAX + 10, 1);
	assert_int_equal(oom_target_check(&target), OOM_QUEUE_MAX + 10);
	assert_int_equal(oom_monitor_records(monitor, false, records, OOM_RECORDS_MAX + 8, &lost),
		OOM_RECORDS_MAX);
	assert_int_equal(lost, OOM_QUEUE_MAX - OOM_RECORDS_MAX);
	/* more kills at once than are told one by one: the last record stands for the rest */
	assert_int_equal(records[OOM_RECORDS_MAX - 1]->kills, 11);
	assert_int_equal(records[OOM_RECORDS_MAX - 1]->kills_total, OOM_QUEUE_MAX + 10);
	set_counters(2, OOM_QUEUE_MAX + 12, 2);
	assert_int_equal(oom_target_check(&target), 2);
	for (struct oom_event *event; (event = oom_monitor_take(monitor)); taken++)
		oom_monitor_delivered(monitor, event);
	assert_int_equal(taken, OOM_QUEUE_MAX);
	assert_int_equal(oom_monitor_dropped(monitor), 2);
	assert_non_null(strstr(logged, "2 events dropped so far"));
	assert_false(oom_target_hold(&target));
}

/* memory.events with the counter of groups that died as one. */
static void set_group_counters(unsigned oom_kill, unsigned group_kill, bool populated)
{
	char text[128];

	snprintf(text, sizeof(text), "oom 1\noom_kill %u\noom_group_kill %u\n", oom_kill,
		group_kill);
	scratch_file("pod/c1/memory.events", text);
	scratch_file("pod/c1/memory.events.local", text);
	scratch_file("pod/c1/cgroup.events", populated ? "populated 1\n" : "populated 0\n");
}

static int setup_group(void **state)
{
	scratch_file("pod/c1/memory.oom.group", "1\n");
	return setup(state);
}

static const struct oom_record *only_record(void)
{
	const struct oom_record *records[8];
	uint64_t lost;

	assert_int_equal(oom_monitor_records(monitor, false, records, 8, &lost), 1);
	return records[0];
}

/* Victims are counted one by one: nothing is said before the group is empty. */
static void test_group_is_one_event(void **state)
{
	struct oom_event *event;

	assert_null(oom_monitor_take(monitor)); /* somebody asks for events */
	set_group_counters(1, 0, true);
	assert_int_equal(oom_target_check(&target), 0);
	assert_true(oom_target_hold(&target));
	set_group_counters(3, 1, true);
	assert_int_equal(oom_target_check(&target), 0);
	assert_null(oom_monitor_take(monitor));
	set_group_counters(5, 1, false); /* the kernel counts the first victim twice */
	assert_int_equal(oom_target_check(&target), 5);
	assert_int_equal(only_record()->kills, 4);
	event = oom_monitor_take(monitor);
	assert_non_null(event);
	assert_null(oom_monitor_take(monitor));
	oom_monitor_delivered(monitor, event);
	assert_false(oom_target_hold(&target));
}

/* Somebody survives (oom_score_adj -1000): told all the same, a little later. */
static void test_group_with_survivor(void **state)
{
	set_group_counters(3, 1, true);
	assert_int_equal(oom_target_check(&target), 0);
	while (event_timer_running(&target.settle))
		event_loop_step(loop, 1000);
	assert_int_equal(only_record()->kills, 2);
}

/* A window: one event for what falls into it, with the count and the figures of its beginning. */
static void test_window(void **state)
{
	const struct oom_record *records[8];
	struct listener a;
	uint64_t lost;

	oom_monitor_set_window(monitor, 100);
	listen_on(oom_monitor_waiters(monitor), &a);
	scratch_file("pod/c1/memory.current", "5000\n");
	set_counters(1, 1, 1);
	while (!event_timer_running(&target.settle))
		event_loop_step(loop, 1000);
	scratch_file("pod/c1/memory.current", "7000\n");
	set_counters(3, 3, 3);
	assert_int_equal(a.calls, 0);
	while (a.calls == 0)
		event_loop_step(loop, 1000);
	assert_int_equal(oom_monitor_records(monitor, false, records, 8, &lost), 1);
	assert_int_equal(records[0]->kills, 3);
	assert_int_equal(records[0]->kills_total, 3);
	assert_int_equal(records[0]->usage, 5000);
	assert_null(oom_monitor_take(monitor));
	oom_monitor_delivered(monitor, a.event);
}

/* Two causes are two events; a reaped process ends the window. */
static void test_window_ends_at_the_reap(void **state)
{
	const struct oom_record *records[8];
	uint64_t lost;

	oom_monitor_set_window(monitor, 60000);
	set_counters(2, 2, 2);
	while (!event_timer_running(&target.settle))
		event_loop_step(loop, 1000);
	assert_int_equal(oom_monitor_records(monitor, false, records, 8, &lost), 0);
	set_counters(2, 4, 2);
	assert_int_equal(oom_target_check(&target), 4);
	assert_false(event_timer_running(&target.settle));
	assert_int_equal(oom_monitor_records(monitor, false, records, 8, &lost), 2);
	assert_int_equal(records[0]->kills, 2);
	assert_int_equal(records[0]->cause, OOM_CAUSE_CONTAINER_LIMIT);
	assert_int_equal(records[1]->kills, 2);
	assert_int_equal(records[1]->cause, OOM_CAUSE_WHOLE_VM);
	assert_int_equal(records[1]->kills_total, 4);
}

/* A group that dies as one: the window ends with its init, and the rest of it is awaited as ever.
 */
static void test_window_of_a_group(void **state)
{
	const uint64_t start = event_loop_now_ns();

	oom_monitor_set_window(monitor, 60000);
	set_group_counters(3, 1, true);
	while (!event_timer_running(&target.settle))
		event_loop_step(loop, 1000);
	assert_int_equal(oom_target_check(&target), 0);
	while (event_timer_running(&target.settle))
		event_loop_step(loop, 1000);
	assert_int_equal(only_record()->kills, 2);
	assert_true(event_loop_now_ns() - start < 30000000000ull);
}

/* ---- inotify's queue is full --------------------------------------------------------------------
 */

static void ignore_change(struct cgroup_watch *watch)
{
}

/* Changes two files in turn, since equal changes in a row are one, until no more are kept. */
static void fill_inotify(void)
{
	char a[PATH_MAX], b[PATH_MAX];
	uint64_t room;

	assert_int_equal(file_read_u64("/proc/sys/fs/inotify/max_queued_events", &room), 0);
	snprintf(a, sizeof(a), "%s", scratch_path("noise/a/memory.events"));
	snprintf(b, sizeof(b), "%s", scratch_path("noise/b/memory.events"));
	for (uint64_t i = 0; i <= room; i++)
		assert_true(file_write(i % 2 ? a : b, "x") >= 0);
}

/* A change that nobody is told of: everything is read again, and the kill is found. */
static void test_inotify_overflow(void **state)
{
	struct cgroup_watch a = {0}, b = {0};
	const struct oom_record *records[1];
	uint64_t lost;

	scratch_file("noise/a/memory.events", "x");
	scratch_file("noise/b/memory.events", "x");
	assert_int_equal(cgroup_events_watch(events, &a, scratch_path("noise/a"), "memory.events",
				 ignore_change),
		0);
	assert_int_equal(cgroup_events_watch(events, &b, scratch_path("noise/b"), "memory.events",
				 ignore_change),
		0);
	fill_inotify();
	set_counters(1, 1, 1);
	while (event_loop_step(loop, 0) > 0)
		;
	assert_int_equal(oom_monitor_records(monitor, false, records, 1, &lost), 1);
	assert_int_equal(records[0]->cause, OOM_CAUSE_CONTAINER_LIMIT);
	assert_int_equal(oom_monitor_kills(monitor)[OOM_CAUSE_CONTAINER_LIMIT], 1);
	cgroup_events_unwatch(events, &a);
	cgroup_events_unwatch(events, &b);
}

#define OOM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	OOM_TEST(test_own_limit),
	OOM_TEST(test_looked_between_limit_and_kill),
	OOM_TEST(test_second_kill),
	OOM_TEST(test_limit_of_the_pod),
	OOM_TEST(test_two_limits_at_one_look),
	OOM_TEST(test_pod_explains_one_kill),
	OOM_TEST(test_limit_in_the_record),
	OOM_TEST(test_old_limits_explain_nothing),
	OOM_TEST(test_old_pod_limit_explains_nothing),
	cmocka_unit_test_setup_teardown(test_group_is_one_event, setup_group, teardown),
	cmocka_unit_test_setup_teardown(test_group_with_survivor, setup_group, teardown),
	cmocka_unit_test_setup_teardown(test_window_of_a_group, setup_group, teardown),
	OOM_TEST(test_waiters_are_woken),
	OOM_TEST(test_hold),
	OOM_TEST(test_give_back_keeps_the_order),
	OOM_TEST(test_events_outlive_the_container),
	OOM_TEST(test_group_kill),
	OOM_TEST(test_stall_counts_processes),
	OOM_TEST(test_bounds),
	OOM_TEST(test_window),
	OOM_TEST(test_window_ends_at_the_reap),
	OOM_TEST(test_inotify_overflow),
};
TEST_MAIN(tests)
