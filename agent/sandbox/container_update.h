/*
 * container_update: UpdateContainer: new limits for a container that may be running. Lowering
 * memory.max below what is used makes the kernel reclaim, and kill, before write(2) returns: so the
 * writes are a helper's. Updates of one container run one after another, in the order of asking.
 *
 * A limit that cannot be set ends the update; those before it stay set, and the error says how
 * many.
 */
#ifndef SANDBOX_CONTAINER_UPDATE_H
#define SANDBOX_CONTAINER_UPDATE_H

#include "base/arena.h"
#include "base/error.h"

#include "oci.pb-c.h"

struct container;
struct container_update;

/* err NULL: every limit is set. Runs once, as an event, unless abandoned. */
typedef void (*container_updated_fn)(void *owner, const struct error *err);

/*
 * 0: nothing to set. 1: under way; *ret is its own, and the arena (resources live in it) was taken
 * and left empty. Negative with err: refused, nothing was set.
 */
int container_update(struct container *container, struct arena *arena,
	const Grpc__LinuxResources *resources, container_updated_fn done, void *owner,
	struct container_update **ret, struct error *err);
/* The caller is gone: the update goes on, done does not run any more. */
void container_update_abandon(struct container_update *update);
/* The container goes: helpers are killed, callers hear ABORTED. Nothing is left in updates. */
void container_updates_abort(struct container *container);

#endif
