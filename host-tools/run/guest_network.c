/* guest_network: see the header. */
#include "run/guest_network.h"

#include "base/cleanup.h"

static struct guest_network *network_from(struct client_call *call)
{
	return container_of(agent_call_finished(call), struct guest_network, call);
}

static void on_routes(struct client_call *call, int result, const struct error *err)
{
	struct guest_network *network = network_from(call);

	network->done(network, result, err);
}

static void on_interface(struct client_call *call, int result, const struct error *err)
{
	struct guest_network *network = network_from(call);
	struct error why = ERROR_INIT;

	if (result == 0) {
		agent_call_drop(&network->call);
		result = agent_update_routes(network->client, &network->call, on_routes, &why);
		if (result == 0)
			return;
		err = &why;
	}
	network->done(network, result, err);
}

int guest_network_start(struct guest_network *network, struct ttrpc_client *client,
	const char *path,
	void (*done)(struct guest_network *network, int result, const struct error *err),
	struct error *err)
{
	network->client = client;
	network->done = done;
	return agent_update_interface(client, &network->call, path, on_interface, err);
}

void guest_network_release(struct guest_network *network)
{
	agent_call_drop(&network->call);
}
