/*
 * container_stats: reads one container's control files through the worker and makes
 * StatsContainer's figures of them. Nothing sleeps; a read that hangs costs the worker, not the
 * agent.
 */
#ifndef SANDBOX_CONTAINER_STATS_H
#define SANDBOX_CONTAINER_STATS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/worker_process.h"

#include "agent.pb-c.h"

struct container;
struct container_stats;

/* err NULL: the response is filled, from the arena given. Runs once, unless cancelled; then the
 * read is over. */
typedef void (*container_stats_fn)(void *owner, const struct error *err);

/* 0: *ret is the read in flight, owned by itself; negative with err: done will not come. */
int container_stats_read(struct container *container, struct arena *arena,
	Grpc__StatsContainerResponse *response, container_stats_fn done, void *owner,
	struct container_stats **ret, struct error *err);
/* done is not called any more; frees the read. */
void container_stats_cancel(struct container_stats *read);

#endif
