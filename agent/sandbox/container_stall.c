/* container_stall: see container_stall.h. */
#include "sandbox/container_stall.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "sandbox/container.h"
#include "sandbox/sandbox.h"

int container_stall_options(const struct container *container, const Grpc__Spec *spec,
	struct stall_options *ret, struct error *err)
{
	*ret = container->sandbox->options.stall_guard;
	for (size_t i = 0; i < spec->n_annotations; i++) {
		const Grpc__Spec__AnnotationsEntry *entry = spec->annotations[i];

		if (str_eq(entry->key, STALL_ANNOTATION) &&
			!stall_options_parse(entry->value ? entry->value : "", ret))
			return error_invalid(err,
				"annotation %s: '%.64s' is not off, report or "
				"kill[,PERCENT[,SECONDS]]",
				entry->key, entry->value);
	}
	return 0;
}

/* The event is queued before anybody dies of it. */
static void on_stalled(struct stall_guard *guard)
{
	struct container *container = container_of(guard, struct container, stall);
	const bool kill = guard->options.mode == STALL_KILL;
	int r;

	oom_target_stalled(&container->oom, kill);
	if (!kill)
		return;
	stall_guard_stop(guard);
	r = cgroup_kill(&container->cgroup);
	if (r < 0)
		log_record(LOG_ERROR, "sandbox", "a stalled container cannot be killed",
			"container-id", container->id, "error", errno_name(-r), NULL);
}

void container_stall_start(struct container *container, const struct stall_options *options)
{
	stall_guard_start(container->sandbox->loop, &container->stall, container->cgroup.path,
		options, on_stalled);
}

void container_stall_stop(struct container *container)
{
	stall_guard_stop(&container->stall);
}
