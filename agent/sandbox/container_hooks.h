/*
 * container_hooks: a container's hooks that the agent runs: prestart, createRuntime, poststart,
 * poststop, in a helper each time, so that a slow one holds nobody up. Called by container_create,
 * container_start, container_remove. (createContainer and startContainer hooks are the child's.)
 */
#ifndef SANDBOX_CONTAINER_HOOKS_H
#define SANDBOX_CONTAINER_HOOKS_H

#include "base/error.h"
#include "launch/hooks.h"

struct container;

/* err: what failed, or NULL. May start the next ones. */
typedef void (*container_hooks_fn)(struct container *container, const struct error *err);

/*
 * Runs the kinds first to last. 1: there are none; 0: done will run, as an event; negative: nothing
 * was started. One run at a time.
 */
int container_hooks_run(struct container *container, enum hook_kind first, enum hook_kind last,
	container_hooks_fn done, struct error *err);
/* Kills what runs; done is not called. Idempotent. */
void container_hooks_cancel(struct container *container);

#endif
