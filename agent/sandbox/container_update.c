/* container_update: see container_update.h. Called by service/control_service. */
#include "sandbox/container_update.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "hard_limits.h"
#include "kernel/cgroup_devices.h"
#include "kernel/cgroup_limits.h"
#include "sandbox/container.h"
#include "sandbox/container_spec.h"
#include "sandbox/sandbox.h"

struct container_update {
	struct list_node node; /* in container->updates; the first is the one that runs */
	struct container *container;
	struct arena arena;
	const Grpc__LinuxResources *resources; /* in the arena */
	struct cgroup_writes writes;	       /* in the arena; planned when its turn comes */
	struct device_program devices;	       /* the same, if there are rules */
	struct helper helper;
	container_updated_fn done;
	void *owner;
};

static void start_next(struct container *container);

static void end_update(struct container_update *update, const struct error *err)
{
	list_remove(&update->node);
	if (update->done)
		update->done(update->owner, err);
	arena_release(&update->arena);
	free(update);
}

/* In a helper. */
static int set_limits(void *arg, struct error *err)
{
	const struct container_update *update = arg;

	size_t set = 0;
	int r = cgroup_limits_apply(&update->container->cgroup, &update->writes, &set, err);

	if (r < 0)
		return set ? error_prefix(err, "%zu of %zu limits are set, not the next", set,
				     update->writes.count)
			   : r;
	return update->resources->n_devices
		       ? cgroup_devices_replace(&update->container->cgroup, &update->devices, err)
		       : 0;
}

static void on_set(struct helper *helper, int result, const struct error *err)
{
	struct container_update *update = container_of(helper, struct container_update, helper);
	struct container *container = update->container;
	struct error own;

	if (result < 0) {
		own = *err;
		error_prefix(&own, "update container %s", container->id);
	} else {
		log_record(LOG_INFO, "sandbox", "container updated", "container-id", container->id,
			NULL);
	}
	end_update(update, result < 0 ? &own : NULL);
	start_next(container);
}

/*
 * Rules that are sent replace those there were; a container created without any keeps its nodes.
 * None sent: none are changed.
 */
static int plan_devices(struct container *container, const Grpc__LinuxResources *resources,
	struct arena *arena, struct device_program *ret, struct error *err)
{
	const Grpc__Linux *created;
	const Grpc__Spec *spec;
	Grpc__Linux linux_part = GRPC__LINUX__INIT;
	struct device_denied denied;

	if (!resources || !resources->n_devices)
		return 0;
	spec = container_spec(container, arena, err);
	if (!spec)
		return -ENOMEM;
	created = spec->linux;
	if (created)
		linux_part = *created;
	linux_part.resources = (Grpc__LinuxResources *)resources;
	device_denied_root(&denied);
	return cgroup_devices_plan(container->cgroup.root, &linux_part,
		!created || !created->resources || !created->resources->n_devices, &denied, arena,
		ret, err);
}

static int start(struct container_update *update, struct error *err)
{
	struct container *container = update->container;
	int r = cgroup_limits_plan_update(
		&container->cgroup, update->resources, &update->arena, &update->writes, err);

	if (r == 0)
		r = plan_devices(
			container, update->resources, &update->arena, &update->devices, err);
	if (r == 0)
		r = helper_run(container->sandbox->loop, &update->helper, set_limits, update,
			HELPER_TIMEOUT_MS, on_set, "set limits", err);
	return r < 0 ? error_prefix(err, "update container %s", container->id) : 0;
}

/* Those that cannot be started fail; the first that can is the one that runs. */
static void start_next(struct container *container)
{
	while (!list_empty(&container->updates)) {
		struct container_update *update =
			list_entry(container->updates.next, struct container_update, node);
		struct error err = ERROR_INIT;

		if (start(update, &err) == 0)
			return;
		end_update(update, &err);
	}
}

/* What can be said at once: the state, values that are none, nothing to do (returns 0). */
static int check(
	struct container *container, const Grpc__LinuxResources *resources, struct error *err)
{
	struct device_program devices;
	struct cgroup_writes writes;
	struct arena scratch;
	int r = container_check(container, CONTAINER_UPDATE, err);

	if (r < 0)
		return r;
	arena_init(&scratch, LAUNCH_ARENA_MAX);
	r = cgroup_limits_plan_update(&container->cgroup, resources, &scratch, &writes, err);
	if (r == 0)
		r = plan_devices(container, resources, &scratch, &devices, err);
	if (r == 0)
		r = writes.count > 0 || (resources && resources->n_devices);
	arena_release(&scratch);
	return r < 0 ? error_prefix(err, "update container %s", container->id) : r;
}

int container_update(struct container *container, struct arena *arena,
	const Grpc__LinuxResources *resources, container_updated_fn done, void *owner,
	struct container_update **ret, struct error *err)
{
	struct container_update *update;
	bool idle = list_empty(&container->updates);
	int r = check(container, resources, err);

	if (r <= 0)
		return r;
	update = calloc(1, sizeof(*update));
	if (!update)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "update container %s",
			container->id);
	*update = (struct container_update){
		.container = container, .resources = resources, .done = done, .owner = owner};
	arena_move(&update->arena, arena);
	list_append(&container->updates, &update->node);
	r = idle ? start(update, err) : 0;
	if (r < 0) {
		update->done = NULL;
		arena_move(arena, &update->arena);
		end_update(update, NULL);
		return r;
	}
	*ret = update;
	return 1;
}

void container_update_abandon(struct container_update *update)
{
	update->done = NULL;
}

void container_updates_abort(struct container *container)
{
	while (!list_empty(&container->updates)) {
		struct container_update *update =
			list_entry(container->updates.next, struct container_update, node);
		struct error err = ERROR_INIT;

		helper_cancel(&update->helper);
		error_set(&err, STATUS_ABORTED, 0,
			"update container %s: it is being removed; some limits may be set",
			container->id);
		end_update(update, &err);
	}
}
