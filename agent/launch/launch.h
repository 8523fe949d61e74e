/*
 * launch: from a checked plan to a running process. Parent side; the child walks the plan
 * (launch_child.c). Used for a container's init and for execs. Nothing here sleeps: every step of
 * the child is awaited as an event.
 *
 *   launch_begin()  clone3 into the cgroup (v2), child sets itself up
 *   LAUNCH_HOOKS    the child waits while prestart and createRuntime hooks run (only if there are
 * any) launch_go_on()  they have run LAUNCH_CREATED  the child stands right before exec and waits
 * for START (launch_sync.h) launch_start()  sends START LAUNCH_RUNNING  exec has replaced the child
 * (close-on-exec end of file on the sync socket) LAUNCH_FAILED   at any of these stages; err names
 * step, object, errno. Comes after the child was reaped, so that nothing of it is left. on_exit the
 * process has ended (only after LAUNCH_RUNNING); child.exit_status is valid
 */
#ifndef LAUNCH_LAUNCH_H
#define LAUNCH_LAUNCH_H

#include "base/child_process.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "kernel/cgroup.h"
#include "kernel/namespace.h"
#include "launch/launch_plan.h"

enum launch_event { LAUNCH_HOOKS, LAUNCH_CREATED, LAUNCH_RUNNING, LAUNCH_FAILED };

struct launch;
struct launch_limits;
typedef void (*launch_event_fn)(
	struct launch *launch, enum launch_event event, const struct error *err);
/* Runs at the reap, before the zombie is gone and before anybody is told. */
typedef void (*launch_exit_fn)(struct launch *launch);

struct launch_stdio {
	/* The child's ends; not owned, the caller closes its copies after launch_begin(). -1:
	 * /dev/null. Ignored with a terminal: its master arrives in launch.terminal_fd at
	 * LAUNCH_CREATED. */
	int in, out, err;
};

struct launch_request {
	const struct launch_plan *plan; /* needed only until launch_begin() returns */
	int cgroup_fd; /* directory of the container's cgroup (v2), or -1: stay where we are */
	const struct cgroup *cgroup; /* the same with its v1 hierarchies, which the child enters
					itself; NULL: none */
	const struct namespace_set
		*join;	/* execs: namespaces of the container (pinned fds), or NULL */
	int seccomp_fd; /* memfd with the compiled filter (kernel/seccomp.h), or -1 */
	struct launch_stdio stdio;
};

struct launch {
	struct child_process child;
	int terminal_fd; /* master of the container's pty, non-blocking; owned by the launch until
			    taken; -1 */
	launch_event_fn on_event;
	launch_exit_fn on_exit;
	/* launch.c's own */
	struct event_loop *loop;
	struct event_source sync;
	struct event_task failed; /* LAUNCH_FAILED waits for the reap */
	int stage;
	struct error error;
	struct launch_limits *limits; /* owned; set on the child at CREATED */
	char container_id[72];	      /* for logs; cut if longer */
};

/* 0, or negative errno with err filled (nothing left behind, no callback will come). */
int launch_begin(struct event_loop *loop, struct launch *launch,
	const struct launch_request *request, launch_event_fn on_event, launch_exit_fn on_exit,
	struct error *err);
/* Only after LAUNCH_HOOKS, once. 0 or negative errno. */
int launch_go_on(struct launch *launch, struct error *err);
/* Only after LAUNCH_CREATED, once. 0 or negative errno. */
int launch_start(struct launch *launch, struct error *err);
/*
 * Kills (SIGKILL) whatever stage it is in and forgets the owner; no callback comes. Closes the
 * terminal if it was not taken. Idempotent; accepts a zeroed struct. To be called before the struct
 * is freed, also inside on_event (but not needed in or after on_exit).
 */
void launch_abort(struct launch *launch);

#endif
