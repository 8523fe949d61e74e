/*
 * oom_monitor: counters of all containers -> records -> queue -> GetOOMEvent's waiter.
 *
 * One event per kill counted by memory.events (per group kill with memory.oom.group: one event that
 * says how many died). Counters are read when inotify says so, when a process of the container is
 * reaped after SIGKILL, and once more before its group goes. Nothing here sleeps: control files of
 * kernfs, read inline (the reap path must have them before anybody is told of the exit).
 *
 * OOM order (house rule): a WaitProcess answer is held while an event of its container is not yet
 * written to a connection, at most OOM_HOLD_MS, and never when nobody has asked for events.
 */
#ifndef MEMORY_OOM_MONITOR_H
#define MEMORY_OOM_MONITOR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/event_loop.h"
#include "base/list.h"
#include "base/waiter.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_events.h"
#include "memory/oom_cause.h"
#include "memory/oom_levels.h"
#include "memory/oom_record.h"
#include "memory/oom_v1.h"

struct oom_monitor;

/* A container as the monitor sees it; embedded in its owner. */
struct oom_target {
	struct list_node node;
	struct oom_monitor *monitor; /* NULL while not added */
	const char *container_id;    /* the owner's */
	char *dir;		     /* its cgroup directory, where memory's files are; owned */
	size_t mount_len;	     /* of dir: the hierarchy's mount, before the group's name */
	bool is_v1;		     /* and they are v1's */
	struct oom_v1 v1;
	/*
	 * Kills that were reported, limits that have explained one or are old; limits hit at the
	 * last ageing.
	 */
	struct oom_counters spent, seen;
	uint64_t kills_total;
	unsigned undelivered;	      /* events of this container not yet written to anybody */
	struct waiter_list delivered; /* woken (value 0) when undelivered falls to 0 */
	struct cgroup_watch watch;
	bool as_group;		   /* memory.oom.group: all of it dies at once, one event */
	struct event_timer settle; /* runs while such a death, or a window, is under way */
	bool reaped;		   /* a process that was killed waits for that */
	bool drafted;		   /* the figures are those at its beginning */
	struct oom_record draft;
};

/* One queued event; owned by the monitor, lent to a caller between take and delivered/give_back. */
struct oom_event {
	struct list_node node;
	struct oom_target *target; /* NULL once the container is gone */
	char container_id[CONTAINER_ID_MAX];
	uint64_t sequence;
};

/* Borrows both for its life. Limits of groups from root->base down count as the pod's. NULL: errno
 * set. */
struct oom_monitor *oom_monitor_new(struct cgroup_events *events, const struct cgroup_root *root);
void oom_monitor_free(struct oom_monitor *monitor);
/* Kills of one container within so many milliseconds are one event; 0 (as made): each is one. */
void oom_monitor_set_window(struct oom_monitor *monitor, uint32_t window_ms);

/* Starts counting from the group's present values. A guest without memory controller: inert. 0, or
 * -ENOMEM: not added. */
int oom_target_add(struct oom_monitor *monitor, struct oom_target *target, const char *container_id,
	const char *cgroup_dir);
/*
 * A process of it was reaped after SIGKILL: reads the counters now and queues what is new; number
 * of kills found.
 */
uint64_t oom_target_check(struct oom_target *target);
/*
 * All tasks of it have waited for memory for too long (memory/stall_guard.h): a record; with kill
 * (by the caller, afterwards) an event as well.
 */
void oom_target_stalled(struct oom_target *target, bool kill);
/* Last read, then forgets it; its queued events stay. Idempotent; accepts a zeroed struct. */
void oom_target_remove(struct oom_target *target);
/* True while a WaitProcess answer of this container must wait (see above). */
bool oom_target_hold(const struct oom_target *target);

/* GetOOMEvent callers park here; one is woken (value 0) per event that becomes available. */
struct waiter_list *oom_monitor_waiters(struct oom_monitor *monitor);
/* The oldest event, lent; NULL when there is none. From the first call on, somebody has asked. */
struct oom_event *oom_monitor_take(struct oom_monitor *monitor);
/* Its bytes are out. Frees it. */
void oom_monitor_delivered(struct oom_monitor *monitor, struct oom_event *event);
/* Not written: back to its place at the head, for the next who asks. */
void oom_monitor_give_back(struct oom_monitor *monitor, struct oom_event *event);
/* Sandbox ends: waiters get value (a negative errno). */
void oom_monitor_end(struct oom_monitor *monitor, int value);

/* Who waits for records parks here; all are woken (value 0) when there are new ones, told. */
struct waiter_list *oom_monitor_watchers(struct oom_monitor *monitor);
/* Events thrown away because the queue was full. */
uint64_t oom_monitor_dropped(const struct oom_monitor *monitor);
/* Kills so far by cause: OOM_CAUSES of them. */
const uint64_t *oom_monitor_kills(const struct oom_monitor *monitor);
/* See oom_records_list(). */
size_t oom_monitor_records(struct oom_monitor *monitor, bool told_only,
	const struct oom_record **ret, size_t room, uint64_t *lost);

#endif
