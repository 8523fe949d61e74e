/* container_start: see container_start.h. */
#include "sandbox/container_start.h"

#include "base/log.h"
#include "sandbox/container.h"
#include "sandbox/container_hooks.h"

static void tell(struct container *container, const struct error *err)
{
	container_started_fn started = container->started;

	container->started = NULL;
	if (started)
		started(container->started_owner, err);
}

/* They cannot fail the start any more: that was logged. */
static void on_poststart(struct container *container, const struct error *err)
{
	tell(container, NULL);
}

static void run_poststart(struct container *container)
{
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];
	int r = 1;

	/* killed by a removal right after its exec: its hooks are poststop's now */
	if (container->state != CONTAINER_REMOVING)
		r = container_hooks_run(
			container, HOOK_POSTSTART, HOOK_POSTSTART, on_poststart, &err);
	if (r < 0)
		log_record(LOG_WARN, "hooks", error_render(&err, text, sizeof(text)),
			"container-id", container->id, NULL);
	if (r != 0)
		tell(container, NULL);
}

static void on_init_event(struct process *process, enum launch_event event, const struct error *err)
{
	struct container *container = process->container;

	process->on_event = NULL;
	if (event == LAUNCH_FAILED)
		tell(container, err);
	else
		run_poststart(container);
}

int container_start(
	struct container *container, container_started_fn started, void *owner, struct error *err)
{
	struct process *init = container->init;
	int r = container_check(container, CONTAINER_START, err);

	if (r < 0)
		return r;
	if (!init || init->state != PROCESS_CREATED)
		return error_set(err, STATUS_INTERNAL, 0,
			"cannot start container %s: its init has ended", container->id);
	r = process_start(init, err);
	if (r < 0)
		return r;
	/* Only now: the events of a start that was refused are not the caller's, who is gone then.
	 */
	init->on_event = on_init_event;
	container->started = started;
	container->started_owner = owner;
	container->state = CONTAINER_RUNNING;
	return 0;
}

void container_start_abandon(struct container *container)
{
	container->started = NULL;
}

void container_start_aborted(struct container *container)
{
	struct error err = ERROR_INIT;

	/* an init that has not come to its exec will say how that ended */
	if (container->init && container->init->on_event)
		return;
	error_set(&err, STATUS_ABORTED, 0, "container %s was removed while poststart hooks ran",
		container->id);
	tell(container, &err);
}
