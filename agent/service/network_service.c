/*
 * network_service: UpdateInterface, UpdateRoutes, ListInterfaces, ListRoutes, AddARPNeighbors,
 * GetIPTables, SetIPTables.
 * Contract: agent-api-guest.md section 8.
 */
#include "base/error.h"
#include "sandbox/network.h"
#include "service/handlers.h"

#include "agent.pb-c.h"

static void cancelled(struct rpc_call *call, int reason)
{
	network_job_abandon(call->data);
}

/* Every handler's end: the call is parked with its job, or failed at once. */
static int park(struct rpc_call *call, struct network_job *job, int r)
{
	if (r < 0)
		return r;
	call->data = job;
	call->cancelled = cancelled;
	return RPC_PENDING;
}

static void finish(struct rpc_call *call, const struct error *err)
{
	if (err)
		rpc_call_fail(call, err);
	else
		rpc_call_reply(call);
}

/* The answer is what was asked. */
static void on_interface_updated(void *owner, struct network_job *job, const struct error *err)
{
	struct rpc_call *call = owner;
	const Grpc__UpdateInterfaceRequest *request = (void *)call->request;

	if (!err)
		*(Types__Interface *)call->response = *request->interface;
	finish(call, err);
}

HANDLER(update_interface)
{
	const Grpc__UpdateInterfaceRequest *request = (void *)call->request;
	struct network_job *job = NULL;
	int r;

	if (!request->interface)
		return error_invalid(err, "interface is missing");
	r = network_update_interface(
		context, &call->arena, request->interface, on_interface_updated, call, &job, err);
	return park(call, job, r);
}

static void on_routes(void *owner, struct network_job *job, const struct error *err)
{
	struct rpc_call *call = owner;
	struct error own = ERROR_INIT;

	if (!err && network_job_routes(job, &call->arena, (void *)call->response, &own) < 0)
		err = &own;
	finish(call, err);
}

HANDLER(update_routes)
{
	const Grpc__UpdateRoutesRequest *request = (void *)call->request;
	struct network_job *job = NULL;
	int r;

	if (!request->routes)
		return error_invalid(err, "routes is missing");
	r = network_update_routes(
		context, &call->arena, request->routes, on_routes, call, &job, err);
	return park(call, job, r);
}

HANDLER(list_routes)
{
	struct network_job *job = NULL;
	int r = network_list_routes(context, &call->arena, on_routes, call, &job, err);

	return park(call, job, r);
}

static void on_interfaces(void *owner, struct network_job *job, const struct error *err)
{
	struct rpc_call *call = owner;
	struct error own = ERROR_INIT;

	if (!err && network_job_interfaces(job, &call->arena, (void *)call->response, &own) < 0)
		err = &own;
	finish(call, err);
}

HANDLER(list_interfaces)
{
	struct network_job *job = NULL;
	int r = network_list_interfaces(context, &call->arena, on_interfaces, call, &job, err);

	return park(call, job, r);
}

static void on_neighbors(void *owner, struct network_job *job, const struct error *err)
{
	finish(owner, err);
}

HANDLER(add_arp_neighbors)
{
	const Grpc__AddARPNeighborsRequest *request = (void *)call->request;
	struct network_job *job = NULL;
	int r;

	if (!request->neighbors)
		return error_invalid(err, "neighbors is missing");
	r = network_add_neighbors(
		context, &call->arena, request->neighbors, on_neighbors, call, &job, err);
	return park(call, job, r);
}

static void on_saved(void *owner, struct network_job *job, const struct error *err)
{
	struct rpc_call *call = owner;
	Grpc__GetIPTablesResponse *response = (void *)call->response;
	struct error own = ERROR_INIT;

	if (!err && network_job_output(job, &call->arena, &response->data, &own) < 0)
		err = &own;
	finish(call, err);
}

HANDLER(get_iptables)
{
	const Grpc__GetIPTablesRequest *request = (void *)call->request;
	struct network_job *job = NULL;
	int r = network_save_rules(
		context, &call->arena, request->is_ipv6, on_saved, call, &job, err);

	return park(call, job, r);
}

static void on_restored(void *owner, struct network_job *job, const struct error *err)
{
	struct rpc_call *call = owner;
	Grpc__SetIPTablesResponse *response = (void *)call->response;
	struct error own = ERROR_INIT;

	if (!err && network_job_output(job, &call->arena, &response->data, &own) < 0)
		err = &own;
	finish(call, err);
}

HANDLER(set_iptables)
{
	const Grpc__SetIPTablesRequest *request = (void *)call->request;
	struct network_job *job = NULL;
	int r = network_restore_rules(context, &call->arena, request->is_ipv6, request->data.data,
		request->data.len, on_restored, call, &job, err);

	return park(call, job, r);
}
