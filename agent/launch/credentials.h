/*
 * credentials: who the program runs as: user, groups, capabilities, no_new_privs, labels, seccomp.
 * Called by launch_child, inside the container's root. Nothing sleeps; 0 or negative errno with err
 * filled.
 */
#ifndef LAUNCH_CREDENTIALS_H
#define LAUNCH_CREDENTIALS_H

#include "base/error.h"
#include "launch/launch_plan_types.h"

/* In a new user namespace: becomes 0:0 of it, without other groups. */
int credentials_become_root(struct error *err);
/* Exact groups, ids; capabilities stay, so that the steps after this still can do things. */
int credentials_set_user(const struct launch_plan *plan, struct error *err);
/*
 * no_new_privs, labels, bounding set, then seccomp if it needs privileges (seccomp_fd -1: none), at
 * last the capabilities. *missing gets those that were asked for but are not ours to give: they are
 * left out. *ambient is filled (status set) when the ambient set could not be raised, which is no
 * failure.
 */
int credentials_drop(const struct launch_plan *plan, int seccomp_fd, uint64_t *missing,
	struct error *ambient, struct error *err);

#endif
