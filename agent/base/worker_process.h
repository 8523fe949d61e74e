/*
 * worker_process: one child forked ahead of time that reads small files for us (cgroup statistics:
 * a read may wait for a kernel lock, and forking during a whole-guest OOM stalls in reclaim).
 * Silent for a second: killed, replaced, its callers answered with -ETIMEDOUT.
 */
#ifndef BASE_WORKER_PROCESS_H
#define BASE_WORKER_PROCESS_H

#include "base/event_loop.h"
#include "base/list.h"

#include <stddef.h>

struct worker;
struct worker_request;

/* One file as the worker saw it. text is NUL-terminated and valid only during the callback. */
struct worker_file {
	const char *name;
	int errnum; /* 0, or positive errno (ENOENT when the controller is missing) */
	const char *text;
	size_t len;
};

/* result 0, or negative errno (-ETIMEDOUT, -EIO): then files is NULL. Runs once unless cancelled.
 */
typedef void (*worker_done_fn)(
	struct worker_request *request, int result, const struct worker_file *files, size_t count);

struct worker_request {
	struct list_node node;
	unsigned id;
	worker_done_fn done;
	char *message; /* owned while queued */
	size_t message_len;
	const char *const *names; /* caller's, static */
	size_t count;
};

#define WORKER_FILES_MAX 40
#define WORKER_FILE_MAX	 16384 /* a longer file is cut at a line's end */

/* Forks the child. NULL on failure (errno set). */
struct worker *worker_new(struct event_loop *loop);
void worker_free(struct worker *worker); /* kills the child; pending requests get -ECANCELED */
/*
 * Asks for the files dir/names[i], count <= WORKER_FILES_MAX. dir is copied; names must outlive the
 * request. 0 or negative errno (then done is never called).
 */
int worker_read(struct worker *worker, struct worker_request *request, const char *dir,
	const char *const *names, size_t count, worker_done_fn done);
void worker_cancel(struct worker_request *request); /* idempotent; done is not called */
int worker_pid(const struct worker *worker);

#endif
