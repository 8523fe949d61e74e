/*
 * control_service: UpdateContainer, PauseContainer, ResumeContainer: what changes a container that
 * is there. Contract: agent-api-containers.md 9.
 */
#include <errno.h>

#include "sandbox/container.h"
#include "sandbox/container_freeze.h"
#include "sandbox/container_update.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"

#include "agent.pb-c.h"

/* ---- UpdateContainer ---- */

static void on_updated(void *owner, const struct error *err)
{
	struct rpc_call *call = owner;

	if (err)
		rpc_call_fail(call, err);
	else
		rpc_call_reply(call);
}

/* Half of the limits would be worse than all of them: it goes on. */
static void update_cancelled(struct rpc_call *call, int reason)
{
	container_update_abandon(call->data);
}

HANDLER(update_container)
{
	const Grpc__UpdateContainerRequest *request = (void *)call->request;
	struct container *container =
		find_container(context, request->container_id, STATUS_INVALID_ARGUMENT, err);
	struct container_update *update;
	int r;

	if (!container)
		return -ENOENT;
	r = container_update(
		container, &call->arena, request->resources, on_updated, call, &update, err);
	if (r <= 0)
		return r;
	call->data = update;
	call->cancelled = update_cancelled;
	return RPC_PENDING;
}

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
