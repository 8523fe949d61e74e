/*
 * memory_history: memory states over time, and the OOM kills among them, for a picture. Bounded:
 * when it is full every second sample goes and from then on only every second is kept, so that a
 * run of days is still seen from its start. Used by stats (memory_page draws it). Does not sleep.
 */
#ifndef STATS_MEMORY_HISTORY_H
#define STATS_MEMORY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#include "memory.pb-c.h"

#define HISTORY_SAMPLES_MAX 1024
#define HISTORY_CONTAINERS_MAX                                                                     \
	64 /* of a history; the memory of others counts as "other containers" */
#define HISTORY_KILLS_MAX 256
#define HISTORY_ID_MAX	  130

/* Who holds the guest's memory; the order is that of the picture, from below. */
enum memory_owner {
	OWNER_KERNEL,
	OWNER_AGENT,
	OWNER_OTHER_PROCESSES,
	OWNER_PAGE_CACHE,
	OWNER_CONTAINERS, /* all of them; the picture splits it */
	OWNER_HUGE_PAGES,
	OWNER_BALLOON,
	OWNER_UNEXPLAINED, /* what no line explains, when it is above 0 */
	OWNER_FREE,
	MEMORY_OWNERS,
};

/* Bytes. */
struct history_container {
	bool there;
	uint64_t usage, working_set, limit; /* limit UINT64_MAX: none */
	uint64_t held;			    /* its part of OWNER_CONTAINERS */
};

struct history_sample {
	uint64_t time_nano; /* since 1970, the guest's clock */
	uint64_t owner[MEMORY_OWNERS];
	uint64_t vm, containers_limit; /* 0: not known */
	struct history_container container[HISTORY_CONTAINERS_MAX];
};

struct history_kill {
	uint64_t time_nano, limit;
	uint64_t kills;
	char id[HISTORY_ID_MAX];
	char sentence[512]; /* as cradle oom says it, the cause in it */
};

struct memory_history {
	struct history_sample *samples; /* owned */
	size_t count, stride, skipped;
	char ids[HISTORY_CONTAINERS_MAX][HISTORY_ID_MAX];
	size_t containers;
	struct history_kill *kills; /* owned */
	size_t kill_count;
	uint64_t kills_dropped; /* records beyond HISTORY_KILLS_MAX: the oldest stay */
	uint64_t last_sequence; /* of the records */
};

void history_init(struct memory_history *history);
void history_release(struct memory_history *history); /* accepts a zeroed one */
/* 0, or negative errno with err (no memory). */
int history_add(
	struct memory_history *history, const Cradle__MemoryState *state, struct error *err);
/* Records seen before are skipped. 0, or negative errno with err. */
int history_add_kills(struct memory_history *history,
	const Cradle__ListOOMRecordsResponse *response, struct error *err);

#endif
