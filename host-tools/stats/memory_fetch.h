/* memory_fetch: the memory state of any agent, ours or a plain Kata one. Used by stats. Sleeps. */
#ifndef STATS_MEMORY_FETCH_H
#define STATS_MEMORY_FETCH_H

#include "base/arena.h"
#include "stats/agent_connection.h"
#include "stats/memory_history.h"

#include "memory.pb-c.h"

struct memory_fetch {
	struct client_call call; /* the answer of our own agent lives in it */
	struct arena arena;	 /* what was put together otherwise */
	Cradle__MemoryState *state;
	bool plain; /* no cradle.Memory there: no OOM counts, no list of containers, no rest */
};

/*
 * Only the containers named; none: all of them, which a plain agent cannot tell (then none). 0, or
 * negative errno with err. Release it in both cases.
 */
int memory_fetch(struct memory_fetch *fetch, struct agent_connection *agent,
	char *const *containers, size_t count, struct error *err);
/* The agent's OOM records that the history does not have yet. 0, or negative errno with err. */
int memory_fetch_kills(
	struct agent_connection *agent, struct memory_history *history, struct error *err);
void memory_fetch_release(struct memory_fetch *fetch); /* accepts zeroed */

#endif
