/*
 * process: a container's init or an exec: its launch, exit status, streams and waiters.
 *
 * Owned by its container (list), freed when it was collected by WaitProcess and its output is
 * drained, or with the container. Nothing sleeps.
 *
 *   state      meaning                                      next
 *   STARTING   launch_begin() ran, set-up goes on            CREATED, FAILED
 *   CREATED    stands before exec (init only, for long)      RUNNING, FAILED
 *   RUNNING    the program runs                              EXITED
 *   EXITED     reaped; exit code known; streams may linger   (collected)
 *   FAILED     never ran                                     (freed by its creator)
 */
#ifndef SANDBOX_PROCESS_H
#define SANDBOX_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/list.h"
#include "base/waiter.h"
#include "launch/launch.h"
#include "sandbox/passfd.h"
#include "sandbox/process_stream.h"
#include "sandbox/stream_copy.h"

struct container;
struct process;

enum process_state {
	PROCESS_STARTING,
	PROCESS_CREATED,
	PROCESS_RUNNING,
	PROCESS_EXITED,
	PROCESS_FAILED,
};

typedef void (*process_event_fn)(
	struct process *process, enum launch_event event, const struct error *err);

struct process {
	uintptr_t serial;	    /* its own among all that ever were; never 0 */
	struct list_node node;	    /* in container->processes */
	struct list_node lingering; /* in sandbox->lingering while collected but not drained */
	struct container *container;
	char *id; /* exec id; the container's id for init; owned */
	enum process_state state;
	bool terminal;
	bool collected; /* WaitProcess has answered: unknown to every call but reads */
	bool told;	/* waiters may be told: no OOM event and no copy is in the way */
	struct launch launch;
	int exit_status;		    /* exit code or 128 + signal; valid in EXITED */
	struct process_stream in, out, err; /* a terminal: in and out are its master */
	struct passed_streams passed;	    /* the host's connections (passfd), until they are: */
	struct stream_copy *in_copy, *out_copy, *err_copy; /* owned; NULL: read by calls */
	bool copies_awaited; /* the output of an ended process goes out before its exit code */
	/*
	 * A slave of ours, until the process has ended: without any, the master reports an end that
	 * is none (a program may close its terminal and open /dev/tty again). -1 = none.
	 */
	int slave_fd;
	bool resized; /* asked for before there was a master: */
	uint16_t rows, columns;
	struct waiter_list exited; /* WaitProcess callers; value = exit status, or negative errno */
	struct waiter oom_hold;	   /* parked on the container's oom_target.delivered */
	struct event_timer hold_timer;	/* the longest an OOM event may hold the answer */
	struct event_timer grace_timer; /* after exit: how long a grandchild may keep a pipe open */
	struct event_timer copy_timer;	/* the longest that its output may hold the exit code */
	struct event_timer linger_timer; /* after collection: how long unread output stays */
	process_event_fn on_event;	 /* launch events, for whoever started it */
	void *owner;			 /* on_event's own */
};

/* NULL on no memory. Joins container->processes. */
struct process *process_new(struct container *container, const char *id);
/* Kills what still runs, wakes waiters with -ESRCH, frees. Accepts NULL. */
void process_free(struct process *process);

/*
 * Makes the pipes (pipe_size 0 = kernel's default) and launches. Events arrive at on_event. On
 * failure the process is FAILED and has no descriptor left. Connections in process->passed (at
 * least one: all stdio is theirs, /dev/null where one is missing) are copied to and from.
 */
int process_launch(struct process *process, const struct launch_request *request, bool terminal,
	uint32_t pipe_size, process_event_fn on_event, void *owner, struct error *err);
int process_start(struct process *process, struct error *err);
/* -ESRCH once it was reaped. */
int process_signal(struct process *process, int sig);
/*
 * The window's size. Before the terminal has come up from the container it is kept. 0, or
 * UNAVAILABLE for a process without terminal.
 */
int process_resize(struct process *process, uint16_t rows, uint16_t columns, struct error *err);
/* Has exited and may be told (an OOM event of its container does not hold the answer). */
bool process_done(const struct process *process);
/* WaitProcess's answer is out: forget it, but keep unread output readable for a while. */
void process_collect(struct process *process);
/* A reader got end of file, or the time is up: free it if nobody needs it any more. */
void process_drained(struct process *process);

#endif
