/*
 * launch: see launch.h. Parent side; called by sandbox/ (container_create, process).
 *
 * The stages below only go forward. Whichever comes first, the end of the sync socket or the reap,
 * the messages that are still in the socket are read before anything is decided.
 */
#include "launch/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strings.h"
#include "launch/launch_child.h"
#include "launch/launch_plan_types.h"
#include "launch/launch_spawn.h"
#include "launch/launch_sync.h"

enum stage {
	STAGE_NONE,
	STAGE_SETUP,   /* until CREATED */
	STAGE_CREATED, /* until launch_start() */
	STAGE_STARTED, /* until exec */
	STAGE_RUNNING, /* until the exit */
	STAGE_FAILED,  /* error is stored; until the reap */
	STAGE_OVER,
};

struct launch_limits {
	size_t count;
	struct plan_rlimit limit[];
};

/* ---- events --------------------------------------------------------------------------------- */

static void close_sync(struct launch *launch)
{
	int fd = launch->sync.fd;

	if (!event_source_added(&launch->sync))
		return;
	event_source_remove(&launch->sync);
	close(fd);
}

static void free_limits(struct launch *launch)
{
	free(launch->limits);
	launch->limits = NULL;
}

static void fail(struct launch *launch, const struct error *error)
{
	launch->error = *error;
	launch->stage = STAGE_FAILED;
	close_sync(launch);
}

/* The child knows of no failure and would wait: it is ended. */
static void fail_and_kill(struct launch *launch, const struct error *error)
{
	fail(launch, error);
	child_process_signal(&launch->child, SIGKILL);
}

/* By prlimit(2): a user namespace may not raise limits, and tight ones must not hit the set-up. */
static int set_limits(struct launch *launch, struct error *err)
{
	const struct launch_limits *limits = launch->limits;

	for (size_t i = 0; limits && i < limits->count; i++) {
		const struct plan_rlimit *l = &limits->limit[i];

		if (prlimit(launch->child.pid, (__rlimit_resource_t)l->resource, &l->limit, NULL) <
			0)
			return error_errno(err, errno, "Process.Rlimits: set %s to %llu:%llu",
				l->name, (unsigned long long)l->limit.rlim_cur,
				(unsigned long long)l->limit.rlim_max);
	}
	return 0;
}

static void on_created(struct launch *launch)
{
	struct error error = ERROR_INIT;

	launch->stage = STAGE_CREATED;
	if (launch->child.exited) /* the failure that follows says it all */
		return;
	if (set_limits(launch, &error) < 0) {
		fail_and_kill(launch, &error);
		return;
	}
	free_limits(launch);
	launch->on_event(launch, LAUNCH_CREATED, NULL);
}

static void on_terminal(struct launch *launch, int *fd)
{
	fd_set_nonblock(*fd, true);
	close_fd(&launch->terminal_fd);
	launch->terminal_fd = take_fd(fd);
}

static void log_warning(const struct launch *launch, const struct error *error)
{
	char text[ERROR_RENDER_MAX];

	log_record(error->status ? LOG_WARN : LOG_INFO, "launch",
		error_render(error, text, sizeof(text)), "container-id", launch->container_id,
		"process", launch->child.name, NULL);
}

static void on_message(struct launch *launch, const struct launch_message *message, int *fd)
{
	struct error error = ERROR_INIT;

	if (message->step == LAUNCH_STEP_FAILED) {
		fail(launch, &message->error);
	} else if (message->step == LAUNCH_STEP_WARNING) {
		log_warning(launch, &message->error);
	} else if (message->step == LAUNCH_STEP_TERMINAL && launch->stage == STAGE_SETUP &&
		   *fd >= 0) {
		on_terminal(launch, fd);
	} else if (message->step == LAUNCH_STEP_HOOKS && launch->stage == STAGE_SETUP) {
		launch->on_event(launch, LAUNCH_HOOKS, NULL);
	} else if (message->step == LAUNCH_STEP_CREATED && launch->stage == STAGE_SETUP) {
		on_created(launch);
	} else {
		error_errno(&error, EPROTO, "the child sent \"%s\" out of turn",
			launch_step_name(message->step));
		fail_and_kill(launch, &error);
	}
}

/* Exec closes the child's end; so does its death, about which the reap tells more. */
static void on_end(struct launch *launch)
{
	close_sync(launch);
	if (launch->stage != STAGE_STARTED)
		return;
	/* It never exits silently after START: this was exec, or a signal, which is its exit
	 * status. */
	launch->stage = STAGE_RUNNING;
	launch->on_event(launch, LAUNCH_RUNNING, NULL);
}

/* Whose messages are being read; NULL once its owner called launch_abort() in a callback. */
static struct launch *reading;

/* False when it was aborted meanwhile: the struct may be gone. */
static bool read_messages(struct launch *launch)
{
	bool alive;

	reading = launch;
	while (reading && event_source_added(&launch->sync)) {
		struct launch_message message;
		_cleanup_fd_ int fd = -1;
		struct error error = ERROR_INIT;
		int r = launch_sync_receive(launch->sync.fd, &message, &fd);

		if (r == -EAGAIN)
			break;
		if (r == 0) {
			on_end(launch);
		} else if (r < 0) {
			error_errno(&error, -r, "read from the child");
			fail_and_kill(launch, &error);
		} else {
			on_message(launch, &message, &fd);
		}
	}
	alive = reading != NULL;
	reading = NULL;
	return alive;
}

static void on_sync(struct event_source *source, uint32_t events)
{
	read_messages(container_of(source, struct launch, sync));
}

static void tell_failed(struct event_task *task)
{
	struct launch *launch = container_of(task, struct launch, failed);
	struct error error = launch->error;

	launch->stage = STAGE_OVER;
	launch->on_event(launch, LAUNCH_FAILED, &error);
}

static void describe_death(struct launch *launch)
{
	const struct child_process *child = &launch->child;

	if (launch->stage != STAGE_SETUP)
		error_set(&launch->error, STATUS_INTERNAL, 0,
			"%s was killed by signal %d before it was started", child->name,
			child->exit_signal);
	else if (child->exit_signal == SIGKILL)
		error_set(&launch->error, STATUS_INTERNAL, 0,
			"%s was killed by SIGKILL during set-up (is the memory limit too small to "
			"start?)",
			child->name);
	else if (child->exit_signal)
		error_set(&launch->error, STATUS_INTERNAL, 0,
			"%s was killed by signal %d during set-up", child->name,
			child->exit_signal);
	else
		error_set(&launch->error, STATUS_INTERNAL, 0, "%s ended during set-up with code %d",
			child->name, child->exit_status);
}

static void on_child_exit(struct child_process *child)
{
	struct launch *launch = container_of(child, struct launch, child);

	if (!read_messages(launch))
		return;
	free_limits(launch);
	if (launch->stage == STAGE_RUNNING) {
		launch->stage = STAGE_OVER;
		launch->on_exit(launch);
		return;
	}
	if (launch->stage != STAGE_FAILED)
		describe_death(launch);
	launch->stage = STAGE_FAILED;
	close_sync(launch);
	close_fd(&launch->terminal_fd);
	event_task_defer(launch->loop, &launch->failed, tell_failed);
}

/* ---- beginning, start, abort ---------------------------------------------------------------- */

static int copy_limits(struct launch *launch, const struct launch_plan *plan, struct error *err)
{
	size_t size = plan->rlimit_count * sizeof(plan->rlimits[0]);

	if (plan->rlimit_count == 0)
		return 0;
	launch->limits = malloc(sizeof(*launch->limits) + size);
	if (!launch->limits)
		return error_errno(err, ENOMEM, "launch");
	launch->limits->count = plan->rlimit_count;
	memcpy(launch->limits->limit, plan->rlimits, size);
	return 0;
}

static int begin(struct launch *launch, const struct launch_request *request,
	struct launch_child *child, int sync[2], struct error *err)
{
	const struct launch_plan *plan = request->plan;
	int r = spawn_check_kernel(plan, err);

	if (r >= 0)
		r = copy_limits(launch, plan, err);
	if (r >= 0)
		r = spawn_open_joined(request, &child->join, err);
	if (r >= 0)
		r = spawn_own_pipes(request, err);
	if (r < 0)
		return r;
	r = launch_sync_pair(sync);
	if (r < 0)
		return error_errno(err, -r, "launch: socketpair");
	child->sync = sync[1];
	r = spawn_child(&launch->child, request, child, on_child_exit, err);
	close_fd(&sync[1]);
	close_fd(&child->mqueue);
	if (r >= 0)
		r = spawn_set_oom_score(plan, launch->child.pid, err);
	if (r >= 0)
		r = spawn_map_ids(plan, launch->child.pid, sync[0], err);
	if (r < 0)
		return r;
	r = event_source_add(launch->loop, &launch->sync, sync[0], EPOLLIN, on_sync, "launch-sync");
	if (r < 0)
		return error_errno(err, -r, "launch: watch the child");
	sync[0] = -1;
	return 0;
}

int launch_begin(struct event_loop *loop, struct launch *launch,
	const struct launch_request *request, launch_event_fn on_event, launch_exit_fn on_exit,
	struct error *err)
{
	struct launch_child child = {
		.plan = request->plan,
		.sync = -1,
		.seccomp_fd = request->seccomp_fd,
		.mqueue = -1,
		.cgroup = request->cgroup,
		.stdio = request->stdio,
	};
	int sync[2] = {-1, -1}, r;

	*launch = (struct launch){
		.terminal_fd = -1,
		.on_event = on_event,
		.on_exit = on_exit,
		.loop = loop,
		.stage = STAGE_SETUP,
	};
	str_copy(launch->container_id, sizeof(launch->container_id), request->plan->container_id);
	if (request->plan->has_seccomp && request->seccomp_fd < 0)
		return error_errno(err, EBADF, "launch: the seccomp filter was not compiled");
	namespace_set_init(&child.join);
	r = begin(launch, request, &child, sync, err);
	namespace_set_release(&child.join);
	close_fd(&sync[0]);
	close_fd(&sync[1]);
	if (r < 0)
		launch_abort(launch);
	return r;
}

int launch_go_on(struct launch *launch, struct error *err)
{
	int r = -EPIPE;

	if (launch->stage == STAGE_SETUP && event_source_added(&launch->sync))
		r = launch_sync_send(launch->sync.fd, LAUNCH_STEP_HOOKED, NULL);
	/* EPIPE: it was killed meanwhile; the reap tells the owner. */
	return r < 0 && r != -EPIPE ? error_errno(err, -r, "launch: send the end of hooks") : 0;
}

int launch_start(struct launch *launch, struct error *err)
{
	int r;

	if (launch->stage != STAGE_CREATED)
		return error_set(
			err, STATUS_INTERNAL, 0, "launch: the process does not wait for its start");
	r = launch_sync_send(launch->sync.fd, LAUNCH_STEP_START, NULL);
	/* EPIPE: it was killed meanwhile; the reap tells the owner. */
	if (r < 0 && r != -EPIPE)
		return error_errno(err, -r, "launch: send the start");
	launch->stage = STAGE_STARTED;
	return 0;
}

void launch_abort(struct launch *launch)
{
	if (launch->child.pid != 0 && !launch->child.exited)
		child_process_signal(&launch->child, SIGKILL);
	child_process_disown(&launch->child);
	close_sync(launch);
	if (launch->loop) {
		event_task_cancel(&launch->failed);
		close_fd(&launch->terminal_fd);
	}
	free_limits(launch);
	if (launch == reading)
		reading = NULL;
	launch->stage = STAGE_NONE;
}
