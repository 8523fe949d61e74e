/*
 * guest_session: one container's life over a connected agent, as events: CreateSandbox,
 * CreateContainer, streams, StartContainer, the end of its output, WaitProcess, what the figures
 * say, RemoveContainer, DestroySandbox. The guest is not trusted: every answer is checked by the
 * ttrpc client, every wait but the container's own run has an end.
 */
#ifndef RUN_GUEST_SESSION_H
#define RUN_GUEST_SESSION_H

#include "failure.h"
#include "run/agent_pulse.h"
#include "run/guest_network.h"
#include "run/process_input.h"
#include "run/process_output.h"
#include "run/process_signals.h"
#include "run/process_window.h"

#include <stdbool.h>

struct session_request {
	const char *sandbox_id;
	/* NULL: make the sandbox, report ready, and wait for guest_session_end(). */
	const Grpc__CreateContainerRequest *container;
	/* Where its network device sits (vm/qemu_command.h); NULL: it has none to set up. */
	const char *net_path;
	uint64_t memory_limit;	   /* for the words when the agent has none */
	int in_fd, out_fd, err_fd; /* in_fd -1: no standard input */
	uint64_t silence_ms;	   /* how long the agent may answer nothing; 0 = for ever */
	bool want_stats;
};

struct session_result {
	int exit_code;	 /* the container's; 128+n by signal */
	char oom[400];	 /* empty: not killed for memory */
	char stats[400]; /* empty: not asked for, or not to be had */
};

struct guest_session;
struct session_events {
	void (*ready)(void *owner);   /* the sandbox is there */
	void (*created)(void *owner); /* these three may be NULL: the container stands ready, */
	void (*started)(void *owner); /* runs, */
	void (*exited)(void *owner);  /* has ended and all its output is written */
	/* The container is gone from the guest, or (hold) the sandbox was ended. */
	void (*finished)(void *owner, const struct session_result *result);
	void (*failed)(void *owner, const struct failure *failure);
	void *owner;
};

struct guest_session {
	struct event_loop *loop;
	struct ttrpc_client *client;
	struct session_request request;
	struct session_events events;
	const char *id;		/* the container's */
	struct agent_call call; /* the one step under way */
	struct guest_network network;
	struct agent_call oom_call;
	struct event_timer oom_pause;
	struct agent_pulse pulse;
	struct process_signals signals;
	struct process_window window;
	struct process_output out, err;
	struct process_input in;
	struct session_result result;
	bool oom_seen; /* GetOOMEvent named our container */
	bool reader_gone;
	bool created, exited, over;
	struct event_task over_task;
	struct failure failure;
};

/* Takes fd, the connection to the agent. 0, or negative errno with err (no events then). */
int guest_session_start(struct guest_session *session, struct event_loop *loop, int fd,
	const struct session_request *request, const struct session_events *events,
	struct error *err);
/* Without a container: ends the sandbox; finished follows. */
void guest_session_end(struct guest_session *session);
/* To the container's first process, as soon as it runs. */
void guest_session_signal(struct guest_session *session, int signal);
/* The size of its terminal, if it has one. */
void guest_session_resize(struct guest_session *session, uint16_t rows, uint16_t columns);
void guest_session_release(struct guest_session *session); /* accepts zeroed */

#endif
