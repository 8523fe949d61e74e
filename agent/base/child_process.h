/*
 * child_process: children of this process. Owns SIGCHLD (a signalfd in the loop) and holds the
 * only waitid() of the program: every exit is peeked (WNOWAIT), handed to its owner's struct, then
 * reaped at once; orphans and unknown children are reaped and counted. A child's number is its own
 * until it is reaped here, so a signal meets no stranger; it goes through a pidfd that is opened
 * for it (pidfd_open(2)) and not held: one descriptor less for each process that lives.
 */
#ifndef BASE_CHILD_PROCESS_H
#define BASE_CHILD_PROCESS_H

#include "base/event_loop.h"
#include "base/list.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child_process;
/*
 * Called once, right before the zombie is reaped (its /proc entry still exists, empty of memory).
 * It may free the struct: nothing here touches it afterwards.
 */
typedef void (*child_exit_fn)(struct child_process *child);

struct child_process {
	struct list_node node; /* in the table of living children */
	pid_t pid;	       /* 0 = never started, or disowned; after exit only for logs */
	bool exited;	 /* set before on_exit: the number in pid may soon be somebody else's */
	int exit_status; /* exit code, or 128 + signal; valid when exited */
	int exit_signal; /* signal that killed it, 0 otherwise */
	child_exit_fn on_exit;
	const char *name;
};

struct child_fork_options {
	uint64_t clone_flags; /* CLONE_NEW*, CLONE_INTO_CGROUP... */
	int cgroup_fd;	      /* used with CLONE_INTO_CGROUP, else ignored */
	/* The child is born in this user namespace, which then owns what clone_flags make. By way
	 * of a process that joins it: nobody comes back from there. */
	bool join_user;
	int user_fd;	  /* used with join_user; not owned */
	bool new_session; /* setsid(2) before any signal can reach it: Ctrl-C is not for it */
};

/* Blocks SIGCHLD, opens the signalfd, joins the loop. Once per process. SIGPIPE becomes ignored. */
int child_reaper_init(struct event_loop *loop);
void child_reaper_release(void);
/*
 * fork(2)-like clone3(2). In the parent: pid > 0, child filled and watched. In the child: 0, with
 * every signal disposition back to default, an empty signal mask, and the reaper's and the loop's
 * descriptors still open but CLOEXEC (use fd_close_from()). Negative errno on failure. The child
 * must leave by _exit() or exec. options may be NULL.
 */
pid_t child_process_fork(struct child_process *child, const struct child_fork_options *options,
	child_exit_fn on_exit, const char *name);
/* pidfd_send_signal(2); 0 or negative errno, -ESRCH when it has exited. */
int child_process_signal(struct child_process *child, int sig);
/* Forgets the owner: the process is still reaped. Idempotent, accepts zeroed. */
void child_process_disown(struct child_process *child);
/* It has, whether or not that was handed to its owner yet. */
bool child_process_has_ended(const struct child_process *child);
/*
 * Sleeps until this child (forked before or outside the loop) has exited; used by tools without a
 * running loop. 0 or negative errno.
 */
int child_process_wait(struct child_process *child);
/*
 * Called after each batch of exits was handed out and reaped: where the owner of "who was killed by
 * the OOM killer" looks once instead of once per child. May be NULL.
 */
void child_reaper_set_batch_hook(void (*hook)(void *context), void *context);
unsigned child_process_count(void);  /* living children we know */
uint64_t child_reaper_orphans(void); /* unknown children reaped so far */

#endif
