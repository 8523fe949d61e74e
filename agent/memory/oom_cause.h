/*
 * oom_cause: counters before and after -> who was killed for whose limit. Pure.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, memory.events: "oom" counts in the group
 * whose limit was hit (and, hierarchically, above it), "oom_kill" where the victim lived;
 * memory.events.local counts the group alone.
 */
#ifndef MEMORY_OOM_CAUSE_H
#define MEMORY_OOM_CAUSE_H

#include <stdint.h>

enum oom_cause {
	OOM_CAUSE_UNKNOWN,
	OOM_CAUSE_CONTAINER_LIMIT, /* the container's own memory.max */
	OOM_CAUSE_CHILD_LIMIT,	   /* memory.max of a group inside the container */
	OOM_CAUSE_POD_LIMIT,	   /* memory.max of a group above the container */
	OOM_CAUSE_WHOLE_VM,	   /* no group's limit: the guest itself was out of memory */
};

struct oom_counters {
	uint64_t oom;	     /* memory.events oom: limits hit in the group or below */
	uint64_t oom_kill;   /* memory.events oom_kill: victims in the group or below */
	uint64_t group_kill; /* memory.events oom_group_kill; 0 where the kernel has none
				(before 5.17) */
	uint64_t local_oom;  /* memory.events.local oom: the group's own limit hit */
	uint64_t parent_oom; /* sum of memory.events.local oom of the groups above */
};

enum oom_cause oom_cause_of(const struct oom_counters *before, const struct oom_counters *after);
const char *oom_cause_name(enum oom_cause cause); /* "container limit", ... for people */

#endif
