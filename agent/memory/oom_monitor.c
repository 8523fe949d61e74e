/* oom_monitor: see oom_monitor.h. Called by sandbox/ (targets) and service/ (events, records). */
#include "memory/oom_monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/cgroup_procs.h"
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
	uint32_t window_ms;
	const struct cgroup_root *root;
	struct oom_levels levels;
	struct event_timer ageing; /* runs while a limit that was hit has explained no kill */
	struct oom_records records;
};

static const char *owner_of(void *owner, const char *task_memcg);
static void start_ageing(void *owner);
static uint64_t look(struct oom_target *target, bool reaped);

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

void oom_monitor_set_window(struct oom_monitor *monitor, uint32_t window_ms)
{
	monitor->window_ms = window_ms;
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

static int read_counters(struct oom_target *target, struct oom_counters *ret)
{
	char text[512];
	int r;

	if (target->is_v1)
		return oom_v1_read(&target->v1, target->dir, ret);
	r = control_read(target->dir, "memory.events", text, sizeof(text));
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
		look(list_entry(node, struct oom_target, node), false);
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
		const char *group = t->dir + t->mount_len;
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

/* One record, one event: kills of one cause, by so many groups' deaths, or one by one (0). */
static void report_one(struct oom_target *target, const struct oom_record *figures,
	enum oom_cause cause, uint64_t kills, uint64_t groups)
{
	struct oom_monitor *monitor = target->monitor;
	struct oom_record record = *figures;

	if (cause == OOM_CAUSE_POD_LIMIT) {
		uint64_t limit =
			oom_levels_spend(&monitor->levels, target->dir, groups ? groups : kills);

		record.limit = limit ? limit : record.limit;
	}
	target->kills_total += kills;
	record.cause = cause;
	record.kills = kills;
	record.kills_total = target->kills_total;
	/* of a group the log names the first to die */
	queue_event(target, oom_records_add(&monitor->records, &record, groups ? groups : kills));
}

/* Kills or groups' deaths, newly found. */
struct finding {
	uint64_t kills, groups, events;
};

static struct finding find(const struct oom_target *target, const struct oom_counters *now)
{
	struct finding f = {.kills = now->oom_kill - target->spent.oom_kill,
		.groups = now->group_kill - target->spent.group_kill};

	f.events = f.groups ? f.groups : f.kills;
	/*
	 * The kernel counts the first victim of a group, then all of the group, the first included
	 * (mm/oom_kill.c, oom_kill_process(); seen on 6.1: 5 for a group of 4).
	 */
	if (f.kills > f.groups)
		f.kills -= f.groups;
	if (f.events > f.kills)
		f.events = f.kills;
	/* bounded work in one turn: the last one stands for the rest */
	if (f.events > OOM_QUEUE_MAX)
		f.events = OOM_QUEUE_MAX;
	return f;
}

/*
 * One event for each kill, or for each group that died as one; within a window, for each run of
 * equal causes.
 */
static void report(struct oom_target *target, const struct oom_counters *now)
{
	struct oom_monitor *monitor = target->monitor;
	struct oom_credit credit = oom_credit_of(&target->spent, now);
	const struct finding f = find(target, now);
	enum oom_cause cause;
	uint64_t kills = 0, groups = 0;

	credit.pod = oom_levels_credit(&monitor->levels, target->dir);
	if (!target->drafted)
		oom_record_begin(&target->draft, target->container_id);
	cause = oom_cause_next(&credit);
	for (uint64_t i = 0; i < f.events; i++) {
		const bool last = i + 1 == f.events;
		const enum oom_cause next = last ? OOM_CAUSE_UNKNOWN : oom_cause_next(&credit);

		kills += last ? f.kills - i : 1;
		groups += f.groups > 0;
		if (!last && monitor->window_ms && next == cause)
			continue;
		report_one(target, &target->draft, cause, kills, groups);
		kills = groups = 0;
		cause = next;
	}
	target->spent = *now;
	target->spent.local_oom -= credit.own;
	target->spent.oom -= credit.own + credit.child;
}

/*
 * Events first: the figures, the kernel's log and the line in ours come when they are on their way
 * (a look at all of it takes longer than all that is before it).
 */
static uint64_t check_now(struct oom_target *target, const struct oom_counters *now)
{
	struct oom_monitor *monitor = target->monitor;
	const uint64_t first = monitor->records.made + 1;
	const uint64_t kills =
		now->oom_kill > target->spent.oom_kill ? now->oom_kill - target->spent.oom_kill : 0;

	if (kills > 0) {
		report(target, now);
		while (!list_empty(&monitor->queue) && waiter_wake_one(&monitor->waiters, 0))
			;
		sched_yield(); /* with one CPU the vsock's kernel worker would wait for all below */
		if (!target->drafted)
			oom_records_fill(&monitor->records, first, target->dir);
		target->drafted = false;
		oom_records_tell_soon(&monitor->records);
	}
	/* the kernel counts the limit before the kill and tells of both: a look in between is usual
	 */
	if (has_credit(target, now))
		start_ageing(monitor);
	return kills;
}

/* Reads and reports, whatever is still to come. */
static uint64_t check_all(struct oom_target *target)
{
	struct oom_counters now;

	return read_counters(target, &now) < 0 ? 0 : check_now(target, &now);
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

	target->reaped = false;
	check_all(target);
	if (target->undelivered == 0)
		waiter_wake_all(&target->delivered, 0);
}

/*
 * Kills that belong together are told together: those of a group that dies as one, and within the
 * window those of one container. A reaped process ends the window (its event has to go before its
 * exit), not the wait for its group. The figures are those at the first kill.
 */
static bool wait_for_more(struct oom_target *target, bool reaped)
{
	const bool group = target->as_group && still_populated(target);
	uint64_t ms = reaped ? 0 : target->monitor->window_ms;

	if (group && ms < OOM_GROUP_MS)
		ms = OOM_GROUP_MS;
	if (ms == 0)
		return false;
	if (event_timer_running(&target->settle) && (!reaped || target->reaped))
		return true;
	target->reaped = reaped;
	if (!target->drafted) {
		oom_record_begin(&target->draft, target->container_id);
		oom_record_read(&target->draft, target->dir);
	}
	target->drafted = true;
	event_timer_start(cgroup_events_loop(target->monitor->events), &target->settle, ms,
		on_settled, "oom settle");
	return true;
}

static uint64_t look(struct oom_target *target, bool reaped)
{
	struct oom_counters now;

	if (!target->monitor || read_counters(target, &now) < 0)
		return 0;
	if (now.oom_kill == target->spent.oom_kill) {
		if (has_credit(target, &now))
			start_ageing(target->monitor);
		return 0;
	}
	if (wait_for_more(target, reaped))
		return 0;
	event_timer_stop(&target->settle);
	target->reaped = false;
	return check_now(target, &now);
}

uint64_t oom_target_check(struct oom_target *target)
{
	return look(target, true);
}

/* All that a kill of the group takes along: pids.current would count threads. */
static uint64_t processes_in(const char *path)
{
	_cleanup_fd_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t count = 0;

	if (dir >= 0)
		cgroup_procs_for_each(dir, NULL, &count);
	return count;
}

void oom_target_stalled(struct oom_target *target, bool kill)
{
	struct oom_record record;
	uint64_t sequence;

	if (!target->monitor)
		return;
	oom_record_begin(&record, target->container_id);
	oom_record_read(&record, target->dir);
	record.cause = OOM_CAUSE_STALL;
	record.kills = kill ? processes_in(target->dir) : 0;
	target->kills_total += record.kills;
	record.kills_total = target->kills_total;
	sequence = oom_records_add(&target->monitor->records, &record, 0);
	if (kill) {
		queue_event(target, sequence);
		waiter_wake_one(&target->monitor->waiters, 0);
	}
	oom_records_tell(&target->monitor->records);
}

/* ---- targets ------------------------------------------------------------------------------------
 */

static void on_changed(struct cgroup_watch *watch)
{
	look(container_of(watch, struct oom_target, watch), false);
}

static void on_v1_event(struct oom_v1 *v1)
{
	look(container_of(v1, struct oom_target, v1), false);
}

/* Where the group's memory is accounted: in home, or in v1's hierarchy for it. */
static int find_memory(struct oom_target *target, const char *cgroup_dir)
{
	const struct cgroup_root *root = target->monitor->root;
	const struct cgroup_hierarchy *v1 = cgroup_hierarchies_find(&root->v1, "memory");

	target->is_v1 = v1 || root->v1_only;
	target->mount_len = strlen(v1 ? v1->mount : root->mount);
	if (v1 && asprintf(&target->dir, "%s%s", v1->mount, cgroup_dir + strlen(root->mount)) < 0)
		target->dir = NULL;
	else if (!v1)
		target->dir = strdup(cgroup_dir);
	return target->dir ? 0 : -ENOMEM;
}

static int watch_target(struct oom_target *target)
{
	struct cgroup_events *events = target->monitor->events;

	if (target->is_v1)
		return oom_v1_watch(events, &target->v1, target->dir, on_v1_event);
	return cgroup_events_watch(
		events, &target->watch, target->dir, "memory.events", on_changed);
}

int oom_target_add(struct oom_monitor *monitor, struct oom_target *target, const char *container_id,
	const char *cgroup_dir)
{
	int r;

	memset(target, 0, sizeof(*target));
	target->monitor = monitor;
	target->container_id = container_id;
	r = find_memory(target, cgroup_dir);
	if (r < 0) {
		target->monitor = NULL;
		return r;
	}
	waiter_list_init(&target->delivered);
	list_append(&monitor->targets, &target->node);
	target->as_group = control_number(cgroup_dir, "memory.oom.group") == 1;
	oom_levels_enter(&monitor->levels, target->dir);
	r = read_counters(target, &target->spent);
	target->seen = target->spent;
	if (r == 0)
		r = watch_target(target);
	if (r < 0)
		log_record(LOG_WARN, "oom",
			"no OOM events for this container: no memory controller", "container-id",
			container_id, "error", errno_name(-r), NULL);
	return 0;
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
	check_all(target);
	cgroup_events_unwatch(target->monitor->events, &target->watch);
	oom_v1_unwatch(&target->v1);
	forget_target(&target->monitor->queue, target);
	forget_target(&target->monitor->lent, target);
	list_remove(&target->node);
	oom_levels_leave(&target->monitor->levels, target->dir);
	waiter_wake_all(&target->delivered, 0);
	free(target->dir);
	target->dir = NULL;
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

const uint64_t *oom_monitor_kills(const struct oom_monitor *monitor)
{
	return monitor->records.kills;
}

uint64_t oom_monitor_dropped(const struct oom_monitor *monitor)
{
	return monitor->dropped;
}
