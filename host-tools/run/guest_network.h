/*
 * guest_network: sets up the network of --net user in a guest (vm/guest_net.h): its interface, then
 * its way out. Comes before the sandbox, as the runtimes do it (agent-api-guest.md section 8). Used
 * by guest_session.c and by a named VM's keeper.
 */
#ifndef RUN_GUEST_NETWORK_H
#define RUN_GUEST_NETWORK_H

#include "run/agent_link.h"

/* What may be amiss. */
#define GUEST_NETWORK_ADVICE                                                                       \
	"Does the guest's kernel have virtio-net, built in or as a module of the initrd?"

/* Embedded in its owner; zeroed = nothing under way. */
struct guest_network {
	struct agent_call call;
	struct ttrpc_client *client;
	/* Once, from the loop: 0, or negative errno with err. Not after the release. */
	void (*done)(struct guest_network *network, int result, const struct error *err);
};

/*
 * path: the device's place (qemu_net_path()). 0, or
 * negative errno with err (done never runs then).
 */
int guest_network_start(struct guest_network *network, struct ttrpc_client *client,
	const char *path,
	void (*done)(struct guest_network *network, int result, const struct error *err),
	struct error *err);
void guest_network_release(struct guest_network *network);

#endif
