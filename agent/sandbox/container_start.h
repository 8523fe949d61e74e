/*
 * container_start: from START to the answer of StartContainer: exec has worked and the poststart
 * hooks have run. Called by service/ and container_remove. Nothing sleeps.
 */
#ifndef SANDBOX_CONTAINER_START_H
#define SANDBOX_CONTAINER_START_H

#include "base/error.h"

struct container;

/* err NULL: it runs. Called once unless abandoned, always as an event or from a removal. */
typedef void (*container_started_fn)(void *owner, const struct error *err);

int container_start(
	struct container *container, container_started_fn started, void *owner, struct error *err);
/* The caller is gone, the start is not: only nobody is told. */
void container_start_abandon(struct container *container);
/* The container is being removed: the caller, if there is one, is told so unless exec still may. */
void container_start_aborted(struct container *container);

#endif
