/*
 * launch_spawn: the pieces of launch_begin(): what is checked and opened before the clone, the
 * clone itself among the right namespaces, and what only the parent can do for the child after it.
 * Called by launch.c in this order. Nothing sleeps; 0 or negative errno with err filled.
 */
#ifndef LAUNCH_LAUNCH_SPAWN_H
#define LAUNCH_LAUNCH_SPAWN_H

#include "base/child_process.h"
#include "launch/launch.h"
#include "launch/launch_child.h"
#include "launch/launch_plan_types.h"

/* Asked for and not in this kernel: namespaces, SELinux, AppArmor. */
int spawn_check_kernel(const struct launch_plan *plan, struct error *err);
/* Descriptors of all namespaces to be joined, in join (which the caller releases, on failure too).
 */
int spawn_open_joined(
	const struct launch_request *request, struct namespace_set *join, struct error *err);
/*
 * Gives the pipes among the standard streams to the user: programs open /dev/stdout anew. Here, as
 * a user namespace has no power over the guest's pipes.
 */
int spawn_own_pipes(const struct launch_request *request, struct error *err);
/* Clones; the child runs launch_child_run() with what is in child. Returns in the parent only. */
int spawn_child(struct child_process *process, const struct launch_request *request,
	struct launch_child *child, child_exit_fn on_exit, struct error *err);
int spawn_set_oom_score(const struct launch_plan *plan, pid_t pid, struct error *err);
/* With a new user namespace: writes the maps and tells the child. */
int spawn_map_ids(const struct launch_plan *plan, pid_t pid, int sync, struct error *err);

#endif
