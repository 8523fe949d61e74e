/*
 * oom_cause: counters before and after -> who was killed for whose limit. Pure.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, memory.events: "oom" counts in the group
 * whose limit was hit (and, hierarchically, above it), "oom_kill" where the victim lived;
 * memory.events.local counts the group alone.
 *
 * A limit that was hit is counted before its victim is (mm/memcontrol.c, mm/oom_kill.c), and kills
 * one victim or one group: so it is credit for one kill, and a kill without any has none of these
 * limits for its cause. A limit that killed nobody (its victim was dying already) leaves credit
 * over: that is forgotten when it is old (oom_monitor).
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
	OOM_CAUSE_STALL,	   /* not the kernel: stall_guard, everything waited for memory */
	OOM_CAUSES
};

/* Of one container. Those of the groups above it: oom_levels. */
struct oom_counters {
	uint64_t oom;	     /* memory.events oom: limits hit in the group or below */
	uint64_t oom_kill;   /* memory.events oom_kill: victims in the group or below */
	uint64_t group_kill; /* memory.events oom_group_kill; 0 where the kernel has none
				(before 5.17) */
	uint64_t local_oom;  /* memory.events.local oom: the group's own limit hit */
};

/* Limits that were hit and have not explained a kill yet. */
struct oom_credit {
	uint64_t own, child, pod;
};

/* Own and child; pod is 0. A counter that went backwards is a new group under an old name: none. */
struct oom_credit oom_credit_of(const struct oom_counters *spent, const struct oom_counters *now);
/* The cause of one kill (or of one group's death), nearest limit first; its credit is used up. */
enum oom_cause oom_cause_next(struct oom_credit *credit);
const char *oom_cause_name(enum oom_cause cause); /* "container limit", ... for people */

#endif
