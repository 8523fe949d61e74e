/*
 * launch_child: the child's side of a launch. Called by launch.c right after the fork.
 */
#ifndef LAUNCH_LAUNCH_CHILD_H
#define LAUNCH_LAUNCH_CHILD_H

#include "kernel/namespace.h"
#include "launch/launch.h"
#include "launch/launch_plan_types.h"

struct launch_child {
	const struct launch_plan *plan;
	/* Namespaces still to be joined; -1 = none. Not owned by the parent's copy. */
	struct namespace_set join;
	int sync;		     /* launch_sync.h */
	int seccomp_fd;		     /* or -1 */
	int mqueue;		     /* a detached mount for the plan's own, or -1 */
	const struct cgroup *cgroup; /* whose v1 hierarchies to enter, or NULL */
	struct launch_stdio stdio;
};

/* Walks the plan and execs; leaves by _exit() otherwise (127: ENOENT, 126: anything else). */
_Noreturn void launch_child_run(struct launch_child *child);

#endif
