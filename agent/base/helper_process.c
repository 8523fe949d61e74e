/*
 * helper_process: a function that may sleep, in a forked child; its result is an event. Used by
 * storage, sandbox, memory and kernel-facing code for whatever can reach a disk or another process.
 */
#include "base/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"

struct helper_result {
	int result;
	struct error err;
};

/* ---- child ------------------------------------------------------------------------------------
 */

static int compare_fds(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int close_others(const struct helper *helper, int pipe_fd)
{
	int keep[HELPER_KEEP_MAX + 1];

	if (helper->keep_count)
		memcpy(keep, helper->keep, helper->keep_count * sizeof(int));
	keep[helper->keep_count] = pipe_fd;
	qsort(keep, helper->keep_count + 1, sizeof(int), compare_fds);
	return fd_close_from(STDERR_FILENO + 1, keep, helper->keep_count + 1);
}

static _Noreturn void child_main(const struct helper *helper, helper_fn fn, void *arg, int pipe_fd)
{
	struct helper_result result;
	int r;

	memset(&result, 0, sizeof(result));
	/* The sink's descriptor is about to be closed: its number may become somebody's file. */
	log_set_sink(NULL, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = close_others(helper, pipe_fd);
	if (r < 0)
		result.result =
			error_errno(&result.err, -r, "helper %s: close_range", helper->name);
	else
		result.result = fn(arg, &result.err);
	_exit(fd_write_full(pipe_fd, &result, sizeof(result)) == sizeof(result) ? 0 : 1);
}

/* ---- parent -----------------------------------------------------------------------------------
 */

/* The result is one write of less than PIPE_BUF bytes: all of it is there, or nothing. */
static void read_result(struct helper *helper)
{
	struct helper_result result;
	ssize_t n;

	if (!event_source_added(&helper->pipe))
		return;
	n = fd_read_full(helper->pipe.fd, &result, sizeof(result));
	if (n == -EAGAIN)
		return;
	if (n == sizeof(result)) {
		result.err.text[sizeof(result.err.text) - 1] = '\0';
		helper->result = result.result;
		helper->err = result.err;
		helper->have_result = true;
	}
	event_source_remove(&helper->pipe);
	close_fd(&helper->pipe.fd);
}

static void on_pipe(struct event_source *source, uint32_t events)
{
	read_result(container_of(source, struct helper, pipe));
}

static void on_deadline(struct event_timer *timer)
{
	struct helper *helper = container_of(timer, struct helper, deadline);

	helper->timed_out = true;
	child_process_signal(&helper->child, SIGKILL);
}

static void stop_watching(struct helper *helper)
{
	if (event_source_added(&helper->pipe)) {
		event_source_remove(&helper->pipe);
		close_fd(&helper->pipe.fd);
	}
	event_timer_stop(&helper->deadline);
	event_task_cancel(&helper->finish);
	helper->active = false;
}

/* What to say when no result came. */
static int explain_death(struct helper *helper)
{
	const struct child_process *child = &helper->child;

	if (helper->timed_out) {
		error_set(&helper->err, STATUS_DEADLINE_EXCEEDED, ETIMEDOUT,
			"helper %s was killed after %llu ms", helper->name,
			(unsigned long long)helper->timeout_ms);
		return -ETIMEDOUT;
	}
	if (child->exit_signal)
		error_errno(&helper->err, ECHILD, "helper %s was killed by signal %d", helper->name,
			child->exit_signal);
	else
		error_errno(&helper->err, ECHILD, "helper %s exited with %d and no result",
			helper->name, child->exit_status);
	return -ECHILD;
}

static void on_finish(struct event_task *task)
{
	struct helper *helper = container_of(task, struct helper, finish);
	struct error err;

	stop_watching(helper);
	if (!helper->have_result)
		helper->result = explain_death(helper);
	err = helper->err; /* done may free the helper, or run it again */
	helper->done(helper, helper->result, &err);
}

/*
 * A result was written before the exit or never will be, so the end of file need not be awaited
 * (something the function left running may hold the pipe).
 */
static void on_exit_of_child(struct child_process *child)
{
	struct helper *helper = container_of(child, struct helper, child);

	read_result(helper);
	event_task_defer(helper->loop, &helper->finish, on_finish);
}

static void reset(struct helper *helper, struct event_loop *loop, helper_done_fn done,
	const char *name, uint64_t timeout_ms)
{
	*helper = (struct helper){
		.keep = helper->keep,
		.keep_count = helper->keep_count,
		.loop = loop,
		.done = done,
		.name = name,
		.timeout_ms = timeout_ms,
	};
}

int helper_run(struct event_loop *loop, struct helper *helper, helper_fn fn, void *arg,
	uint64_t timeout_ms, helper_done_fn done, const char *name, struct error *err)
{
	_cleanup_fd_ int read_end = -1, write_end = -1;
	int fds[2], r;
	pid_t pid;

	if (helper->active || helper->keep_count > HELPER_KEEP_MAX)
		return error_errno(
			err, EINVAL, "helper %s: running, or too many descriptors", name);
	reset(helper, loop, done, name, timeout_ms);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "helper %s: pipe2", name);
	read_end = fds[0];
	write_end = fds[1];
	r = fd_set_nonblock(read_end, true);
	if (r == 0)
		r = event_source_add(loop, &helper->pipe, read_end, EPOLLIN, on_pipe, name);
	if (r < 0)
		return error_errno(err, -r, "helper %s: watch its pipe", name);
	pid = child_process_fork(&helper->child, NULL, on_exit_of_child, name);
	if (pid == 0)
		child_main(helper, fn, arg, write_end);
	if (pid < 0) {
		event_source_remove(&helper->pipe);
		return error_errno(err, -pid, "helper %s: clone3", name);
	}
	take_fd(&read_end);
	helper->active = true;
	if (timeout_ms)
		event_timer_start(loop, &helper->deadline, timeout_ms, on_deadline, name);
	return 0;
}

void helper_cancel(struct helper *helper)
{
	if (!helper->active)
		return;
	child_process_signal(&helper->child, SIGKILL);
	child_process_disown(&helper->child);
	stop_watching(helper);
}

bool helper_active(const struct helper *helper)
{
	return helper->active;
}
