/*
 * cgroup_events: one inotify instance for all containers: memory.events and cgroup.events change ->
 * callback. Source: cgroup-v2.rst ("a file modified event is generated on the file"); inotify(7)
 * for new groups. Never sleeps. A queue overflow means: every watch is called once, its owner reads
 * the counters again.
 */
#ifndef KERNEL_CGROUP_EVENTS_H
#define KERNEL_CGROUP_EVENTS_H

#include "base/error.h"
#include "base/event_loop.h"
#include "base/list.h"

struct cgroup_events;

struct cgroup_watch {
	struct list_node node;
	int wd; /* inotify watch; valid while in the list */
	void (*changed)(struct cgroup_watch *watch);
};

struct cgroup_events *cgroup_events_new(struct event_loop *loop); /* NULL: errno set */
/* The loop it was made with. */
struct event_loop *cgroup_events_loop(const struct cgroup_events *events);
void cgroup_events_free(struct cgroup_events *events);
/* Watches dir/file ("memory.events", "cgroup.events"). 0 or negative errno (-ENOENT: no
 * controller). */
int cgroup_events_watch(struct cgroup_events *events, struct cgroup_watch *watch, const char *dir,
	const char *file, void (*changed)(struct cgroup_watch *watch));
/* Likewise for groups that are made in dir itself. 0 or negative errno. */
int cgroup_events_watch_children(struct cgroup_events *events, struct cgroup_watch *watch,
	const char *dir, void (*changed)(struct cgroup_watch *watch));
/* Idempotent; accepts a zeroed watch. Do it before the directory is removed. */
void cgroup_events_unwatch(struct cgroup_events *events, struct cgroup_watch *watch);

#endif
