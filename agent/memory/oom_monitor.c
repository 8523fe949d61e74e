/* oom_monitor: see oom_monitor.h. Called by sandbox/ (targets) and service/ (events, records). */
#include "memory/oom_monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strings.h"
#include "kernel/kmsg.h"
#include "hard_limits.h"

struct oom_monitor {
	struct cgroup_events *events;
	struct list_node targets;
	struct list_node queue; /* struct oom_event, oldest first */
	struct list_node lent;	/* taken, their fate not known yet */
	unsigned queued;
	struct waiter_list waiters;  /* for events */
	struct waiter_list watchers; /* for records */
	bool asked;		     /* somebody has called GetOOMEvent */
	uint64_t sequence, dropped;
	int kmsg;
	const struct cgroup_root *root;
	struct oom_record ring[OOM_RECORDS_MAX];
	uint64_t recorded; /* records ever made; the ring holds the last of them */
};

struct oom_monitor *oom_monitor_new(struct cgroup_events *events, const struct cgroup_root *root)
{
	struct oom_monitor *monitor = calloc(1, sizeof(*monitor));

	if (!monitor)
		return NULL;
	monitor->events = events;
	list_init(&monitor->targets);
	list_init(&monitor->queue);
	list_init(&monitor->lent);
	waiter_list_init(&monitor->waiters);
	waiter_list_init(&monitor->watchers);
	monitor->root = root;
	monitor->kmsg = kmsg_open();
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
	close_fd(&monitor->kmsg);
	free(monitor);
}

/* ---- reading counters ---------------------------------------------------------------------------
 */

static uint64_t keyed(const char *text, const char *key)
{
	uint64_t value = 0;

	parse_keyed_u64(text, key, &value);
	return value;
}

static int read_control(const char *dir, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;

	if (path_join(path, sizeof(path), dir, name) < 0)
		return -ENAMETOOLONG;
	n = file_read(path, out, size);
	return n < 0 ? (int)n : 0;
}

/* A number, or 0 for "max" and for a file that is not there. */
static uint64_t control_number(const char *dir, const char *name)
{
	char text[64];
	uint64_t value = 0;

	if (read_control(dir, name, text, sizeof(text)) == 0) {
		text[strcspn(text, "\n")] = '\0';
		parse_u64(text, &value);
	}
	return value;
}

static uint64_t parents_oom(const struct oom_monitor *monitor, const char *dir)
{
	char parent[PATH_MAX], text[512];
	uint64_t sum = 0;

	str_copy(parent, sizeof(parent), dir);
	for (;;) {
		char *slash = strrchr(parent, '/');

		if (!slash)
			return sum;
		*slash = '\0';
		if (!str_starts(parent, monitor->root->base))
			return sum;
		if (read_control(parent, "memory.events.local", text, sizeof(text)) == 0)
			sum += keyed(text, "oom");
	}
}

static int read_counters(const struct oom_target *target, struct oom_counters *ret)
{
	char text[512];
	int r = read_control(target->dir, "memory.events", text, sizeof(text));

	if (r < 0)
		return r;
	ret->oom = keyed(text, "oom");
	ret->oom_kill = keyed(text, "oom_kill");
	ret->group_kill = keyed(text, "oom_group_kill");
	ret->local_oom = read_control(target->dir, "memory.events.local", text, sizeof(text)) == 0
				 ? keyed(text, "oom")
				 : 0;
	ret->parent_oom = parents_oom(target->monitor, target->dir);
	return 0;
}

/* ---- records ------------------------------------------------------------------------------------
 */

static struct oom_target *target_of_group(struct oom_monitor *monitor, const char *task_memcg)
{
	list_for_each (node, &monitor->targets) {
		struct oom_target *t = list_entry(node, struct oom_target, node);
		const char *group = t->dir + strlen(monitor->root->mount);
		size_t n = strlen(group);

		if (strncmp(task_memcg, group, n) == 0 &&
			(task_memcg[n] == '\0' || task_memcg[n] == '/'))
			return t;
	}
	return NULL;
}

/* Names and pids from the kernel's log, for records of the containers they belong to. */
static void name_victims(struct oom_monitor *monitor)
{
	struct kmsg_oom oom;
	uint64_t first =
		monitor->recorded > OOM_RECORDS_MAX ? monitor->recorded - OOM_RECORDS_MAX : 0;

	if (monitor->kmsg < 0)
		return;
	while (kmsg_next_oom(monitor->kmsg, &oom)) {
		const struct oom_target *t = target_of_group(monitor, oom.task_memcg);

		for (uint64_t i = first; t && i < monitor->recorded; i++) {
			struct oom_record *r = &monitor->ring[i % OOM_RECORDS_MAX];

			if (r->pid || !str_eq(r->container_id, t->container_id))
				continue;
			r->pid = oom.pid;
			str_copy(r->comm, sizeof(r->comm), oom.comm);
			break;
		}
	}
}

static void log_oom(const struct oom_record *r)
{
	char numbers[6][24];
	const uint64_t values[6] = {r->limit, r->usage, r->peak, r->kills, r->kills_total, r->pid};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		str_format(numbers[i], sizeof(numbers[i]), "%" PRIu64, values[i]);
	log_record(LOG_WARN, "oom", "container had an OOM kill", "container-id", r->container_id,
		"cause", oom_cause_name(r->cause), "limit", numbers[0], "usage", numbers[1], "peak",
		numbers[2], "kills", numbers[3], "kills-total", numbers[4], "victim-pid",
		numbers[5], "victim", r->comm, NULL);
}

static void fill_record(
	struct oom_record *r, const struct oom_target *target, enum oom_cause cause, uint64_t kills)
{
	char stat[8192];
	struct timespec now;

	memset(r, 0, sizeof(*r));
	str_copy(r->container_id, sizeof(r->container_id), target->container_id);
	clock_gettime(CLOCK_REALTIME, &now);
	r->time_unix_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	r->cause = cause;
	r->kills = kills;
	r->kills_total = target->kills_total;
	r->limit = control_number(target->dir, "memory.max");
	r->usage = control_number(target->dir, "memory.current");
	r->peak = control_number(target->dir, "memory.peak");
	if (read_control(target->dir, "memory.stat", stat, sizeof(stat)) == 0) {
		r->anon = keyed(stat, "anon");
		r->file = keyed(stat, "file");
	}
}

static void queue_event(struct oom_monitor *monitor, struct oom_target *target, uint64_t sequence)
{
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

/* Newly found kills of one target: one event each; killed as a group: one for all. */
static void report(struct oom_target *target, const struct oom_counters *now)
{
	struct oom_monitor *monitor = target->monitor;
	uint64_t kills = now->oom_kill - target->last.oom_kill;
	uint64_t groups = now->group_kill - target->last.group_kill;
	uint64_t events = groups ? groups : kills;
	enum oom_cause cause = oom_cause_of(&target->last, now);
	uint64_t first = monitor->recorded;

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
	for (uint64_t i = 0; i < events; i++) {
		struct oom_record *r = &monitor->ring[monitor->recorded++ % OOM_RECORDS_MAX];
		uint64_t share = i + 1 == events ? kills - (events - 1) : 1;

		target->kills_total += share;
		fill_record(r, target, cause, share);
		r->sequence = ++monitor->sequence;
		queue_event(monitor, target, r->sequence);
	}
	name_victims(monitor);
	for (; first < monitor->recorded; first++)
		log_oom(&monitor->ring[first % OOM_RECORDS_MAX]);
}

static uint64_t check_now(struct oom_target *target)
{
	struct oom_counters now;
	uint64_t kills;

	if (read_counters(target, &now) < 0)
		return 0;
	kills = now.oom_kill - target->last.oom_kill;
	/*
	 * "Before" is the state at the last kill, not at the last look: the kernel counts the limit
	 * that was hit before it kills, and tells of both, so that a look in between is usual.
	 */
	if (kills > 0) {
		report(target, &now);
		target->last = now;
		waiter_wake_all(&target->monitor->watchers, 0);
	}
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

	return read_control(target->dir, "cgroup.events", text, sizeof(text)) == 0 &&
	       keyed(text, "populated") == 1;
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

	if (!target->monitor || read_counters(target, &now) < 0 ||
		now.oom_kill == target->last.oom_kill || wait_for_the_rest(target))
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
	r = read_counters(target, &target->last);
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
	waiter_wake_all(&monitor->watchers, value);
}

struct waiter_list *oom_monitor_watchers(struct oom_monitor *monitor)
{
	return &monitor->watchers;
}

size_t oom_monitor_records(const struct oom_monitor *monitor, const struct oom_record **ret,
	size_t room, uint64_t *lost)
{
	uint64_t first =
		monitor->recorded > OOM_RECORDS_MAX ? monitor->recorded - OOM_RECORDS_MAX : 0;
	size_t n = 0;

	*lost = first;
	for (uint64_t i = first; i < monitor->recorded && n < room; i++)
		ret[n++] = &monitor->ring[i % OOM_RECORDS_MAX];
	return n;
}

uint64_t oom_monitor_dropped(const struct oom_monitor *monitor)
{
	return monitor->dropped;
}
