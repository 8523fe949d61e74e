/*
 * container_service: CreateContainer, StartContainer, RemoveContainer, StatsContainer. Contract:
 * agent-api-containers.md sections 3, 9, 10.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "sandbox/container.h"
#include "sandbox/container_start.h"
#include "sandbox/container_stats.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"

#include "agent.pb-c.h"

/* ---- CreateContainer
 * ------------------------------------------------------------------------------ */

/*
 * The answer did not leave: nobody knows of the container, so it is undone, as for a caller that
 * went before. Unless it is gone by now, or somebody has started it all the same. Found by its
 * init's serial: the request went along with the container's memory, and may be freed.
 */
static void create_sent(struct rpc_call *call, bool delivered)
{
	struct sandbox *sandbox = call->context;

	if (delivered)
		return;
	list_for_each (node, &sandbox->containers) {
		struct container *container = list_entry(node, struct container, node);

		if (!container_process_by_serial(container, (uintptr_t)call->data))
			continue;
		if (container->state == CONTAINER_CREATED)
			container_remove(container);
		return;
	}
}

static void on_created(void *owner, struct container *container, const struct error *err)
{
	struct rpc_call *call = owner;

	if (err) {
		rpc_call_fail(call, err);
		return;
	}
	call->data = (void *)container->init->serial;
	call->sent = create_sent;
	rpc_call_reply(call);
}

static void create_cancelled(struct rpc_call *call, int reason)
{
	container_create_abandon(call->data);
}

HANDLER(create_container)
{
	const Grpc__CreateContainerRequest *request = (void *)call->request;
	struct container *container;
	int r = container_create(context, &call->arena, request, on_created, call, &container, err);

	if (r < 0)
		return r;
	call->data = container;
	call->cancelled = create_cancelled;
	return RPC_PENDING;
}

/* ---- StartContainer
 * ------------------------------------------------------------------------------- */

static void on_started(void *owner, const struct error *err)
{
	struct rpc_call *call = owner;

	if (err)
		rpc_call_fail(call, err);
	else
		rpc_call_reply(call);
}

/* The caller is gone, the start is not: only nobody is told. */
static void start_cancelled(struct rpc_call *call, int reason)
{
	container_start_abandon(call->data);
}

HANDLER(start_container)
{
	const Grpc__StartContainerRequest *request = (void *)call->request;
	struct container *container =
		find_container(context, request->container_id, STATUS_INTERNAL, err);
	int r;

	if (!container)
		return -ENOENT;
	r = container_start(container, on_started, call, err);
	if (r < 0)
		return r;
	call->data = container;
	call->cancelled = start_cancelled;
	return RPC_PENDING;
}

/* ---- RemoveContainer
 * ------------------------------------------------------------------------------ */

struct removal {
	struct rpc_call *call;
	struct event_timer timer;
};

static void on_removed(struct rpc_call *call, int value)
{
	const Grpc__RemoveContainerRequest *request = (void *)call->request;
	struct removal *removal = call->data;
	struct error err = ERROR_INIT;

	event_timer_stop(&removal->timer);
	if (value == 0) {
		rpc_call_reply(call);
		return;
	}
	error_errno(&err, -value, "remove container %s", request->container_id);
	rpc_call_fail(call, &err);
}

/* Past its timeout the caller is told, the work goes on (agent-api-containers.md 9). */
static void on_remove_timeout(struct event_timer *timer)
{
	struct removal *removal = container_of(timer, struct removal, timer);
	struct rpc_call *call = removal->call;
	const Grpc__RemoveContainerRequest *request = (void *)call->request;
	struct error err = ERROR_INIT;

	waiter_unlink(&call->waiter);
	error_errno(&err, ETIME, "remove container %s: not done after %u s", request->container_id,
		request->timeout);
	rpc_call_fail(call, &err);
}

static void remove_cancelled(struct rpc_call *call, int reason)
{
	struct removal *removal = call->data;

	event_timer_stop(&removal->timer);
}

HANDLER(remove_container)
{
	const Grpc__RemoveContainerRequest *request = (void *)call->request;
	struct sandbox *sandbox = context;
	struct container *container =
		find_container(sandbox, request->container_id, STATUS_INTERNAL, err);
	struct removal *removal;

	if (!container)
		return -ENOENT;
	removal = arena_calloc(&call->arena, 1, sizeof(*removal));
	if (!removal)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "remove container");
	removal->call = call;
	call->data = removal;
	call->cancelled = remove_cancelled;
	rpc_call_park(call, &container->removed, on_removed);
	if (request->timeout)
		event_timer_start(sandbox->loop, &removal->timer, (uint64_t)request->timeout * 1000,
			on_remove_timeout, "remove timeout");
	container_remove(container);
	return RPC_PENDING;
}

/* ---- StatsContainer
 * ------------------------------------------------------------------------------- */

static void on_stats(void *owner, const struct error *err)
{
	struct rpc_call *call = owner;
	const Grpc__StatsContainerRequest *request = (void *)call->request;
	struct error own;

	if (!err) {
		rpc_call_reply(call);
		return;
	}
	own = *err;
	error_prefix(&own, "container %s", request->container_id);
	rpc_call_fail(call, &own);
}

static void stats_cancelled(struct rpc_call *call, int reason)
{
	container_stats_cancel(call->data);
}

HANDLER(stats_container)
{
	const Grpc__StatsContainerRequest *request = (void *)call->request;
	struct container *container =
		find_container(context, request->container_id, STATUS_INVALID_ARGUMENT, err);
	struct container_stats *read;
	int r;

	if (!container)
		return -ENOENT;
	r = container_stats_read(
		container, &call->arena, (void *)call->response, on_stats, call, &read, err);
	if (r < 0)
		return r;
	call->data = read;
	call->cancelled = stats_cancelled;
	return RPC_PENDING;
}
