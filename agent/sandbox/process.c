/* process: see process.h. Called by container*.c and service/. */
#include "sandbox/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/terminal.h"
#include "sandbox/container.h"
#include "sandbox/container_freeze.h"
#include "sandbox/sandbox.h"

struct process *process_new(struct container *container, const char *id)
{
	static uintptr_t last_serial;
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->id = strdup(id);
	if (!process->id) {
		free(process);
		return NULL;
	}
	process->serial = ++last_serial;
	process->container = container;
	process->state = PROCESS_FAILED;
	process->launch.terminal_fd = -1;
	process->slave_fd = -1;
	passed_streams_init(&process->passed);
	process_stream_init(&process->in);
	process_stream_init(&process->out);
	process_stream_init(&process->err);
	waiter_list_init(&process->exited);
	list_append(&container->processes, &process->node);
	return process;
}

static void close_streams(struct process *process, int value)
{
	process_stream_close(&process->in, value);
	process_stream_close(&process->out, value);
	process_stream_close(&process->err, value);
	close_fd(&process->slave_fd);
}

static void free_copies(struct process *process)
{
	stream_copy_free(process->in_copy);
	stream_copy_free(process->out_copy);
	stream_copy_free(process->err_copy);
	passed_streams_close(&process->passed);
}

void process_free(struct process *process)
{
	if (!process)
		return;
	event_timer_stop(&process->hold_timer);
	event_timer_stop(&process->grace_timer);
	event_timer_stop(&process->linger_timer);
	waiter_unlink(&process->oom_hold);
	event_timer_stop(&process->copy_timer);
	launch_abort(&process->launch);
	list_remove(&process->node);
	if (process->container->init == process)
		process->container->init = NULL;
	if (!list_empty(&process->lingering)) {
		list_remove(&process->lingering);
		process->container->sandbox->lingering_count--;
	}
	free_copies(process);
	close_streams(process, -ESRCH);
	/* one that has ended has a code, whatever held its answer (c9) */
	waiter_wake_all(
		&process->exited, process->state == PROCESS_EXITED ? process->exit_status : -ESRCH);
	free(process->id);
	free(process);
}

/* ---- starting -----------------------------------------------------------------------------------
 */

/* A pipe whose agent end becomes the stream; the other end is for the child. */
static int make_stream(struct event_loop *loop, struct process_stream *stream, bool readable_end,
	uint32_t pipe_size, int *child_end)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	if (pipe_size && readable_end)
		stream->roomy = fcntl(fds[0], F_SETPIPE_SZ, (int)pipe_size) > 0;
	*child_end = readable_end ? fds[1] : fds[0];
	r = process_stream_open(loop, stream, readable_end ? fds[0] : fds[1], readable_end);
	if (r < 0)
		close_fd(child_end);
	return r;
}

/* ---- streams of the host's own (passfd)
 * --------------------------------------------------------- */

static bool is_passed(const struct process *process)
{
	return process->passed.in >= 0 || process->passed.out >= 0 || process->passed.err >= 0;
}

static void settle(struct process *process);

static void on_copy_end(struct stream_copy *copy, void *owner)
{
	struct process *process = owner;

	/* nobody looks at its terminal any more: that is a hangup */
	if (process->terminal && copy == process->out_copy)
		process_stream_close(&process->in, -EPIPE);
	settle(process);
}

static int start_copy(struct process *process, struct process_stream *stream, int *connection,
	struct stream_copy **copy)
{
	if (*connection < 0 || stream->fd < 0)
		return 0;
	*copy = stream_copy_new(process->container->sandbox->loop, stream, take_fd(connection),
		on_copy_end, process);
	return *copy ? 0 : -errno;
}

/* Once the process's ends are there. What has no counterpart (stderr of a terminal) is closed. */
static int start_copies(struct process *process)
{
	int r = start_copy(process, &process->in, &process->passed.in, &process->in_copy);

	if (r == 0)
		r = start_copy(process, &process->out, &process->passed.out, &process->out_copy);
	if (r == 0)
		r = start_copy(process, &process->err, &process->passed.err, &process->err_copy);
	passed_streams_close(&process->passed);
	return r;
}

/* The pty's master came up from the child: stdin and stdout are both it (a copy each). */
static int adopt_terminal(struct process *process)
{
	struct event_loop *loop = process->container->sandbox->loop;
	int out = take_fd(&process->launch.terminal_fd);
	int in, r;

	if (out < 0)
		return -ENOTTY;
	r = process->resized ? terminal_set_size(out, process->rows, process->columns) : 0;
	if (r == 0) {
		process->slave_fd = terminal_open_peer(out);
		r = process->slave_fd < 0 ? process->slave_fd : 0;
	}
	if (r == 0) {
		in = fcntl(out, F_DUPFD_CLOEXEC, 3);
		r = in < 0 ? -errno : process_stream_open(loop, &process->in, in, false);
	}
	if (r < 0) {
		close(out);
		return r;
	}
	r = process_stream_open(loop, &process->out, out, true);
	return r < 0 ? r : start_copies(process);
}

int process_resize(struct process *process, uint16_t rows, uint16_t columns, struct error *err)
{
	int r;

	if (!process->terminal)
		return error_set(err, STATUS_UNAVAILABLE, 0,
			"process %s of container %s has no terminal", process->id,
			process->container->id);
	if (process->state != PROCESS_STARTING && process->out.fd < 0)
		return error_set(err, STATUS_UNAVAILABLE, 0,
			"the terminal of process %s of container %s is closed", process->id,
			process->container->id);
	process->resized = true;
	process->rows = rows;
	process->columns = columns;
	r = process->out.fd < 0 ? 0 : terminal_set_size(process->out.fd, rows, columns);
	return r < 0 ? error_errno(err, -r, "resize the terminal of process %s to %u x %u",
			       process->id, rows, columns)
		     : 0;
}

static void ended(struct process *process);

/*
 * A process that fails after CREATED has an exit code (the exec failed, or it was killed while it
 * stood before exec) and counts as exited; one that fails earlier never was.
 */
static void launch_failed(struct process *process)
{
	if (process->state == PROCESS_CREATED) {
		ended(process);
		return;
	}
	process->state = PROCESS_FAILED;
	close_streams(process, -ESRCH);
	waiter_wake_all(&process->exited, -ESRCH);
	container_teardown_poke(process->container);
}

static void on_launch_event(struct launch *launch, enum launch_event event, const struct error *err)
{
	struct process *process = container_of(launch, struct process, launch);
	struct error own = ERROR_INIT;

	if (event == LAUNCH_CREATED && process->terminal) {
		int r = adopt_terminal(process);

		if (r < 0) {
			error_errno(&own, -r, "take over the terminal of process %s", process->id);
			launch_abort(launch);
			event = LAUNCH_FAILED;
			err = &own;
		}
	}
	if (event == LAUNCH_FAILED)
		launch_failed(process);
	else if (event != LAUNCH_HOOKS)
		process->state = event == LAUNCH_CREATED ? PROCESS_CREATED : PROCESS_RUNNING;
	if (process->on_event)
		process->on_event(process, event, err);
}

/* With connections of the host's: only for those that are there, /dev/null for the others. */
static int make_pipes(struct process *process, struct launch_stdio *stdio, uint32_t pipe_size)
{
	struct event_loop *loop = process->container->sandbox->loop;
	bool passed = is_passed(process);
	int r = 0;

	if (!passed || process->passed.in >= 0)
		r = make_stream(loop, &process->in, false, 0, &stdio->in);
	if (r == 0 && (!passed || process->passed.out >= 0))
		r = make_stream(loop, &process->out, true, pipe_size, &stdio->out);
	if (r == 0 && (!passed || process->passed.err >= 0))
		r = make_stream(loop, &process->err, true, pipe_size, &stdio->err);
	return r < 0 || !passed ? r : start_copies(process);
}

static void on_launch_exit(struct launch *launch);

int process_launch(struct process *process, const struct launch_request *request, bool terminal,
	uint32_t pipe_size, process_event_fn on_event, void *owner, struct error *err)
{
	struct event_loop *loop = process->container->sandbox->loop;
	struct launch_request own = *request;
	int r = 0;

	own.stdio = (struct launch_stdio){-1, -1, -1};
	process->terminal = terminal;
	process->on_event = on_event;
	process->owner = owner;
	if (!terminal) {
		r = make_pipes(process, &own.stdio, pipe_size);
		if (r < 0)
			error_errno(err, -r, "make the stdio pipes of process %s", process->id);
	}
	if (r == 0) {
		process->state = PROCESS_STARTING;
		r = launch_begin(
			loop, &process->launch, &own, on_launch_event, on_launch_exit, err);
	}
	close_fd(&own.stdio.in);
	close_fd(&own.stdio.out);
	close_fd(&own.stdio.err);
	if (r < 0) {
		process->state = PROCESS_FAILED;
		close_streams(process, -ESRCH);
	}
	return r;
}

int process_start(struct process *process, struct error *err)
{
	return launch_start(&process->launch, err);
}

int process_signal(struct process *process, int sig)
{
	int r;

	if (process->state == PROCESS_EXITED || process->state == PROCESS_FAILED)
		return -ESRCH;
	r = child_process_signal(&process->launch.child, sig);
	if (r == 0 && sig == SIGKILL && process->container->state == CONTAINER_PAUSED)
		container_let_die(process->container, process);
	return r;
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void tell_waiters(struct process *process)
{
	if (process->told)
		return;
	process->told = true;
	waiter_unlink(&process->oom_hold);
	event_timer_stop(&process->hold_timer);
	event_timer_stop(&process->copy_timer);
	waiter_wake_all(&process->exited, process->exit_status);
}

/* Nothing holds the answer of an ended process any more? */
static void settle(struct process *process)
{
	bool copying = process->copies_awaited && !(stream_copy_over(process->out_copy) &&
							  stream_copy_over(process->err_copy));

	if (process->state == PROCESS_EXITED && !copying &&
		!event_timer_running(&process->hold_timer))
		tell_waiters(process);
}

static void on_oom_delivered(struct waiter *waiter, int value)
{
	struct process *process = container_of(waiter, struct process, oom_hold);

	event_timer_stop(&process->hold_timer);
	settle(process);
}

static void on_hold_over(struct event_timer *timer)
{
	settle(container_of(timer, struct process, hold_timer));
}

/* The host does not read its stream: that holds up nothing else for longer. */
static void on_copy_timeout(struct event_timer *timer)
{
	struct process *process = container_of(timer, struct process, copy_timer);

	process->copies_awaited = false;
	settle(process);
}

static void on_grace_over(struct event_timer *timer)
{
	struct process *process = container_of(timer, struct process, grace_timer);

	process_stream_abandon(&process->out);
	process_stream_abandon(&process->err);
}

/* At the reap: counters first, then whoever waits (house rule "OOM order"). */
static void ended(struct process *process)
{
	const struct child_process *child = &process->launch.child;
	struct container *container = process->container;
	struct event_loop *loop = container->sandbox->loop;
	bool killed;

	process->state = PROCESS_EXITED;
	process->exit_status = child->exit_status;
	/* of itself, or (a shell that passes it on) of the child it was waiting for */
	killed = process->exit_status == 128 + SIGKILL;
	if (killed)
		oom_target_check(&container->oom);
	close_fd(&process->slave_fd);
	event_timer_start(
		loop, &process->grace_timer, STREAM_GRACE_MS, on_grace_over, "stream grace");
	if (process == container->init)
		container_init_exited(container);
	container_teardown_poke(container);
	if (killed && oom_target_hold(&container->oom)) {
		process->oom_hold.wake = on_oom_delivered;
		waiter_park(&container->oom.delivered, &process->oom_hold);
		event_timer_start(
			loop, &process->hold_timer, OOM_HOLD_MS, on_hold_over, "oom hold");
	}
	process->copies_awaited = true;
	event_timer_start(
		loop, &process->copy_timer, STREAM_LINGER_MS, on_copy_timeout, "last output");
	/* may end a copy of stdin, which settles: what the answer waits for is set by now */
	process_stream_close(&process->in, -EPIPE);
	settle(process);
}

static void on_launch_exit(struct launch *launch)
{
	ended(container_of(launch, struct process, launch));
}

bool process_done(const struct process *process)
{
	return process->state == PROCESS_EXITED && process->told;
}

static void on_linger_over(struct event_timer *timer)
{
	process_free(container_of(timer, struct process, linger_timer));
}

/* By an event: its callers may be in the middle of telling others of it. */
static void free_soon(struct process *process)
{
	event_timer_start(process->container->sandbox->loop, &process->linger_timer, 0,
		on_linger_over, "stream linger");
}

static bool output_drained(const struct process *process)
{
	return (process->out.fd < 0 || process->out.end_of_file) &&
	       (process->err.fd < 0 || process->err.end_of_file);
}

void process_collect(struct process *process)
{
	struct sandbox *sandbox = process->container->sandbox;
	unsigned excess;

	if (process->collected)
		return;
	process->collected = true;
	if (output_drained(process)) {
		free_soon(process);
		return;
	}
	list_append(&sandbox->lingering, &process->lingering);
	sandbox->lingering_count++;
	event_timer_start(sandbox->loop, &process->linger_timer, STREAM_LINGER_MS, on_linger_over,
		"stream linger");
	/* All that are too many: several may be collected before the first timer runs. */
	excess = sandbox->lingering_count;
	list_for_each (node, &sandbox->lingering) {
		struct process *oldest = list_entry(node, struct process, lingering);

		if (excess-- <= LINGERING_MAX)
			break;
		log_record(LOG_WARN, "sandbox",
			"unread output dropped: too many ended processes have some", "container-id",
			oldest->container->id, "process", oldest->id, NULL);
		free_soon(oldest);
	}
}

void process_drained(struct process *process)
{
	if (process->collected && output_drained(process))
		free_soon(process);
}
