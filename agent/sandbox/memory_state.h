/*
 * memory_state: the memory of all containers and of the guest, for cradle.Memory/GetMemoryState.
 * One group after another is read by the worker; nothing sleeps here. A container that disappears
 * meanwhile has no figures.
 */
#ifndef SANDBOX_MEMORY_STATE_H
#define SANDBOX_MEMORY_STATE_H

#include "base/arena.h"
#include "base/error.h"
#include "memory/memory_group.h"

#include "memory.pb-c.h"

struct sandbox;
struct memory_state;

/* err NULL: the response is filled, from the arena given. Runs once, unless cancelled. */
typedef void (*memory_state_fn)(void *owner, const struct error *err);

/* 0: *ret is the read in flight, owned by itself; negative with err: done will not come. */
int memory_state_read(struct sandbox *sandbox, struct arena *arena, Cradle__MemoryState *response,
	memory_state_fn done, void *owner, struct memory_state **ret, struct error *err);
/* done is not called any more; frees the read. */
void memory_state_cancel(struct memory_state *read);

/* NULL: not known, or no memory for it (which callers do not tell apart: it is left out). */
Cradle__MemoryPressure *memory_pressure_to_wire(
	struct arena *arena, const struct memory_pressure *pressure);

#endif
