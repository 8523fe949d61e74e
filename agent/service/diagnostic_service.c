/*
 * diagnostic_service: GetDiagnosticData, RemoveStaleVirtiofsShareMounts: both look at files that
 * may be the host's, in helpers with a deadline. Contract: agent-api-containers.md section 2.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "sandbox/diagnostic.h"
#include "sandbox/sandbox.h"
#include "sandbox/share_mounts.h"
#include "service/handlers.h"

#include "agent.pb-c.h"

/* ---- GetDiagnosticData ---- */

struct parked_diagnostic {
	struct diagnostic_read read;
	struct rpc_call *call;
};

static void on_read(struct helper *helper, int result, const struct error *err)
{
	struct parked_diagnostic *parked =
		container_of(helper, struct parked_diagnostic, read.helper);
	struct rpc_call *call = parked->call;
	Grpc__GetDiagnosticDataResponse *response = (void *)call->response;
	struct error own = ERROR_INIT;

	if (result < 0) {
		own = *err;
		diagnostic_cancel(&parked->read);
	} else {
		result = diagnostic_take(&parked->read, &call->arena, &response->data, &own);
	}
	if (result < 0)
		rpc_call_fail(call, &own);
	else
		rpc_call_reply(call);
}

static void read_cancelled(struct rpc_call *call, int reason)
{
	struct parked_diagnostic *parked = call->data;

	diagnostic_cancel(&parked->read);
}

HANDLER(get_diagnostic_data)
{
	const Grpc__GetDiagnosticDataRequest *request = (void *)call->request;
	struct container *container;
	struct parked_diagnostic *parked;
	int r;

	if (!str_eq(request->log_type, "termination_log"))
		return error_invalid(
			err, "log_type '%.64s': only termination_log is known", request->log_type);
	container = find_container(context, request->container_id, STATUS_INTERNAL, err);
	if (!container)
		return -ENOENT;
	parked = arena_calloc(&call->arena, 1, sizeof(*parked));
	if (!parked)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "read termination log");
	parked->call = call;
	r = diagnostic_start(container, &parked->read, on_read, err);
	if (r < 0)
		return r;
	call->data = parked;
	call->cancelled = read_cancelled;
	return RPC_PENDING;
}

/* ---- RemoveStaleVirtiofsShareMounts ---- */

struct parked_visit {
	struct helper helper;
	struct rpc_call *call;
};

static void on_visited(struct helper *helper, int result, const struct error *err)
{
	struct parked_visit *parked = container_of(helper, struct parked_visit, helper);

	if (result < 0)
		rpc_call_fail(parked->call, err);
	else
		rpc_call_reply(parked->call);
}

static void visit_cancelled(struct rpc_call *call, int reason)
{
	struct parked_visit *parked = call->data;

	helper_cancel(&parked->helper);
}

HANDLER(remove_stale_share_mounts)
{
	struct parked_visit *parked = arena_calloc(&call->arena, 1, sizeof(*parked));
	int r;

	if (!parked)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "visit shared mounts");
	parked->call = call;
	r = share_mounts_visit(context, &parked->helper, on_visited, err);
	if (r < 0)
		return r;
	call->data = parked;
	call->cancelled = visit_cancelled;
	return RPC_PENDING;
}
