/* agent_connection: see the header. */
#include "stats/agent_connection.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "base/strings.h"
#include "vms/vm_address.h"

#define CONNECT_TIMEOUT_MS 10000

int agent_connection_open(struct agent_connection *agent, const char *address, struct error *err)
{
	struct address parsed;
	int fd, r = vm_address_parse(address, &parsed, err);

	if (r < 0)
		return r;
	fd = address_connect(&parsed, CONNECT_TIMEOUT_MS, err);
	if (fd < 0)
		return error_prefix(err, "the agent cannot be reached");
	agent->loop = event_loop_new();
	if (agent->loop)
		agent->client = ttrpc_client_new(agent->loop, fd, NULL, NULL);
	if (agent->client)
		return 0;
	if (!agent->loop)
		close_fd(&fd);
	agent_connection_close(agent);
	return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "make a client");
}

void agent_connection_close(struct agent_connection *agent)
{
	ttrpc_client_free(agent->client);
	if (agent->loop)
		event_loop_free(agent->loop);
	memset(agent, 0, sizeof(*agent));
}

int agent_connection_call(struct agent_connection *agent, struct client_call *call,
	const char *service, const char *method, const void *request,
	const ProtobufCMessageDescriptor *response, uint64_t timeout_ms, struct error *err)
{
	int r = client_call_wait(
		agent->client, call, service, method, request, response, timeout_ms, err);

	return r < 0 ? error_prefix(err, "%s/%s", service, method) : 0;
}

bool agent_lacks_it(const struct error *err)
{
	return err->status == STATUS_UNIMPLEMENTED ||
	       (err->status == STATUS_INVALID_ARGUMENT &&
		       strstr(err->text, "service does not exist"));
}

const char *agent_word(const char *text, char *out, size_t size)
{
	str_copy(out, size, text ? text : "");
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = '?';
	return out;
}
