/*
 * stall_guard: the case that no counter tells of: reclaim goes on succeeding, nobody is killed, and
 * everything hangs. All tasks of a container stalled on memory for PERCENT of each second, SECONDS
 * long: its owner is told, and kills or reports. Off unless asked for. Used by sandbox/.
 */
#ifndef MEMORY_STALL_GUARD_H
#define MEMORY_STALL_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/pressure_watch.h"

enum stall_mode { STALL_OFF, STALL_REPORT, STALL_KILL };

struct stall_options {
	enum stall_mode mode;
	uint32_t percent; /* 1..100 */
	uint32_t seconds; /* 1..3600 */
};

/*
 * "off", "report" or "kill", then ",PERCENT" and ",SECONDS" if not 80 and 10. False: it is none;
 * *ret is as it was. Pure.
 */
bool stall_options_parse(const char *text, struct stall_options *ret);

/* How long pressure has been over the bound, from the moments it was told of. Pure. */
struct stall_clock {
	uint64_t since_ns, last_ns; /* 0: it is not */
};
/* Told at now, of the second before; for how long without a gap, in ns. */
uint64_t stall_clock_tick(struct stall_clock *clock, uint64_t now_ns);

struct stall_guard {
	struct pressure_watch watch;
	struct stall_options options;
	struct stall_clock clock;
	/* Once for each such time; the guard goes on. */
	void (*stalled)(struct stall_guard *guard);
};

/*
 * Watches a group's directory. A kernel that cannot tell: one line in the log in this agent's life,
 * and no guard.
 */
void stall_guard_start(struct event_loop *loop, struct stall_guard *guard, const char *dir,
	const struct stall_options *options, void (*stalled)(struct stall_guard *guard));
void stall_guard_stop(struct stall_guard *guard); /* idempotent; accepts a zeroed one */

#endif
