/*
 * process_service: ExecProcess, SignalProcess, WaitProcess. Contract: agent-api-containers.md 9.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "sandbox/container.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"

#include "agent.pb-c.h"

/* ---- ExecProcess
 * ---------------------------------------------------------------------------------- */

/* The process that a call's data is the serial of; NULL when it is gone. */
static struct process *process_of(struct rpc_call *call, const char *container_id)
{
	struct container *container = sandbox_container(call->context, container_id);

	return container ? container_process_by_serial(container, (uintptr_t)call->data) : NULL;
}

/* The answer did not leave: as with a caller that went before, the process must not run. */
static void exec_sent(struct rpc_call *call, bool delivered)
{
	const Grpc__ExecProcessRequest *request = (void *)call->request;

	if (!delivered)
		process_free(process_of(call, request->container_id));
}

static void end_exec(struct process *process, const struct error *err)
{
	struct rpc_call *call = process->owner;

	process->on_event = NULL;
	process->owner = NULL;
	if (call && err) {
		rpc_call_fail(call, err);
	} else if (call) {
		call->data = (void *)process->serial;
		call->sent = exec_sent;
		rpc_call_reply(call);
	}
	if (err)
		process_free(process);
}

/* Created means: everything is ready, so it starts at once; running ends the call. */
static void on_exec_event(struct process *process, enum launch_event event, const struct error *err)
{
	struct error own = ERROR_INIT;

	switch (event) {
	case LAUNCH_HOOKS: /* a container's, not an exec's */
		break;
	case LAUNCH_CREATED:
		if (process_start(process, &own) < 0)
			end_exec(process, &own);
		break;
	case LAUNCH_RUNNING:
		end_exec(process, NULL);
		break;
	case LAUNCH_FAILED:
		own = *err;
		error_prefix(&own, "exec %s in container %s", process->id, process->container->id);
		end_exec(process, &own);
		break;
	}
}

/* Nobody waits for it any more: a process nobody knows of must not run. */
static void exec_cancelled(struct rpc_call *call, int reason)
{
	process_free(call->data);
}

HANDLER(exec_process)
{
	const Grpc__ExecProcessRequest *request = (void *)call->request;
	struct sandbox *sandbox = context;
	struct passed_streams passed;
	struct container *container;
	struct process *process;
	int r = passfd_claim(sandbox->passfd, request->stdin_port, request->stdout_port,
		request->stderr_port, &passed, err);

	if (r < 0)
		return r;
	container = find_container(sandbox, request->container_id, STATUS_INTERNAL, err);
	if (!container) {
		passed_streams_close(&passed);
		return -ENOENT;
	}
	r = container_exec(container, request->exec_id, request->process, &passed, on_exec_event,
		call, &process, err);
	if (r < 0)
		return r;
	call->data = process;
	call->cancelled = exec_cancelled;
	return RPC_PENDING;
}

/* ---- SignalProcess
 * -------------------------------------------------------------------------------- */

/*
 * A pid 1 does not see a signal it has no handler for: SIGTERM to such an init, started or not, is
 * turned into SIGKILL (agent-api-containers.md 9). When its masks cannot be read nothing is
 * escalated (c28).
 */
static bool init_would_miss(const struct process *process, int sig)
{
	static const char *const masks[] = {"SigBlk:", "SigIgn:", "SigCgt:"};
	char path[64], text[4096];

	str_format(path, sizeof(path), "/proc/%d/status", (int)process->launch.child.pid);
	if (file_read(path, text, sizeof(text)) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		const char *at = strstr(text, masks[i]);
		unsigned long long mask;

		if (!at || sscanf(at + strlen(masks[i]), "%llx", &mask) != 1)
			return false;
		if (mask & 1ull << (sig - 1))
			return false;
	}
	return true;
}

static int signal_one(
	struct sandbox *sandbox, const Grpc__SignalProcessRequest *request, struct error *err)
{
	struct process *process =
		find_process(sandbox, request->container_id, request->exec_id, false, err);
	int sig = (int)request->signal;
	int r;

	if (!process)
		return -ENOENT;
	if (sig == SIGTERM && process == process->container->init &&
		(process->state == PROCESS_RUNNING || process->state == PROCESS_CREATED) &&
		init_would_miss(process, sig))
		sig = SIGKILL;
	r = process_signal(process, sig);
	if (r < 0 && r != -ESRCH)
		return error_errno(err, -r, "send signal %d to process %s of container %s", sig,
			process->id, process->container->id);
	return 0;
}

HANDLER(signal_process)
{
	const Grpc__SignalProcessRequest *request = (void *)call->request;
	struct container *container;
	int r;

	if (request->signal > (uint32_t)SIGRTMAX)
		return error_invalid(err, "signal %u does not exist", request->signal);
	if (request->signal != SIGKILL || !str_empty(request->exec_id))
		return signal_one(context, request, err);
	container = find_container(context, request->container_id, STATUS_INTERNAL, err);
	if (!container)
		return -ENOENT;
	r = container_check(container, CONTAINER_SIGNAL, err);
	if (r == 0)
		container_kill_all(container);
	return r;
}

/* ---- WaitProcess
 * ---------------------------------------------------------------------------------- */

/*
 * Only an answer that has left ends the process's time: one that was queued on a connection that
 * died is asked for again. The process may be gone by now, and its id another's: hence the serial.
 */
static void wait_sent(struct rpc_call *call, bool delivered)
{
	const Grpc__WaitProcessRequest *request = (void *)call->request;
	struct process *process = delivered ? process_of(call, request->container_id) : NULL;

	if (process)
		process_collect(process);
}

static void on_exited(struct rpc_call *call, int value)
{
	const Grpc__WaitProcessRequest *request = (void *)call->request;
	Grpc__WaitProcessResponse *response = (void *)call->response;
	struct error err = ERROR_INIT;

	if (value >= 0) {
		response->status = value;
		rpc_call_reply(call);
		return;
	}
	error_set(&err, STATUS_NOT_FOUND, -value, "process '%s' of container %s never ran",
		request->exec_id, request->container_id);
	rpc_call_fail(call, &err);
}

HANDLER(wait_process)
{
	const Grpc__WaitProcessRequest *request = (void *)call->request;
	Grpc__WaitProcessResponse *response = (void *)call->response;
	struct process *process =
		find_process(context, request->container_id, request->exec_id, false, err);

	if (!process)
		return -ENOENT;
	call->data = (void *)process->serial;
	call->sent = wait_sent;
	if (!process_done(process)) {
		rpc_call_park(call, &process->exited, on_exited);
		return RPC_PENDING;
	}
	response->status = process->exit_status;
	return 0;
}
