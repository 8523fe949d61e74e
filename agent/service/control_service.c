/*
 * control_service: PauseContainer, ResumeContainer: what changes a container that is there.
 * Contract: agent-api-containers.md 9.
 */
#include <errno.h>

#include "sandbox/container.h"
#include "sandbox/container_freeze.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"

#include "agent.pb-c.h"

/* ---- PauseContainer, ResumeContainer ---- */

HANDLER(pause_container)
{
	const Grpc__PauseContainerRequest *request = (void *)call->request;
	struct container *container =
		find_container(context, request->container_id, STATUS_INVALID_ARGUMENT, err);

	return container ? container_pause(container, err) : -ENOENT;
}

HANDLER(resume_container)
{
	const Grpc__ResumeContainerRequest *request = (void *)call->request;
	struct container *container =
		find_container(context, request->container_id, STATUS_INVALID_ARGUMENT, err);

	return container ? container_resume(container, err) : -ENOENT;
}
