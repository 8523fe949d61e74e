/* container_freeze: see container_freeze.h. Called by service/control_service. */
#include "sandbox/container_freeze.h"

#include "base/log.h"
#include "sandbox/container.h"

int container_pause(struct container *container, struct error *err)
{
	int r = container_check(container, CONTAINER_PAUSE, err);

	if (r < 0)
		return r;
	r = cgroup_freeze(&container->cgroup, true);
	if (r < 0)
		return error_errno(err, -r, "pause container %s: freeze cgroup %s", container->id,
			container->cgroup.path);
	container->paused_from = container->state;
	container->state = CONTAINER_PAUSED;
	log_record(LOG_INFO, "sandbox", "container paused", "container-id", container->id, NULL);
	return 0;
}

int container_resume(struct container *container, struct error *err)
{
	int r = container_check(container, CONTAINER_RESUME, err);

	if (r < 0)
		return r;
	r = cgroup_freeze(&container->cgroup, false);
	if (r < 0)
		return error_errno(err, -r, "resume container %s: thaw cgroup %s", container->id,
			container->cgroup.path);
	container->state = container->paused_from;
	log_record(LOG_INFO, "sandbox", "container resumed", "container-id", container->id, NULL);
	return 0;
}

/* Init takes its PID namespace along: what is frozen in there would hold it back. */
void container_let_die(struct container *container, const struct process *process)
{
	if (!container->cgroup.root->v1_only)
		return;
	if (process == container->init)
		cgroup_freeze(&container->cgroup, false);
	else
		cgroup_let_die(&container->cgroup, process->launch.child.pid);
}

void container_thaw(struct container *container)
{
	cgroup_freeze(&container->cgroup, false);
	container->state = container->paused_from;
}
