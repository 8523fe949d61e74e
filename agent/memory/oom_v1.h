/*
 * oom_v1: OOM kills of one container as cgroup v1 tells of them, for oom_monitor. Sources: Linux
 * Documentation/admin-guide/cgroup-v1/memory.rst (10. OOM Control); mm/memcontrol-v1.c.
 *
 * The eventfd is signalled when the kernel begins to look for a victim, before the kill is counted
 * in memory.oom_control: so the counters are looked at again for a while after it. They count the
 * group alone: groups that the container has made inside are added up at each look, and asked for
 * events themselves as soon as inotify tells of them: a signal goes downwards only, the container's
 * own says nothing of a limit inside (none while they are more than OOM_V1_GROUPS_MAX, or too
 * deep). What was hit is told by memory.failcnt of the container's own limit. Reads control files
 * inline; never sleeps.
 */
#ifndef MEMORY_OOM_V1_H
#define MEMORY_OOM_V1_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event_loop.h"
#include "kernel/cgroup_events.h"
#include "memory/oom_cause.h"

struct oom_v1 {
	struct cgroup_events *events;
	const char *dir;	     /* the target's */
	struct cgroup_watch made;    /* groups directly inside */
	struct list_node nested;     /* struct nested_group: those that were asked */
	struct event_timer discover; /* runs while there may be others */
	struct event_source source;  /* its fd, an eventfd, is owned */
	struct event_timer again;
	unsigned again_ms;
	void (*look)(struct oom_v1 *v1); /* the counters may have changed */
	bool partial;			 /* more groups than are looked at: said once */
	uint64_t here, below, failcnt;	 /* as last read; failcnt: at the last kill */
	struct oom_counters sum;	 /* what they came to in this container's life */
};

/* Asks for the group's events (dir: kept). 0 or negative errno: only oom_v1_read() works then. */
int oom_v1_watch(struct cgroup_events *events, struct oom_v1 *v1, const char *dir,
	void (*look)(struct oom_v1 *v1));
/* Idempotent; accepts a zeroed struct. */
void oom_v1_unwatch(struct oom_v1 *v1);
/* The counters in v2's terms, never less than before. 0 or negative errno. */
int oom_v1_read(struct oom_v1 *v1, const char *dir, struct oom_counters *ret);

#endif
