/* container: see container.h. State table, look-ups, execs, signals. */
#include "sandbox/container.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/resident.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "sandbox/container_freeze.h"
#include "sandbox/container_hooks.h"
#include "sandbox/container_spec.h"
#include "sandbox/container_stall.h"
#include "sandbox/container_update.h"
#include "sandbox/sandbox.h"

#define BIT(verb) (1u << (verb))

static const unsigned allowed[CONTAINER_STATE_COUNT] = {
	[CONTAINER_CREATING] = BIT(CONTAINER_REMOVE),
	[CONTAINER_CREATED] = BIT(CONTAINER_START) | BIT(CONTAINER_EXEC) | BIT(CONTAINER_SIGNAL) |
			      BIT(CONTAINER_REMOVE) | BIT(CONTAINER_PAUSE) | BIT(CONTAINER_UPDATE),
	[CONTAINER_RUNNING] = BIT(CONTAINER_EXEC) | BIT(CONTAINER_SIGNAL) | BIT(CONTAINER_REMOVE) |
			      BIT(CONTAINER_PAUSE) | BIT(CONTAINER_UPDATE),
	[CONTAINER_PAUSED] = BIT(CONTAINER_SIGNAL) | BIT(CONTAINER_REMOVE) | BIT(CONTAINER_RESUME) |
			     BIT(CONTAINER_UPDATE),
	[CONTAINER_STOPPED] = BIT(CONTAINER_SIGNAL) | BIT(CONTAINER_REMOVE),
	[CONTAINER_REMOVING] = BIT(CONTAINER_SIGNAL) | BIT(CONTAINER_REMOVE),
};

bool container_allows(enum container_state state, enum container_verb verb)
{
	return state < CONTAINER_STATE_COUNT && verb < CONTAINER_VERB_COUNT &&
	       (allowed[state] & BIT(verb));
}

const char *container_state_name(enum container_state state)
{
	static const char *const names[] = {
		"creating", "created", "running", "paused", "stopped", "removing"};

	return state < CONTAINER_STATE_COUNT ? names[state] : "unknown";
}

int container_check(const struct container *container, enum container_verb verb, struct error *err)
{
	static const char *const verbs[] = {
		"start", "exec in", "signal", "remove", "pause", "resume", "update"};

	if (container_allows(container->state, verb))
		return 0;
	return error_set(err, STATUS_INTERNAL, 0, "cannot %s container %s: it is %s", verbs[verb],
		container->id, container_state_name(container->state));
}

bool container_id_valid(const char *id)
{
	size_t n = strlen(id);

	if (n < 2 || n >= CONTAINER_ID_MAX || !isalnum((unsigned char)id[0]))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr(".-_", id[i]))
			return false;
	return true;
}

struct process *container_process(
	struct container *container, const char *exec_id, bool with_collected)
{
	struct process *lingering = NULL;

	if (str_empty(exec_id))
		exec_id = container->id;
	list_for_each (node, &container->processes) {
		struct process *p = list_entry(node, struct process, node);

		if (!str_eq(p->id, exec_id))
			continue;
		if (!p->collected)
			return p;
		lingering = p;
	}
	return with_collected ? lingering : NULL;
}

struct process *container_process_by_serial(struct container *container, uintptr_t serial)
{
	list_for_each (node, &container->processes) {
		struct process *p = list_entry(node, struct process, node);

		if (p->serial == serial)
			return p;
	}
	return NULL;
}

static int check_exec(struct container *container, const char *exec_id, struct error *err)
{
	unsigned count = 0;
	int r = container_check(container, CONTAINER_EXEC, err);

	if (r < 0)
		return r;
	if (!container->init)
		return error_set(err, STATUS_INTERNAL, 0,
			"cannot exec in container %s: its init has ended", container->id);
	if (str_empty(exec_id) || strlen(exec_id) >= EXEC_ID_MAX)
		return error_invalid(err, "exec_id must have 1 to %d bytes", EXEC_ID_MAX - 1);
	if (container_process(container, exec_id, false))
		return error_set(err, STATUS_INTERNAL, 0, "process %s exists in container %s",
			exec_id, container->id);
	list_for_each (node, &container->processes)
		count++;
	if (count >= PROCESSES_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0,
			"container %s has %u processes already", container->id, count);
	return 0;
}

static int launch_exec(struct container *container, const char *exec_id, const Grpc__Process *spec,
	struct passed_streams *passed, process_event_fn on_event, void *owner, struct process **ret,
	struct error *err)
{
	struct launch_config config = {.container_id = container->id,
		.cgroup_path = container->cgroup.path,
		.no_pivot = container->sandbox->no_pivot,
		.ipc_fd = -1,
		.uts_fd = -1,
		.pid_fd = -1};
	struct namespace_set init;
	struct launch_request request = {.cgroup_fd = -1,
		.cgroup = &container->cgroup,
		.join = &init,
		.seccomp_fd = container->seccomp_fd};
	struct arena scratch;
	const Grpc__Spec *own;
	struct process *process;
	_cleanup_fd_ int group = -1;
	pid_t pid;
	int r = check_exec(container, exec_id, err);

	if (r < 0)
		return r;
	if (!spec)
		return error_invalid(err, "process is missing");
	arena_init(&scratch, LAUNCH_ARENA_MAX);
	own = container_spec(container, &scratch, err);
	if (own)
		config.rootfs = own->root->path;
	r = own ? launch_plan_exec(spec, own, &config, &scratch, &request.plan, err) : -ENOMEM;
	if (r < 0) {
		arena_release(&scratch);
		return r;
	}
	pid = container->init->launch.child.pid;
	r = cgroup_open_beside(&container->cgroup, pid, &group);
	request.cgroup_fd = group;
	if (r < 0)
		error_errno(err, -r, "find a group for an exec in container %s", container->id);
	/* not reaped yet, so the number is still init's; nothing is held meanwhile */
	else
		r = namespace_set_pin(&init, pid, err);
	if (r < 0) {
		arena_release(&scratch);
		return r;
	}
	process = process_new(container, exec_id);
	if (process)
		process->passed = *passed;
	if (process)
		passed_streams_init(passed);
	if (process)
		r = process_launch(process, &request, launch_plan_terminal(request.plan),
			container->sandbox->options.pipe_size, on_event, owner, err);
	else
		r = error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "exec %s", exec_id);
	arena_release(&scratch);
	namespace_set_release(&init);
	if (r < 0) {
		process_free(process);
		return r;
	}
	*ret = process;
	return 0;
}

int container_exec(struct container *container, const char *exec_id, const Grpc__Process *spec,
	struct passed_streams *passed, process_event_fn on_event, void *owner, struct process **ret,
	struct error *err)
{
	int r = launch_exec(container, exec_id, spec, passed, on_event, owner, ret, err);

	passed_streams_close(passed);
	return r;
}

void container_kill_all(struct container *container)
{
	if (cgroup_exists(&container->cgroup))
		cgroup_kill(&container->cgroup);
	list_for_each (node, &container->processes)
		process_signal(list_entry(node, struct process, node), SIGKILL);
}

/* A PID namespace ends with its init: nobody can be born in it any more. */
static void end_shared_pids(struct container *container)
{
	struct sandbox *sandbox = container->sandbox;

	if (sandbox->pid_founder != container)
		return;
	sandbox->pid_founder = NULL;
	close_fd(&sandbox->pid_fd);
}

void container_init_exited(struct container *container)
{
	end_shared_pids(container);
	/* what is left of it (in a shared PID namespace) is not to stay frozen for good */
	if (container->state == CONTAINER_PAUSED)
		container_thaw(container);
	if (container->state == CONTAINER_RUNNING || container->state == CONTAINER_CREATED)
		container->state = CONTAINER_STOPPED;
	log_record(LOG_DEBUG, "sandbox", "container stopped", "container-id", container->id, NULL);
}

static void on_quiet(struct event_timer *timer)
{
	resident_trim();
}

void container_free(struct container *container)
{
	struct sandbox *sandbox = container->sandbox;

	end_shared_pids(container);
	helper_cancel(&container->helper);
	event_timer_stop(&container->teardown_timer);
	event_timer_stop(&container->look_again);
	event_task_cancel(&container->task);
	container_updates_abort(container);
	container_stall_stop(container);
	oom_target_remove(&container->oom);
	while (!list_empty(&container->processes))
		process_free(list_entry(container->processes.next, struct process, node));
	passed_streams_close(&container->passed);
	cgroup_events_unwatch(container->sandbox->cgroup_events, &container->populated);
	cgroup_release(&container->cgroup);
	close_fd(&container->seccomp_fd);
	list_remove(&container->node);
	sandbox->container_count--;
	event_timer_start(sandbox->loop, &sandbox->trim, TRIM_QUIET_MS, on_quiet, "heap trim");
	free(container->id);
	free(container->storages);
	free(container->packed_spec);
	arena_release(&container->arena);
	free(container);
}
