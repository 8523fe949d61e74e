/*
 * network_plan: what a network call asks for, checked and turned from text into numbers before
 * anything is changed. Pure. Called by sandbox/network, carried out by network_apply in a helper.
 *
 * Contract: agent-api-guest.md section 8.
 */
#ifndef SANDBOX_NETWORK_PLAN_H
#define SANDBOX_NETWORK_PLAN_H

#include "base/arena.h"
#include "base/error.h"
#include "device/net_device.h"
#include "kernel/netlink.h"

#include "agent.pb-c.h"

/* UpdateInterface */
struct interface_plan {
	const char *name;
	bool has_path; /* path says which device; else mac, else name */
	struct net_device_path path;
	struct net_mac mac; /* len 0 = leave it */
	uint32_t mtu;	    /* 0 = leave it */
	bool noarp;
	struct net_ip *addresses;
	size_t address_count;
};

/* UpdateRoutes, AddARPNeighbors: a record each, whose index is found by the name of its device. */
struct route_plan {
	const char *device;
	size_t number; /* in the request */
	struct net_route route;
};

struct neighbor_plan {
	const char *device;
	struct net_neighbor neighbor;
};

/*
 * 0, or negative with err naming the field (INVALID_ARGUMENT, RESOURCE_EXHAUSTED). What is pointed
 * at lives in the arena or the request.
 */
int interface_plan_make(const Types__Interface *request, struct arena *arena,
	struct interface_plan *ret, struct error *err);
/* In the order in which they are to be set: those without a gateway first. */
int route_plans_make(const Grpc__Routes *request, struct arena *arena, struct route_plan **ret,
	struct error *err);
int neighbor_plans_make(const Grpc__ARPNeighbors *request, struct arena *arena,
	struct neighbor_plan **ret, struct error *err);

#endif
