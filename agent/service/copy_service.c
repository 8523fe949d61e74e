/* copy_service: CopyFile. Contract: agent-api-guest.md, "CopyFile". */
#include <errno.h>

#include "base/cleanup.h"
#include "sandbox/copy_file.h"
#include "service/handlers.h"

#include "agent.pb-c.h"

struct parked_copy {
	struct file_copy copy;
	struct rpc_call *call;
};

static void on_copied(struct helper *helper, int result, const struct error *err)
{
	struct parked_copy *parked = container_of(helper, struct parked_copy, copy.helper);

	if (result < 0)
		rpc_call_fail(parked->call, err);
	else
		rpc_call_reply(parked->call);
}

static void copy_cancelled(struct rpc_call *call, int reason)
{
	struct parked_copy *parked = call->data;

	helper_cancel(&parked->copy.helper);
}

HANDLER(copy_file)
{
	struct parked_copy *parked = arena_calloc(&call->arena, 1, sizeof(*parked));
	int r;

	if (!parked)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "copy a file");
	parked->call = call;
	parked->copy.request = (void *)call->request;
	r = file_copy_start(context, &parked->copy, on_copied, err);
	if (r < 0)
		return r;
	call->data = parked;
	call->cancelled = copy_cancelled;
	return RPC_PENDING;
}
