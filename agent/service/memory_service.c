/*
 * memory_service: GetOOMEvent of the Kata API (id only), and our own cradle.Memory (proto/
 * memory.proto): full records, and the memory of everybody. Order and delivery of events: memory/
 * oom_monitor.h.
 */
#include <errno.h>

#include "base/strings.h"
#include "hard_limits.h"
#include "sandbox/memory_state.h"
#include "sandbox/metrics_read.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"

#include "agent.pb-c.h"
#include "memory.pb-c.h"

/* ---- GetOOMEvent
 * ---------------------------------------------------------------------------------- */

static void event_sent(struct rpc_call *call, bool delivered)
{
	struct sandbox *sandbox = call->context;

	if (delivered)
		oom_monitor_delivered(sandbox->oom, call->data);
	else
		oom_monitor_give_back(sandbox->oom, call->data);
}

/* True: the response is filled. */
static bool take_event(struct rpc_call *call)
{
	struct sandbox *sandbox = call->context;
	Grpc__OOMEvent *response = (void *)call->response;
	struct oom_event *event = oom_monitor_take(sandbox->oom);

	if (!event)
		return false;
	/* lent to this call until its answer is out, and only read for that */
	response->container_id = event->container_id;
	call->data = event;
	call->sent = event_sent;
	return true;
}

static void on_event(struct rpc_call *call, int value)
{
	struct sandbox *sandbox = call->context;
	struct error err = ERROR_INIT;

	if (value < 0) {
		error_set(&err, STATUS_INTERNAL, 0, "the sandbox has ended");
		rpc_call_fail(call, &err);
	} else if (take_event(call)) {
		rpc_call_reply(call);
	} else {
		rpc_call_park(call, oom_monitor_waiters(sandbox->oom), on_event);
	}
}

HANDLER(get_oom_event)
{
	struct sandbox *sandbox = context;

	if (sandbox->ending)
		return error_set(err, STATUS_INTERNAL, 0, "the sandbox has ended");
	if (take_event(call))
		return 0;
	rpc_call_park(call, oom_monitor_waiters(sandbox->oom), on_event);
	return RPC_PENDING;
}

/* ---- ListOOMRecords
 * ------------------------------------------------------------------------------- */

static Cradle__OOMRecord__Cause wire_cause(enum oom_cause cause)
{
	switch (cause) {
	case OOM_CAUSE_CONTAINER_LIMIT:
		return CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT;
	case OOM_CAUSE_CHILD_LIMIT:
		return CRADLE__OOMRECORD__CAUSE__CHILD_LIMIT;
	case OOM_CAUSE_POD_LIMIT:
		return CRADLE__OOMRECORD__CAUSE__POD_LIMIT;
	case OOM_CAUSE_WHOLE_VM:
		return CRADLE__OOMRECORD__CAUSE__WHOLE_VM;
	case OOM_CAUSE_STALL:
		return CRADLE__OOMRECORD__CAUSE__STALL;
	case OOM_CAUSE_UNKNOWN:
	case OOM_CAUSES:
		break;
	}
	return CRADLE__OOMRECORD__CAUSE__CAUSE_UNKNOWN;
}

static Cradle__OOMRecord *wire_record(struct arena *arena, const struct oom_record *record)
{
	Cradle__OOMRecord *out = arena_alloc(arena, sizeof(*out));

	if (!out)
		return NULL;
	cradle__oomrecord__init(out);
	out->container_id = arena_strdup(arena, record->container_id);
	out->comm = arena_strdup(arena, record->comm);
	if (!out->container_id || !out->comm)
		return NULL;
	out->sequence = record->sequence;
	out->time_unix_nano = record->time_unix_ns;
	out->cause = wire_cause(record->cause);
	out->kills = record->kills;
	out->kills_total = record->kills_total;
	out->limit_bytes = record->limit;
	out->usage_bytes = record->usage;
	out->peak_bytes = record->peak;
	out->pid = record->pid;
	out->anon_bytes = record->victim_anon;
	out->file_bytes = record->victim_file;
	out->shmem_bytes = record->victim_shmem;
	out->container_anon_bytes = record->anon;
	out->container_file_bytes = record->file;
	out->container_shmem_bytes = record->shmem;
	out->pressure = memory_pressure_to_wire(arena, &record->pressure);
	return out;
}

/* Keeps the records that are asked for; how many. */
static size_t select_records(
	const struct oom_record **records, size_t n, const char *container_id, uint64_t after)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (records[i]->sequence > after &&
			(str_empty(container_id) || str_eq(container_id, records[i]->container_id)))
			records[kept++] = records[i];
	return kept;
}

/* Those of one container (or of all) from a sequence number on. 0, or negative with err. */
static int fill_records(struct rpc_call *call, bool told_only, const char *container_id,
	uint64_t after, struct error *err)
{
	Cradle__ListOOMRecordsResponse *response = (void *)call->response;
	struct sandbox *sandbox = call->context;
	const struct oom_record *records[OOM_RECORDS_MAX];
	uint64_t forgotten; /* the first so many sequence numbers */
	size_t n =
		oom_monitor_records(sandbox->oom, told_only, records, OOM_RECORDS_MAX, &forgotten);

	response->lost = forgotten > after ? forgotten - after : 0;
	n = select_records(records, n, container_id, after);
	if (n == 0)
		return 0; /* nothing taken from the arena: a call may look many times */
	response->records = arena_calloc(&call->arena, n + 1, sizeof(*response->records));
	if (!response->records)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "list OOM records");
	for (size_t i = 0; i < n; i++) {
		Cradle__OOMRecord *out;

		out = wire_record(&call->arena, records[i]);
		if (!out)
			return error_set(
				err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "list OOM records");
		response->records[response->n_records++] = out;
	}
	return 0;
}

HANDLER(list_oom_records)
{
	const Cradle__ListOOMRecordsRequest *request = (void *)call->request;

	return fill_records(call, false, request->container_id, 0, err);
}

/* ---- WaitOOMRecord
 * -------------------------------------------------------------------------------- */

static void on_record(struct rpc_call *call, int value);

/* Every waking looks again: nothing is kept between them, so nothing can be missed. */
static int answer_or_park(struct rpc_call *call, struct error *err)
{
	const Cradle__WaitOOMRecordRequest *request = (void *)call->request;
	const Cradle__ListOOMRecordsResponse *response = (void *)call->response;
	struct sandbox *sandbox = call->context;
	int r = fill_records(call, true, request->container_id, request->after_sequence, err);

	if (r < 0 || response->n_records > 0)
		return r;
	rpc_call_park(call, oom_monitor_watchers(sandbox->oom), on_record);
	return RPC_PENDING;
}

static void on_record(struct rpc_call *call, int value)
{
	struct error err = ERROR_INIT;
	int r;

	if (value < 0)
		r = error_set(&err, STATUS_UNAVAILABLE, 0, "the sandbox has ended");
	else
		r = answer_or_park(call, &err);
	if (r < 0)
		rpc_call_fail(call, &err);
	else if (r == 0)
		rpc_call_reply(call);
}

HANDLER(wait_oom_record)
{
	struct sandbox *sandbox = context;

	if (sandbox->ending)
		return error_set(err, STATUS_UNAVAILABLE, 0, "the sandbox has ended");
	return answer_or_park(call, err);
}

/* ---- GetMemoryState
 * ------------------------------------------------------------------------------- */

static void on_state(void *owner, const struct error *err)
{
	if (err)
		rpc_call_fail(owner, err);
	else
		rpc_call_reply(owner);
}

static void state_cancelled(struct rpc_call *call, int reason)
{
	memory_state_cancel(call->data);
}

HANDLER(get_memory_state)
{
	struct memory_state *read;
	int r = memory_state_read(
		context, &call->arena, (void *)call->response, on_state, call, &read, err);

	if (r < 0)
		return r;
	call->data = read;
	call->cancelled = state_cancelled;
	return RPC_PENDING;
}

/* ---- GetMetrics
 * ----------------------------------------------------------------------------------- */

static void on_metrics(void *owner, char *text, const struct error *err)
{
	struct rpc_call *call = owner;

	if (err) {
		rpc_call_fail(call, err);
		return;
	}
	((Grpc__Metrics *)call->response)->metrics = text;
	rpc_call_reply(call);
}

static void metrics_cancelled(struct rpc_call *call, int reason)
{
	metrics_read_cancel(call->data);
}

HANDLER(get_metrics)
{
	struct metrics_read *read;
	int r = metrics_read(context, &call->arena, on_metrics, call, &read, err);

	if (r < 0)
		return r;
	call->data = read;
	call->cancelled = metrics_cancelled;
	return RPC_PENDING;
}
