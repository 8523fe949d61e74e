/*
 * oom_levels: the groups above the containers (the pod's): how often their own limits were hit, and
 * how many kills that explains. A level is there while a container is below it. A hit explains one
 * kill, of whichever container below; so what it has explained is kept here and not with containers
 * (an old pod OOM must not colour a later kill of somebody it did not touch). Used by oom_monitor.
 * Reads control files inline; never sleeps.
 */
#ifndef MEMORY_OOM_LEVELS_H
#define MEMORY_OOM_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_events.h"

struct oom_levels {
	struct list_node list; /* struct oom_level, owned */
	struct cgroup_events *events;
	const char *base;	  /* levels are this group and those below it; borrowed */
	void (*hit)(void *owner); /* a limit of one was hit, or was near */
	void *owner;
};

void oom_levels_init(struct oom_levels *levels, struct cgroup_events *events,
	const struct cgroup_root *root, void (*hit)(void *owner), void *owner);
void oom_levels_release(struct oom_levels *levels);
/* A container with this group comes; goes. Without memory for a level its hits are not seen. */
void oom_levels_enter(struct oom_levels *levels, const char *group);
void oom_levels_leave(struct oom_levels *levels, const char *group);
/* Hits above this group that have explained nothing yet. */
uint64_t oom_levels_credit(struct oom_levels *levels, const char *group);
/*
 * So many of them are explained now, the nearest level's first. The limit (bytes) of the last one
 * that was, 0 = unknown.
 */
uint64_t oom_levels_spend(struct oom_levels *levels, const char *group, uint64_t kills);
/*
 * Forgets hits that explained nothing and were there at the last call already. True: there are
 * younger ones.
 */
bool oom_levels_age(struct oom_levels *levels);

#endif
