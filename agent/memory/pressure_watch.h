/*
 * pressure_watch: tells when memory pressure is over a bound: a PSI trigger of the guest or of one
 * group. Costs nothing while there is no pressure. Source: Linux Documentation/accounting/psi.rst
 * ("Monitoring for pressure thresholds"): stall time within a window of 500 ms to 10 s, told at
 * most once a window, by POLLPRI; POLLERR when the group goes. Needs CAP_SYS_RESOURCE. Used by
 * stall_guard and service/. Closing one sleeps in the kernel (kernel/sched/psi.c,
 * psi_trigger_destroy(): an RCU grace period, and the end of the group's thread with its last
 * trigger; 6 to 28 ms were measured), so a helper process is the last to have it open.
 */
#ifndef MEMORY_PRESSURE_WATCH_H
#define MEMORY_PRESSURE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event_loop.h"

#define PRESSURE_GUEST "/proc/pressure/memory"
/* In a group's directory. */
#define PRESSURE_FILE	       "memory.pressure"
#define PRESSURE_WINDOW_MIN_US 500000
#define PRESSURE_WINDOW_MAX_US 10000000

struct pressure_watch {
	struct event_source source; /* fd owned; -1 or zeroed: none */
	/* gone: the group is no more; stop the watch. May be stopped in here. */
	void (*fired)(struct pressure_watch *watch, bool gone);
};

struct pressure_bound {
	bool full; /* all tasks stalled, not some */
	uint32_t stall_us, window_us;
};

/*
 * path: PRESSURE_GUEST or a group's file. 0 or negative with err: UNIMPLEMENTED where the kernel
 * has no PSI (or has it switched off).
 */
int pressure_watch_start(struct event_loop *loop, struct pressure_watch *watch, const char *path,
	const struct pressure_bound *bound, void (*fired)(struct pressure_watch *watch, bool gone),
	struct error *err);
void pressure_watch_stop(struct pressure_watch *watch); /* idempotent; accepts a zeroed one */

#endif
