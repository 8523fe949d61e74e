/*
 * launch_sync: where parent and child of a launch meet. Messages over a SEQPACKET pair, each one
 * write; the end of file (both ends are close-on-exec) is a message too. Parent: launch.c, never
 * sleeps; child: launch_child.c, waits for the parent.
 *
 *   parent                               child
 *   writes id maps, OOM score
 *   MAPPED  (new user namespace only) ->  becomes 0:0 of it
 *                                     <-  WARNING (any number: text for the log)
 *                                     <-  TERMINAL (with the pty's master)
 *                                     <-  HOOKS  the root file system is made (only if there are
 *   runs prestart, createRuntime             hooks for the parent to run)
 *   HOOKED                            ->  runs createContainer hooks, leaves the old root
 *   sets rlimits                      <-  CREATED  stands right before exec
 *   START                             ->  runs startContainer hooks
 *                                     <-  end of file: exec, or killed
 *   at any time                       <-  FAILED with the error; then it exits
 *   end of file: the agent is gone    ->  exits
 */
#ifndef LAUNCH_LAUNCH_SYNC_H
#define LAUNCH_LAUNCH_SYNC_H

#include "base/error.h"

enum launch_step {
	LAUNCH_STEP_MAPPED = 1,
	LAUNCH_STEP_WARNING,
	LAUNCH_STEP_TERMINAL,
	LAUNCH_STEP_HOOKS,
	LAUNCH_STEP_HOOKED,
	LAUNCH_STEP_CREATED,
	LAUNCH_STEP_START,
	LAUNCH_STEP_FAILED,
};

struct launch_message {
	int step;
	struct error error; /* WARNING, FAILED */
};

/* fds[0] is the parent's end, non-blocking; fds[1] the child's. 0 or negative errno. */
int launch_sync_pair(int fds[2]);
/* One write(2); error may be NULL. 0 or negative errno. */
int launch_sync_send(int fd, enum launch_step step, const struct error *error);
/* TERMINAL with a copy of fd. */
int launch_sync_send_terminal(int sync, int master);
/*
 * 1: a message (*fd: the descriptor that came along, owned by the caller, or -1). 0: end of file.
 * -EAGAIN: nothing now (parent). Other negative errno: broken.
 */
int launch_sync_receive(int sync, struct launch_message *ret, int *fd);
/* Child: read(2) until this step comes. -EPIPE when the parent is gone. */
int launch_sync_wait(int sync, enum launch_step step);
const char *launch_step_name(int step);

#endif
