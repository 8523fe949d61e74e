/*
 * process_signals: signals on their way to a container's first process. What comes before it runs
 * is kept until then; one call is under way at a time, and a signal that is asked for again before
 * it was sent is sent once, as the kernel does it with pending signals.
 */
#ifndef RUN_PROCESS_SIGNALS_H
#define RUN_PROCESS_SIGNALS_H

#include "run/agent_link.h"

#include <stdbool.h>

struct process_signals {
	struct ttrpc_client *client; /* NULL: the process does not run yet, or no more */
	const char *id;
	uint64_t wanted; /* bit n: signal n */
	struct agent_call call;
	/* The agent did not answer in time. A process that is gone is no failure. */
	void (*failed)(struct process_signals *signals, const struct error *err);
};

/* The process runs now. */
void process_signals_start(
	struct process_signals *signals, struct ttrpc_client *client, const char *id);
void process_signals_send(struct process_signals *signals, int signal);
void process_signals_release(struct process_signals *signals); /* accepts zeroed */

#endif
