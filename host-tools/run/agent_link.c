/* agent_link: requests of the agent's services, filled in and sent. */
#include "run/agent_link.h"

#include "base/cleanup.h"
#include "vm/guest_net.h"

#include "empty.pb-c.h"

#define AGENT_SERVICE  "grpc.AgentService"
#define MEMORY_SERVICE "cradle.Memory"
#define HEALTH_SERVICE "grpc.Health"
#define NO_TIMEOUT     0

static int start(struct ttrpc_client *client, struct agent_call *call, const char *service,
	const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *response, uint64_t timeout_ms, client_call_fn done,
	struct error *err)
{
	int r = client_call_start(
		client, &call->call, service, method, request, response, timeout_ms, done, err);

	call->active = r == 0;
	return r;
}

/* Most answers are empty and take a moment only. */
static int start_empty(struct ttrpc_client *client, struct agent_call *call, const char *method,
	const ProtobufCMessage *request, client_call_fn done, struct error *err)
{
	return start(client, call, AGENT_SERVICE, method, request,
		&google__protobuf__empty__descriptor,
		call->timeout_ms ? call->timeout_ms : AGENT_CALL_TIMEOUT_MS, done, err);
}

struct agent_call *agent_call_finished(struct client_call *call)
{
	struct agent_call *agent_call = container_of(call, struct agent_call, call);

	agent_call->active = false;
	return agent_call;
}

void agent_call_drop(struct agent_call *call)
{
	if (call->active)
		client_call_cancel(&call->call);
	call->active = false;
	client_call_release(&call->call);
}

int agent_create_sandbox(struct ttrpc_client *client, struct agent_call *call, const char *id,
	const char *hostname, const char *dns, client_call_fn done, struct error *err)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	/* The agent joins lines: an empty one ends the file with a newline. */
	char *lines[] = {(char *)dns, (char *)""};

	request.sandbox_id = (char *)id;
	request.hostname = (char *)hostname;
	request.dns = lines;
	request.n_dns = dns ? ARRAY_SIZE(lines) : 0;
	return start_empty(client, call, "CreateSandbox", &request.base, done, err);
}

int agent_update_interface(struct ttrpc_client *client, struct agent_call *call, const char *path,
	client_call_fn done, struct error *err)
{
	Grpc__UpdateInterfaceRequest request = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Types__Interface interface = TYPES__INTERFACE__INIT;
	Types__IPAddress address = TYPES__IPADDRESS__INIT, *addresses[] = {&address};

	address.address = (char *)GUEST_NET_ADDRESS;
	address.mask = (char *)GUEST_NET_PREFIX;
	interface.name = interface.device = (char *)GUEST_NET_NAME;
	interface.hwaddr = (char *)GUEST_NET_MAC;
	interface.devicepath = (char *)path;
	interface.ipaddresses = addresses;
	interface.n_ipaddresses = 1;
	request.interface = &interface;
	return start(client, call, AGENT_SERVICE, "UpdateInterface", &request.base,
		&types__interface__descriptor, AGENT_CALL_TIMEOUT_MS, done, err);
}

int agent_update_routes(struct ttrpc_client *client, struct agent_call *call, client_call_fn done,
	struct error *err)
{
	Grpc__UpdateRoutesRequest request = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	Types__Route route = TYPES__ROUTE__INIT, *list[] = {&route};

	route.gateway = (char *)GUEST_NET_GATEWAY;
	route.device = (char *)GUEST_NET_NAME;
	routes.routes = list;
	routes.n_routes = 1;
	request.routes = &routes;
	return start(client, call, AGENT_SERVICE, "UpdateRoutes", &request.base,
		&grpc__routes__descriptor, AGENT_CALL_TIMEOUT_MS, done, err);
}

int agent_destroy_sandbox(struct ttrpc_client *client, struct agent_call *call, client_call_fn done,
	struct error *err)
{
	Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;

	return start_empty(client, call, "DestroySandbox", &request.base, done, err);
}

int agent_create_container(struct ttrpc_client *client, struct agent_call *call,
	const Grpc__CreateContainerRequest *request, client_call_fn done, struct error *err)
{
	return start_empty(client, call, "CreateContainer", &request->base, done, err);
}

int agent_start_container(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err)
{
	Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	return start_empty(client, call, "StartContainer", &request.base, done, err);
}

int agent_remove_container(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err)
{
	Grpc__RemoveContainerRequest request = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	request.timeout = 10; /* seconds, as the runtimes ask (host-side.md 5.3) */
	return start_empty(client, call, "RemoveContainer", &request.base, done, err);
}

int agent_wait_process(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;

	request.container_id = (char *)id;
	return start(client, call, AGENT_SERVICE, "WaitProcess", &request.base,
		&grpc__wait_process_response__descriptor, NO_TIMEOUT, done, err);
}

int agent_signal(struct ttrpc_client *client, struct agent_call *call, const char *id, int signal,
	client_call_fn done, struct error *err)
{
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)id;
	request.signal = (uint32_t)signal;
	return start(client, call, AGENT_SERVICE, "SignalProcess", &request.base,
		&google__protobuf__empty__descriptor, AGENT_SIGNAL_TIMEOUT_MS, done, err);
}

int agent_stats(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)id;
	return start(client, call, AGENT_SERVICE, "StatsContainer", &request.base,
		&grpc__stats_container_response__descriptor, AGENT_CALL_TIMEOUT_MS, done, err);
}

int agent_get_oom_event(struct ttrpc_client *client, struct agent_call *call, client_call_fn done,
	struct error *err)
{
	Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;

	return start(client, call, AGENT_SERVICE, "GetOOMEvent", &request.base,
		&grpc__oomevent__descriptor, NO_TIMEOUT, done, err);
}

int agent_list_oom_records(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err)
{
	Cradle__ListOOMRecordsRequest request = CRADLE__LIST_OOMRECORDS_REQUEST__INIT;

	request.container_id = (char *)id;
	return start(client, call, MEMORY_SERVICE, "ListOOMRecords", &request.base,
		&cradle__list_oomrecords_response__descriptor, AGENT_CALL_TIMEOUT_MS, done, err);
}

int agent_check(struct ttrpc_client *client, struct agent_call *call, client_call_fn done,
	struct error *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	return start(client, call, HEALTH_SERVICE, "Check", &request.base,
		&grpc__health_check_response__descriptor, NO_TIMEOUT, done, err);
}

int agent_read(struct ttrpc_client *client, struct agent_call *call, const char *method,
	const char *id, uint32_t len, client_call_fn done, struct error *err)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)id;
	request.len = len;
	return start(client, call, AGENT_SERVICE, method, &request.base,
		&grpc__read_stream_response__descriptor, NO_TIMEOUT, done, err);
}

int agent_write_stdin(struct ttrpc_client *client, struct agent_call *call, const char *id,
	const void *data, size_t len, client_call_fn done, struct error *err)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)id;
	request.data = (ProtobufCBinaryData){.len = len, .data = (uint8_t *)data};
	return start(client, call, AGENT_SERVICE, "WriteStdin", &request.base,
		&grpc__write_stream_response__descriptor, NO_TIMEOUT, done, err);
}

int agent_resize(struct ttrpc_client *client, struct agent_call *call, const char *id,
	uint32_t rows, uint32_t columns, client_call_fn done, struct error *err)
{
	Grpc__TtyWinResizeRequest request = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)id;
	request.row = rows;
	request.column = columns;
	return start_empty(client, call, "TtyWinResize", &request.base, done, err);
}

int agent_close_stdin(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)id;
	return start_empty(client, call, "CloseStdin", &request.base, done, err);
}
