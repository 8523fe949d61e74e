/* oom_monitor: see oom_monitor.h. Called by sandbox/ (targets) and service/ (events, records). */
#include "memory/oom_monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/kmsg.h"
#include "memory/control_file.h"

struct oom_monitor {
	struct cgroup_events *events;
	struct list_node targets;
	struct list_node queue; /* struct oom_event, oldest first */
	struct list_node lent;	/* taken, their fate not known yet */
	unsigned queued;
	struct waiter_list waiters; /* for events */
	bool asked;		    /* somebody has called GetOOMEvent */
	uint64_t dropped;
	const struct cgroup_root *root;
	struct oom_levels levels;
	struct event_timer ageing; /* runs while a limit that was hit has explained no kill */
	struct oom_records records;
};

static const char *owner_of(void *owner, const char *task_memcg);
static void start_ageing(void *owner);

struct oom_monitor *oom_monitor_new(struct cgroup_events *events, const struct cgroup_root *root)
{
	struct oom_monitor *monitor = calloc(1, sizeof(*monitor));

	if (!monitor)
		return NULL;
	monitor->events = events;
	monitor->root = root;
	list_init(&monitor->targets);
	list_init(&monitor->queue);
	list_init(&monitor->lent);
	waiter_list_init(&monitor->waiters);
	oom_levels_init(&monitor->levels, events, root, start_ageing, monitor);
	oom_records_init(
		&monitor->records, cgroup_events_loop(events), kmsg_open(), owner_of, monitor);
	return monitor;
}

void oom_monitor_free(struct oom_monitor *monitor)
{
	if (!monitor)
		return;
	list_for_each_safe (node, &monitor->queue)
		free(list_entry(node, struct oom_event, node));
	list_for_each_safe (node, &monitor->lent)
		free(list_entry(node, struct oom_event, node));
	event_timer_stop(&monitor->ageing);
	oom_levels_release(&monitor->levels);
	oom_records_release(&monitor->records);
	free(monitor);
}

/* ---- counters -----------------------------------------------------------------------------------
 */

static int read_counters(const struct oom_target *target, struct oom_counters *ret)
{
	char text[512];
	int r = control_read(target->dir, "memory.events", text, sizeof(text));

	if (r < 0)
		return r;
	ret->oom = control_keyed(text, "oom");
	ret->oom_kill = control_keyed(text, "oom_kill");
	ret->group_kill = control_keyed(text, "oom_group_kill");
	ret->local_oom = control_read(target->dir, "memory.events.local", text, sizeof(text)) == 0
				 ? control_keyed(text, "oom")
				 : 0;
	return 0;
}

static bool has_credit(const struct oom_target *target, const struct oom_counters *now)
{
	const struct oom_credit credit = oom_credit_of(&target->spent, now);

	return credit.own > 0 || credit.child > 0;
}

/* Limits hit before the last ageing have had their time. True: there are younger ones. */
static bool age_target(struct oom_target *target)
{
	struct oom_counters now;

	if (read_counters(target, &now) < 0)
		return false;
	if (target->spent.oom < target->seen.oom)
		target->spent.oom = target->seen.oom;
	if (target->spent.local_oom < target->seen.local_oom)
		target->spent.local_oom = target->seen.local_oom;
	target->seen = now;
	return has_credit(target, &now);
}

static void on_ageing(struct event_timer *timer)
{
	struct oom_monitor *monitor = container_of(timer, struct oom_monitor, ageing);
	bool younger = false;

	/* kills first: what is there may still explain them */
	list_for_each_safe (node, &monitor->targets)
		oom_target_check(list_entry(node, struct oom_target, node));
	list_for_each (node, &monitor->targets)
		younger |= age_target(list_entry(node, struct oom_target, node));
	younger |= oom_levels_age(&monitor->levels);
	if (younger)
		start_ageing(monitor);
}

static void start_ageing(void *owner)
{
	struct oom_monitor *monitor = owner;

	if (!event_timer_running(&monitor->ageing))
		event_timer_start(cgroup_events_loop(monitor->events), &monitor->ageing,
			OOM_CREDIT_MS, on_ageing, "oom credit");
}

/* ---- events and records -------------------------------------------------------------------------
 */

static const char *owner_of(void *owner, const char *task_memcg)
{
	struct oom_monitor *monitor = owner;

	list_for_each (node, &monitor->targets) {
		struct oom_target *t = list_entry(node, struct oom_target, node);
		const char *group = t->dir + strlen(monitor->root->mount);
		size_t n = strlen(group);

		if (strncmp(task_memcg, group, n) == 0 &&
			(task_memcg[n] == '\0' || task_memcg[n] == '/'))
			return t->container_id;
	}
	return NULL;
}

static void queue_event(struct oom_target *target, uint64_t sequence)
{
	struct oom_monitor *monitor = target->monitor;
	struct oom_event *event = NULL;

	if (monitor->queued < OOM_QUEUE_MAX)
		event = calloc(1, sizeof(*event));
	if (!event) {
		monitor->dropped++;
		log_printf(LOG_ERROR, "oom",
			"event queue is full: %" PRIu64 " events dropped so far", monitor->dropped);
		return;
	}
	event->target = target;
	event->sequence = sequence;
	str_copy(event->container_id, sizeof(event->container_id), target->container_id);
	list_append(&monitor->queue, &event->node);
	monitor->queued++;
	target->undelivered++;
}

/* One record, one event. */
static void report_one(struct oom_target *target, struct oom_record *record, enum oom_cause cause,
	uint64_t kills, bool as_group)
{
	struct oom_monitor *monitor = target->monitor;
	uint64_t pod_limit = 0;

	if (cause == OOM_CAUSE_POD_LIMIT)
		pod_limit = oom_levels_spend(&monitor->levels, target->dir, 1);
	target->kills_total += kills;
	record->cause = cause;
	record->kills = kills;
	record->kills_total = target->kills_total;
	if (pod_limit)
		record->limit = pod_limit;
	/* of a group the log names the first to die */
	queue_event(target, oom_records_add(&monitor->records, record, as_group ? 1 : kills));
}

/* Newly found kills of one target: one event each; killed as a group: one for all. */
static void report(struct oom_target *target, const struct oom_counters *now)
{
	struct oom_monitor *monitor = target->monitor;
	struct oom_credit credit = oom_credit_of(&target->spent, now);
	uint64_t kills = now->oom_kill - target->spent.oom_kill;
	uint64_t groups = now->group_kill - target->spent.group_kill;
	uint64_t events = groups ? groups : kills;
	struct oom_record record;

	/*
	 * The kernel counts the first victim of a group, then all of the group, the first included
	 * (mm/oom_kill.c, oom_kill_process(); seen on 6.1: 5 for a group of 4).
	 */
	if (kills > groups)
		kills -= groups;
	if (events > kills)
		events = kills;
	/* bounded work in one turn: the last one stands for the rest */
	if (events > OOM_QUEUE_MAX)
		events = OOM_QUEUE_MAX;
	credit.pod = oom_levels_credit(&monitor->levels, target->dir);
	oom_record_read(&record, target->container_id, target->dir);
	for (uint64_t i = 0; i < events; i++) {
		const uint64_t limit = record.limit;

		report_one(target, &record, oom_cause_next(&credit),
			i + 1 == events ? kills - (events - 1) : 1, groups > 0);
		record.limit = limit;
	}
	target->spent = *now;
	target->spent.local_oom -= credit.own;
	target->spent.oom -= credit.own + credit.child;
	oom_records_tell(&monitor->records);
}

static uint64_t check_now(struct oom_target *target)
{
	struct oom_counters now;
	uint64_t kills;

	if (read_counters(target, &now) < 0)
		return 0;
	kills = now.oom_kill > target->spent.oom_kill ? now.oom_kill - target->spent.oom_kill : 0;
	if (kills > 0)
		report(target, &now);
	/* the kernel counts the limit before the kill and tells of both: a look in between is usual
	 */
	if (has_credit(target, &now))
		start_ageing(target->monitor);
	while (kills > 0 && !list_empty(&target->monitor->queue) &&
		waiter_wake_one(&target->monitor->waiters, 0))
		;
	return kills;
}

/* May there be more victims? The kernel counts them one by one, and the group's death in between.
 */
static bool still_populated(const struct oom_target *target)
{
	char text[256];

	return control_read(target->dir, "cgroup.events", text, sizeof(text)) == 0 &&
	       control_keyed(text, "populated") == 1;
}

static void on_settled(struct event_timer *timer)
{
	struct oom_target *target = container_of(timer, struct oom_target, settle);

	check_now(target);
	if (target->undelivered == 0)
		waiter_wake_all(&target->delivered, 0);
}

static bool wait_for_the_rest(struct oom_target *target)
{
	if (!target->as_group || !still_populated(target))
		return false;
	if (!event_timer_running(&target->settle))
		event_timer_start(cgroup_events_loop(target->monitor->events), &target->settle,
			OOM_GROUP_MS, on_settled, "oom group");
	return true;
}

uint64_t oom_target_check(struct oom_target *target)
{
	struct oom_counters now;

	if (!target->monitor || read_counters(target, &now) < 0)
		return 0;
	if (now.oom_kill == target->spent.oom_kill) {
		if (has_credit(target, &now))
			start_ageing(target->monitor);
		return 0;
	}
	if (wait_for_the_rest(target))
		return 0;
	event_timer_stop(&target->settle);
	return check_now(target);
}

/* ---- targets ------------------------------------------------------------------------------------
 */

static void on_changed(struct cgroup_watch *watch)
{
	oom_target_check(container_of(watch, struct oom_target, watch));
}

void oom_target_add(struct oom_monitor *monitor, struct oom_target *target,
	const char *container_id, const char *cgroup_dir)
{
	int r;

	memset(target, 0, sizeof(*target));
	target->monitor = monitor;
	target->container_id = container_id;
	str_copy(target->dir, sizeof(target->dir), cgroup_dir);
	waiter_list_init(&target->delivered);
	list_append(&monitor->targets, &target->node);
	target->as_group = control_number(cgroup_dir, "memory.oom.group") == 1;
	oom_levels_enter(&monitor->levels, cgroup_dir);
	r = read_counters(target, &target->spent);
	target->seen = target->spent;
	if (r == 0)
		r = cgroup_events_watch(
			monitor->events, &target->watch, cgroup_dir, "memory.events", on_changed);
	if (r < 0)
		log_record(LOG_WARN, "oom", "no OOM events for this container: no memory.events",
			"container-id", container_id, "error", errno_name(-r), NULL);
}

static void forget_target(struct list_node *events, const struct oom_target *target)
{
	list_for_each (node, events) {
		struct oom_event *event = list_entry(node, struct oom_event, node);

		if (event->target == target)
			event->target = NULL;
	}
}

void oom_target_remove(struct oom_target *target)
{
	if (!target->monitor)
		return;
	event_timer_stop(&target->settle);
	check_now(target);
	cgroup_events_unwatch(target->monitor->events, &target->watch);
	forget_target(&target->monitor->queue, target);
	forget_target(&target->monitor->lent, target);
	list_remove(&target->node);
	oom_levels_leave(&target->monitor->levels, target->dir);
	waiter_wake_all(&target->delivered, 0);
	target->monitor = NULL;
}

bool oom_target_hold(const struct oom_target *target)
{
	return target->monitor && target->monitor->asked &&
	       (target->undelivered > 0 || event_timer_running(&target->settle));
}

/* ---- events -------------------------------------------------------------------------------------
 */

struct waiter_list *oom_monitor_waiters(struct oom_monitor *monitor)
{
	return &monitor->waiters;
}

struct oom_event *oom_monitor_take(struct oom_monitor *monitor)
{
	struct oom_event *event;

	monitor->asked = true;
	if (list_empty(&monitor->queue))
		return NULL;
	event = list_entry(monitor->queue.next, struct oom_event, node);
	list_remove(&event->node);
	list_append(&monitor->lent, &event->node);
	monitor->queued--;
	return event;
}

void oom_monitor_delivered(struct oom_monitor *monitor, struct oom_event *event)
{
	struct oom_target *target = event->target;

	list_remove(&event->node);
	free(event);
	if (target && --target->undelivered == 0)
		waiter_wake_all(&target->delivered, 0);
}

void oom_monitor_give_back(struct oom_monitor *monitor, struct oom_event *event)
{
	struct list_node *at = &monitor->queue;

	list_remove(&event->node);
	list_for_each (node, &monitor->queue) {
		if (list_entry(node, struct oom_event, node)->sequence > event->sequence) {
			at = node;
			break;
		}
	}
	list_append(at, &event->node);
	monitor->queued++;
	waiter_wake_one(&monitor->waiters, 0);
}

void oom_monitor_end(struct oom_monitor *monitor, int value)
{
	waiter_wake_all(&monitor->waiters, value);
	waiter_wake_all(&monitor->records.watchers, value);
}

struct waiter_list *oom_monitor_watchers(struct oom_monitor *monitor)
{
	return &monitor->records.watchers;
}

size_t oom_monitor_records(struct oom_monitor *monitor, bool told_only,
	const struct oom_record **ret, size_t room, uint64_t *lost)
{
	return oom_records_list(&monitor->records, told_only, ret, room, lost);
}

uint64_t oom_monitor_dropped(const struct oom_monitor *monitor)
{
	return monitor->dropped;
}
