/* echo_service: see the header. */
#include "lib/echo_service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "empty.pb-c.h"
#include "health.pb-c.h"

struct delay {
	struct event_timer timer;
	struct rpc_call *call;
};

void echo_service_init(struct echo_service *echo, struct event_loop *loop)
{
	*echo = (struct echo_service){.loop = loop};
	waiter_list_init(&echo->parked);
}

static void fill_version(struct rpc_call *call)
{
	Grpc__CheckRequest *request = (Grpc__CheckRequest *)call->request;
	Grpc__VersionCheckResponse *response = (Grpc__VersionCheckResponse *)call->response;

	response->grpc_version = request->service;
}

static int handle_version(struct rpc_call *call, void *context, struct error *err)
{
	fill_version(call);
	return 0;
}

static int handle_check(struct rpc_call *call, void *context, struct error *err)
{
	Grpc__HealthCheckResponse *response = (Grpc__HealthCheckResponse *)call->response;

	response->status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	return 0;
}

static int handle_empty(struct rpc_call *call, void *context, struct error *err)
{
	return 0;
}

static int handle_write(struct rpc_call *call, void *context, struct error *err)
{
	Grpc__WriteStreamRequest *request = (Grpc__WriteStreamRequest *)call->request;
	Grpc__ReadStreamResponse *response = (Grpc__ReadStreamResponse *)call->response;

	response->data = request->data;
	return 0;
}

static void count_sent(struct rpc_call *call, bool delivered)
{
	struct echo_service *echo = call->context;

	if (delivered)
		echo->delivered++;
	else
		echo->undelivered++;
}

static int handle_read(struct rpc_call *call, void *context, struct error *err)
{
	Grpc__ReadStreamRequest *request = (Grpc__ReadStreamRequest *)call->request;
	Grpc__ReadStreamResponse *response = (Grpc__ReadStreamResponse *)call->response;
	uint8_t *data = arena_alloc(&call->arena, request->len);

	if (!data)
		return error_set(
			err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "read %u bytes", request->len);
	for (uint32_t i = 0; i < request->len; i++)
		data[i] = (uint8_t)(i % 251);
	response->data = (ProtobufCBinaryData){request->len, data};
	call->sent = count_sent;
	return 0;
}

static void read_woken(struct rpc_call *call, int value)
{
	struct error err = ERROR_INIT;

	if (handle_read(call, call->context, &err) == 0)
		rpc_call_reply(call);
	else
		rpc_call_fail(call, &err);
}

static int handle_park_read(struct rpc_call *call, void *context, struct error *err)
{
	struct echo_service *echo = context;

	echo->parked_count++;
	rpc_call_park(call, &echo->parked, read_woken);
	return RPC_PENDING;
}

static int handle_metadata(struct rpc_call *call, void *context, struct error *err)
{
	Grpc__VersionCheckResponse *response = (Grpc__VersionCheckResponse *)call->response;
	char *text = arena_strdup(&call->arena, "");

	for (size_t i = 0; i < call->metadata_count && text; i++)
		text = arena_printf(&call->arena, "%s%s%s=%s", text, i ? "," : "",
			call->metadata_keys[i], call->metadata_values[i]);
	response->grpc_version = text;
	return text ? 0 : -ENOMEM;
}

static void count_cancelled(struct rpc_call *call, int reason)
{
	struct echo_service *echo = call->context;

	echo->cancelled++;
	echo->last_reason = reason;
}

static void parked_woken(struct rpc_call *call, int value)
{
	struct error err = ERROR_INIT;

	fill_version(call);
	if (value >= 0) {
		rpc_call_reply(call);
		return;
	}
	error_set(&err, STATUS_ABORTED, -value, "woken with an error");
	rpc_call_fail(call, &err);
}

static int handle_park(struct rpc_call *call, void *context, struct error *err)
{
	struct echo_service *echo = context;

	call->cancelled = count_cancelled;
	call->sent = count_sent;
	echo->parked_count++;
	rpc_call_park(call, &echo->parked, parked_woken);
	return RPC_PENDING;
}

/* The answer is there before the handler returns; "" leaves without sent(), "!" fails. */
static int handle_at_once(struct rpc_call *call, void *context, struct error *err)
{
	Grpc__CheckRequest *request = (Grpc__CheckRequest *)call->request;

	if (request->service[0] == '!') {
		error_set(err, STATUS_ABORTED, 0, "failed at once");
		rpc_call_fail(call, err);
		return RPC_PENDING;
	}
	if (request->service[0])
		call->sent = count_sent;
	fill_version(call);
	rpc_call_reply(call);
	return RPC_PENDING;
}

static int handle_counters(struct rpc_call *call, void *context, struct error *err)
{
	Grpc__VersionCheckResponse *response = (Grpc__VersionCheckResponse *)call->response;
	struct echo_service *echo = context;

	response->grpc_version = arena_printf(
		&call->arena, "parked=%u cancelled=%u", echo->parked_count, echo->cancelled);
	return response->grpc_version ? 0 : -ENOMEM;
}

static void delay_over(struct event_timer *timer)
{
	struct rpc_call *call = container_of(timer, struct delay, timer)->call;

	fill_version(call);
	rpc_call_reply(call);
}

static void delay_cancelled(struct rpc_call *call, int reason)
{
	struct delay *delay = call->data;

	event_timer_stop(&delay->timer);
	count_cancelled(call, reason);
}

static int handle_delay(struct rpc_call *call, void *context, struct error *err)
{
	Grpc__CheckRequest *request = (Grpc__CheckRequest *)call->request;
	struct echo_service *echo = context;
	struct delay *delay = arena_calloc(&call->arena, 1, sizeof(*delay));
	uint64_t ms = 0;

	if (!delay || parse_u64(request->service, &ms) < 0)
		return error_invalid(err, "delay of '%s' ms", request->service);
	delay->call = call;
	call->data = delay;
	call->cancelled = delay_cancelled;
	event_timer_start(echo->loop, &delay->timer, ms, delay_over, "test-delay");
	return RPC_PENDING;
}

static int handle_fail(struct rpc_call *call, void *context, struct error *err)
{
	Grpc__CheckRequest *request = (Grpc__CheckRequest *)call->request;
	uint64_t code = 0;

	if (parse_u64(request->service, &code) < 0)
		return -EINVAL; /* without filling err */
	return error_set(
		err, (enum status_code)code, ENOENT, "asked to fail with %s", request->service);
}

const struct rpc_method echo_methods[] = {
	{ECHO_SERVICE, "Version", &grpc__check_request__descriptor,
		&grpc__version_check_response__descriptor, handle_version},
	{ECHO_SERVICE, "Check", &grpc__check_request__descriptor,
		&grpc__health_check_response__descriptor, handle_check},
	{ECHO_SERVICE, "Empty", &grpc__check_request__descriptor,
		&google__protobuf__empty__descriptor, handle_empty},
	{ECHO_SERVICE, "Write", &grpc__write_stream_request__descriptor,
		&grpc__read_stream_response__descriptor, handle_write},
	{ECHO_SERVICE, "Read", &grpc__read_stream_request__descriptor,
		&grpc__read_stream_response__descriptor, handle_read},
	{ECHO_SERVICE, "Metadata", &grpc__check_request__descriptor,
		&grpc__version_check_response__descriptor, handle_metadata},
	{ECHO_SERVICE, "Park", &grpc__check_request__descriptor,
		&grpc__version_check_response__descriptor, handle_park},
	{ECHO_SERVICE, "ParkRead", &grpc__read_stream_request__descriptor,
		&grpc__read_stream_response__descriptor, handle_park_read},
	{ECHO_SERVICE, "AtOnce", &grpc__check_request__descriptor,
		&grpc__version_check_response__descriptor, handle_at_once},
	{ECHO_SERVICE, "Counters", &grpc__check_request__descriptor,
		&grpc__version_check_response__descriptor, handle_counters},
	{ECHO_SERVICE, "Delay", &grpc__check_request__descriptor,
		&grpc__version_check_response__descriptor, handle_delay},
	{ECHO_SERVICE, "Fail", &grpc__check_request__descriptor,
		&google__protobuf__empty__descriptor, handle_fail},
	{ECHO_SERVICE, "Absent", &grpc__check_request__descriptor,
		&google__protobuf__empty__descriptor, NULL},
};
const size_t echo_method_count = ARRAY_SIZE(echo_methods);
