/*
 * helper_process: run a function that may sleep (mount, mkfs, seccomp compilation, lowering a
 * memory limit...) in a forked child; its result is an event. Stuck, it costs one child, not the
 * agent. The child shares nothing but what it was given before the fork; its result travels as
 * (int, struct error) in one write of a pipe.
 */
#ifndef BASE_HELPER_PROCESS_H
#define BASE_HELPER_PROCESS_H

#include "base/child_process.h"
#include "base/error.h"
#include "base/event_loop.h"

struct helper;
/* Runs in the child. Returns >= 0, or negative errno with err filled. */
typedef int (*helper_fn)(void *arg, struct error *err);
/*
 * Runs in the parent, exactly once unless cancelled, after the child was reaped. result: what fn
 * returned; -ETIMEDOUT (killed at its deadline) or -ECHILD (died without a result; err says how).
 */
typedef void (*helper_done_fn)(struct helper *helper, int result, const struct error *err);

struct helper {
	/*
	 * Set by the caller before helper_run(): descriptors the child may use, at most
	 * HELPER_KEEP_MAX. It keeps these and stdio; all others are closed in it, because its copy
	 * of somebody's pipe would hold back the end of file there.
	 */
	const int *keep;
	size_t keep_count;

	struct child_process child;
	struct event_source pipe; /* read end, owned */
	struct event_timer deadline;
	struct event_loop *loop;
	helper_done_fn done;
	const char *name;
	int result;
	bool have_result, timed_out, active;
	struct error err;
	struct event_task finish; /* done runs after the reap, not in it */
	uint64_t timeout_ms;
};

#define HELPER_KEEP_MAX 16

/*
 * Starts fn(arg) in a child. timeout_ms 0 = no deadline. 0 or negative errno with err filled (then
 * done is never called). name is static text. A zeroed struct, or one whose run is over, may be
 * started. In the child records of log go to stderr: the sink's descriptor is closed there.
 */
int helper_run(struct event_loop *loop, struct helper *helper, helper_fn fn, void *arg,
	uint64_t timeout_ms, helper_done_fn done, const char *name, struct error *err);
/* Kills and forgets it; done is not called. What it may have done half is the owner's to undo. */
void helper_cancel(struct helper *helper);
bool helper_active(const struct helper *helper);

#endif
