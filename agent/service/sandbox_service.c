/*
 * sandbox_service: CreateSandbox, DestroySandbox, GetGuestDetails. Contract:
 * agent-api-containers.md section 2.
 */
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/strings.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"
#include "service/versions.h"

#include "agent.pb-c.h"

#define MEMORY_BLOCK_SIZE "/sys/devices/system/memory/block_size_bytes"
#define MEMORY_PROBE	  "/sys/devices/system/memory/probe"

static void (*end_agent)(void *context);
static void *end_context;

void sandbox_service_set_end(void (*end)(void *context), void *context)
{
	end_agent = end;
	end_context = context;
}

/* ---- CreateSandbox
 * -------------------------------------------------------------------------------- */

static void on_sandbox_created(void *owner, const struct error *err)
{
	if (err)
		rpc_call_fail(owner, err);
	else
		rpc_call_reply(owner);
}

static void create_cancelled(struct rpc_call *call, int reason)
{
	sandbox_create_abandon(call->context);
}

HANDLER(create_sandbox)
{
	int r = sandbox_create(
		context, &call->arena, (void *)call->request, on_sandbox_created, call, err);

	if (r < 0)
		return r;
	call->cancelled = create_cancelled;
	return RPC_PENDING;
}

/* ---- DestroySandbox
 * ------------------------------------------------------------------------------- */

/* The answer is out, or nobody is there to read it: either way the agent ends now. */
static void destroy_sent(struct rpc_call *call, bool delivered)
{
	if (end_agent)
		end_agent(end_context);
}

static void on_destroyed(struct rpc_call *call, int value)
{
	struct error err = ERROR_INIT;

	if (value == 0) {
		rpc_call_reply(call);
		return;
	}
	error_errno(&err, -value, "destroy sandbox: a container could not be removed");
	rpc_call_fail(call, &err);
	if (end_agent)
		end_agent(end_context);
}

static void on_destroyed_unasked(struct waiter *waiter, int value)
{
	if (end_agent)
		end_agent(end_context);
}

/* The caller is gone, the teardown is not: the agent ends after it. */
static void destroy_cancelled(struct rpc_call *call, int reason)
{
	static struct waiter unasked = {.wake = on_destroyed_unasked};
	struct sandbox *sandbox = call->context;

	if (reason != -ECANCELED) /* else it ends already */
		waiter_park(&sandbox->ended, &unasked);
}

HANDLER(destroy_sandbox)
{
	struct sandbox *sandbox = context;
	int r = sandbox_destroy(sandbox, err);

	if (r < 0)
		return r;
	call->sent = destroy_sent;
	call->cancelled = destroy_cancelled;
	rpc_call_park(call, &sandbox->ended, on_destroyed);
	return RPC_PENDING;
}

/* ---- GetGuestDetails
 * ------------------------------------------------------------------------------ */

/* Hex without prefix. A missing file is 0 (no memory hotplug), an unreadable one an error. */
static int memory_block_size(uint64_t *ret, struct error *err)
{
	char text[32];
	ssize_t n = file_read(MEMORY_BLOCK_SIZE, text, sizeof(text));

	if (n == -ENOENT) {
		*ret = 0;
		return 0;
	}
	if (n < 0)
		return error_errno(err, (int)-n, "read " MEMORY_BLOCK_SIZE);
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	if (parse_u64_base(text, 16, ret) < 0)
		return error_errno(err, EINVAL, "parse '%s' in " MEMORY_BLOCK_SIZE, text);
	return 0;
}

static void fill_details(Grpc__AgentDetails *details)
{
	static const char *const features[] = {"seccomp"};
	size_t n = 0;

	while (storage_driver_names[n])
		n++;
	details->version = (char *)AGENT_VERSION;
	details->init_daemon = getpid() == 1;
	details->supports_seccomp = true;
	details->storage_handlers = (char **)storage_driver_names;
	details->n_storage_handlers = n;
	details->extra_features = (char **)features;
	details->n_extra_features = 1;
}

HANDLER(get_guest_details)
{
	const Grpc__GuestDetailsRequest *request = (void *)call->request;
	Grpc__GuestDetailsResponse *response = (void *)call->response;
	int r = 0;

	response->agent_details = arena_alloc(&call->arena, sizeof(*response->agent_details));
	if (!response->agent_details)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "make agent details");
	grpc__agent_details__init(response->agent_details);
	if (request->mem_block_size)
		r = memory_block_size(&response->mem_block_size_bytes, err);
	if (request->mem_hotplug_probe)
		response->support_mem_hotplug_probe = file_exists(MEMORY_PROBE);
	fill_details(response->agent_details);
	return r;
}
