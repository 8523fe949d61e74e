/*
 * agent_pulse: notices an agent that answers nothing any more. While a container runs, nothing else
 * would: its reads have no time limit, since a process may be silent for as long as it likes. So
 * the agent is asked for its health (grpc.Health/Check); whatever it answers is a sign of life.
 * Nothing here sleeps.
 */
#ifndef RUN_AGENT_PULSE_H
#define RUN_AGENT_PULSE_H

#include "run/agent_link.h"

struct agent_pulse {
	struct ttrpc_client *client;
	struct event_loop *loop;
	struct event_timer tick;
	struct agent_call call;
	uint64_t tick_ms;
	unsigned missed; /* ticks that found the question unanswered */
	void (*silent)(struct agent_pulse *pulse);
};

/*
 * silent runs once when a question stays unanswered for silence_ms (within a quarter of it).
 * Counted in steps: a cradle that was stopped itself takes only one of them for silence.
 */
void agent_pulse_start(struct agent_pulse *pulse, struct event_loop *loop,
	struct ttrpc_client *client, uint64_t silence_ms,
	void (*silent)(struct agent_pulse *pulse));
void agent_pulse_release(struct agent_pulse *pulse); /* accepts zeroed */

#endif
