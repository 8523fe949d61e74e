/* process_signals: a set of signals, sent one by one. */
#include "run/process_signals.h"

#include <signal.h>

#include "base/cleanup.h"

static void send_next(struct process_signals *signals);

static void on_sent(struct client_call *call, int result, const struct error *err)
{
	struct process_signals *signals =
		container_of(agent_call_finished(call), struct process_signals, call);

	if (result < 0 && err->status == STATUS_DEADLINE_EXCEEDED) {
		signals->failed(signals, err);
		return;
	}
	client_call_release(call);
	send_next(signals);
}

/* SIGKILL first: nothing matters after it. Then the lowest number, as signal(7) has it. */
static int take_next(struct process_signals *signals)
{
	int next = signals->wanted & 1ull << SIGKILL ? SIGKILL : __builtin_ctzll(signals->wanted);

	signals->wanted &= ~(1ull << next);
	return next;
}

static void send_next(struct process_signals *signals)
{
	while (signals->client && !signals->call.active && signals->wanted) {
		int next = take_next(signals);

		/* It fails at once only when the connection is lost, which is reported elsewhere.
		 */
		agent_signal(signals->client, &signals->call, signals->id, next, on_sent, NULL);
	}
}

void process_signals_start(
	struct process_signals *signals, struct ttrpc_client *client, const char *id)
{
	signals->client = client;
	signals->id = id;
	send_next(signals);
}

void process_signals_send(struct process_signals *signals, int signal)
{
	signals->wanted |= 1ull << signal;
	send_next(signals);
}

void process_signals_release(struct process_signals *signals)
{
	signals->client = NULL;
	agent_call_drop(&signals->call);
}
