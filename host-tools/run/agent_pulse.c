/* agent_pulse: a question every few seconds, and the count of steps without its answer. */
#include "run/agent_pulse.h"

#include <string.h>

#include "base/cleanup.h"

#define STEPS 4

static void on_answered(struct client_call *call, int result, const struct error *err)
{
	struct agent_pulse *pulse =
		container_of(agent_call_finished(call), struct agent_pulse, call);

	pulse->missed = 0;
	client_call_release(call);
}

static void on_tick(struct event_timer *timer)
{
	struct agent_pulse *pulse = container_of(timer, struct agent_pulse, tick);

	if (pulse->call.active && ++pulse->missed == STEPS) {
		pulse->silent(pulse);
		return;
	}
	if (!pulse->call.active)
		agent_check(pulse->client, &pulse->call, on_answered, NULL);
	event_timer_start(pulse->loop, &pulse->tick, pulse->tick_ms, on_tick, "the agent's pulse");
}

void agent_pulse_start(struct agent_pulse *pulse, struct event_loop *loop,
	struct ttrpc_client *client, uint64_t silence_ms, void (*silent)(struct agent_pulse *pulse))
{
	memset(pulse, 0, sizeof(*pulse));
	pulse->loop = loop;
	pulse->client = client;
	pulse->tick_ms = silence_ms / STEPS;
	pulse->silent = silent;
	event_timer_start(loop, &pulse->tick, pulse->tick_ms, on_tick, "the agent's pulse");
}

void agent_pulse_release(struct agent_pulse *pulse)
{
	event_timer_stop(&pulse->tick);
	agent_call_drop(&pulse->call);
}
