/*
 * metrics_read: gathers what GetMetrics tells: the memory state, files of /proc by the worker, file
 * systems by a helper (statfs can wait for a disk; forked only when there is one to ask). Nothing
 * sleeps here.
 */
#ifndef SANDBOX_METRICS_READ_H
#define SANDBOX_METRICS_READ_H

#include "base/arena.h"
#include "base/error.h"

struct metrics_read;
struct sandbox;

/* err NULL: text lives in the arena given. Runs once, unless cancelled. */
typedef void (*metrics_read_fn)(void *owner, char *text, const struct error *err);

/* 0: *ret is the read in flight, owned by itself; negative with err: done will not come. */
int metrics_read(struct sandbox *sandbox, struct arena *arena, metrics_read_fn done, void *owner,
	struct metrics_read **ret, struct error *err);
/* done is not called any more; frees the read. */
void metrics_read_cancel(struct metrics_read *read);

#endif
