/*
 * container_remove: the teardown, for RemoveContainer, for DestroySandbox and for undoing a
 * creation that failed. Backwards through what was made, each wait an event:
 *
 *   kill      everything in the group, every process of ours and the helper of a step under way (it
 *             may be in the middle of a mount); wait until all are reaped and the group is empty
 *   group     last look at the OOM counters, then rmdir with its child groups
 *   hooks     poststop, in a helper; what fails is logged
 *   storages  give back, last first
 */
#include <errno.h>
#include <signal.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "sandbox/container.h"
#include "sandbox/container_hooks.h"
#include "sandbox/container_stall.h"
#include "sandbox/container_start.h"
#include "sandbox/container_update.h"
#include "sandbox/sandbox.h"

static void give_up(struct container *container, const struct error *err);

/* ---- the end
 * -------------------------------------------------------------------------------------- */

static void finish(struct container *container)
{
	struct sandbox *sandbox = container->sandbox;
	struct waiter_list removed;
	container_created_fn created = container->created;

	log_record(LOG_DEBUG, "sandbox", "container removed", "container-id", container->id, NULL);
	/* A creation that failed is told last, when nothing of it is left. */
	if (container->step != STEP_DONE && created) {
		container->created = NULL;
		created(container->created_owner, container, &container->failure);
	}
	waiter_list_init(&removed);
	while (!list_empty(&container->removed.head)) {
		struct waiter *w = list_entry(container->removed.head.next, struct waiter, node);

		list_remove(&w->node);
		list_append(&removed.head, &w->node);
	}
	container_free(container);
	waiter_wake_all(&removed, 0);
	sandbox_progress(sandbox);
}

/* ---- storages
 * ------------------------------------------------------------------------------------- */

static void release_next_storage(struct container *container);

static void on_storage_released(struct storage_user *user)
{
	release_next_storage(container_of(user, struct container_storage, user)->container);
}

static void release_next_storage(struct container *container)
{
	while (container->storage_next > 0) {
		struct container_storage *storage = &container->storages[--container->storage_next];

		if (!storage->acquired)
			continue;
		storage->acquired = false;
		storage_release(
			&container->sandbox->storages, &storage->user, false, on_storage_released);
		return;
	}
	finish(container);
}

/* ---- hooks ---- */

static void on_poststop(struct container *container, const struct error *err)
{
	release_next_storage(container);
}

/* Its storages are still there to look at. Of a creation that failed too (OCI runtime.md). */
static void run_poststop(struct container *container)
{
	struct error err = ERROR_INIT;

	if (container_hooks_run(container, HOOK_POSTSTOP, HOOK_POSTSTOP, on_poststop, &err) != 0)
		release_next_storage(container);
}

/* ---- processes and group
 * -------------------------------------------------------------------------- */

static bool any_process_lives(const struct container *container)
{
	if (helper_active(&container->helper))
		return true;
	list_for_each (node, &container->processes) {
		const struct process *p = list_entry(node, struct process, node);

		if (p->state != PROCESS_EXITED && p->state != PROCESS_FAILED)
			return true;
	}
	return cgroup_populated(&container->cgroup) == 1;
}

static void look_again_later(struct container *container);

static void remove_group(struct container *container);

static void on_next_groups(struct event_task *task)
{
	remove_group(container_of(task, struct container, task));
}

static void remove_group(struct container *container)
{
	struct error err = ERROR_INIT;
	int r;

	container_stall_stop(container);
	oom_target_remove(&container->oom);
	cgroup_events_unwatch(container->sandbox->cgroup_events, &container->populated);
	r = cgroup_remove(&container->cgroup);
	/* past the time for killing only if nobody can be making them anew */
	if (r == -EINPROGRESS && (event_timer_running(&container->teardown_timer) ||
					 cgroup_populated(&container->cgroup) == 0)) {
		/* one way to the next turn, or the last one would be taken twice */
		event_timer_stop(&container->look_again);
		event_task_cancel(&container->task);
		event_task_defer(container->sandbox->loop, &container->task, on_next_groups);
		return;
	}
	if (r == -EINPROGRESS)
		r = -ETIMEDOUT;
	if (r == -EBUSY && event_timer_running(&container->teardown_timer)) {
		look_again_later(container);
		return;
	}
	event_timer_stop(&container->look_again);
	event_task_cancel(&container->task);
	if (r < 0) {
		error_errno(&err, -r, "container %s: remove cgroup %s", container->id,
			container->cgroup.path);
		give_up(container, &err);
		return;
	}
	event_timer_stop(&container->teardown_timer);
	run_poststop(container);
}

static void on_settled(struct event_task *task)
{
	struct container *container = container_of(task, struct container, task);

	if (event_timer_running(&container->teardown_timer) && !any_process_lives(container))
		remove_group(container);
}

/* cgroup v1 tells nobody that a group is empty; and a group that was may be in use once more. */
static void on_look_again(struct event_timer *timer)
{
	struct container *container = container_of(timer, struct container, look_again);

	if (any_process_lives(container)) {
		container_kill_all(container);
		look_again_later(container);
	} else {
		remove_group(container);
	}
}

static void look_again_later(struct container *container)
{
	unsigned ms = container->look_again_ms;

	ms = ms ? 2 * ms : LOOK_AGAIN_MIN_MS;
	container->look_again_ms = ms < LOOK_AGAIN_MAX_MS ? ms : LOOK_AGAIN_MAX_MS;
	event_timer_start(container->sandbox->loop, &container->look_again,
		container->look_again_ms, on_look_again, "container empty");
}

void container_teardown_poke(struct container *container)
{
	if (container->state == CONTAINER_REMOVING)
		event_task_defer(container->sandbox->loop, &container->task, on_settled);
}

static void on_populated(struct cgroup_watch *watch)
{
	container_teardown_poke(container_of(watch, struct container, populated));
}

static void on_kill_timeout(struct event_timer *timer)
{
	struct container *container = container_of(timer, struct container, teardown_timer);
	struct error err = ERROR_INIT;

	if (!any_process_lives(container)) {
		remove_group(container);
		return;
	}
	error_errno(&err, ETIMEDOUT, "container %s: processes are alive %d s after SIGKILL",
		container->id, KILL_TIMEOUT_MS / 1000);
	give_up(container, &err);
}

/* The container stays, stopped, and may be removed again; who waits is told. */
static void give_up(struct container *container, const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	log_record(LOG_ERROR, "sandbox", "container could not be removed", "container-id",
		container->id, "error", error_render(err, text, sizeof(text)), NULL);
	event_timer_stop(&container->teardown_timer);
	event_timer_stop(&container->look_again);
	event_task_cancel(&container->task);
	cgroup_events_unwatch(container->sandbox->cgroup_events, &container->populated);
	if (container->step != STEP_DONE) {
		helper_cancel(&container->helper);
		release_next_storage(container);
		return;
	}
	container->state = CONTAINER_STOPPED;
	waiter_wake_all(&container->removed, -err->errnum);
	container->sandbox->end_result = -err->errnum;
	sandbox_progress(container->sandbox);
}

void container_undo(struct container *container)
{
	struct sandbox *sandbox = container->sandbox;

	container->state = CONTAINER_REMOVING;
	event_task_cancel(&container->task);
	container_hooks_cancel(container);
	container_start_aborted(container);
	if (helper_active(&container->helper))
		child_process_signal(&container->helper.child, SIGKILL);
	/* a write to memory.max that is under way would hold up the group's removal */
	container_updates_abort(container);
	/* before the kill: its pressure trigger, closed by a helper, would hold up the rmdir */
	container_stall_stop(container);
	container_kill_all(container);
	if (cgroup_exists(&container->cgroup))
		cgroup_freeze(&container->cgroup, false);
	container->look_again_ms = 0;
	if (cgroup_exists(&container->cgroup) &&
		cgroup_events_watch(sandbox->cgroup_events, &container->populated,
			container->cgroup.path, "cgroup.events", on_populated) < 0)
		look_again_later(container);
	event_timer_start(sandbox->loop, &container->teardown_timer, KILL_TIMEOUT_MS,
		on_kill_timeout, "container kill");
	container_teardown_poke(container);
}

void container_remove(struct container *container)
{
	if (container->state == CONTAINER_REMOVING)
		return;
	if (container->state == CONTAINER_CREATING)
		error_set(&container->failure, STATUS_ABORTED, 0,
			"container %s was removed while it was being created", container->id);
	container_undo(container);
}
