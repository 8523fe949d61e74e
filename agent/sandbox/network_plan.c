/* network_plan: see network_plan.h. */
#include "sandbox/network_plan.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/strings.h"
#include "hard_limits.h"

/* The other flags of a route tell of its state, and the kernel refuses them in a request. */
#define ROUTE_FLAGS (RTNH_F_PERVASIVE | RTNH_F_ONLINK)

static int no_memory(struct error *err)
{
	return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "plan a change of the network");
}

static int check_name(const char *field, const char *name, struct error *err)
{
	return net_name_valid(name)
		       ? 0
		       : error_invalid(err, "%s '%.64s' is no name of an interface", field, name);
}

/* ---- UpdateInterface --------------------------------------------------------------------------
 */

static int plan_addresses(const Types__Interface *request, struct arena *arena,
	struct interface_plan *plan, struct error *err)
{
	if (request->n_ipaddresses > NETWORK_ADDRESSES_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0, "IPAddresses: more than %d",
			NETWORK_ADDRESSES_MAX);
	plan->addresses = arena_calloc(arena, request->n_ipaddresses + 1, sizeof(*plan->addresses));
	if (!plan->addresses)
		return no_memory(err);
	for (size_t i = 0; i < request->n_ipaddresses; i++) {
		const Types__IPAddress *from = request->ipaddresses[i];
		struct net_ip *ip = &plan->addresses[i];

		if (net_ip_parse(from->address, ip) < 0)
			return error_invalid(err,
				"IPAddresses[%zu]: address '%.64s' is no IP address", i,
				from->address);
		if (net_ip_set_prefix(ip, from->mask) < 0)
			return error_invalid(err,
				"IPAddresses[%zu] %.64s: mask '%.64s' is no prefix length", i,
				from->address, from->mask);
	}
	plan->address_count = request->n_ipaddresses;
	return 0;
}

int interface_plan_make(const Types__Interface *request, struct arena *arena,
	struct interface_plan *ret, struct error *err)
{
	struct interface_plan plan = {.name = request->name,
		.has_path = !str_empty(request->devicepath),
		.noarp = request->raw_flags & IFF_NOARP};
	int r = check_name("name", request->name, err);

	if (r == 0 && plan.has_path)
		r = net_device_path_parse(request->devicepath, &plan.path, err);
	if (r == 0 && !str_empty(request->hwaddr) && net_mac_parse(request->hwaddr, &plan.mac) < 0)
		r = error_invalid(err, "hwAddr '%.64s' is no hardware address", request->hwaddr);
	if (r == 0 && request->mtu > INT32_MAX)
		r = error_invalid(err, "mtu %llu", (unsigned long long)request->mtu);
	plan.mtu = (uint32_t)request->mtu;
	if (r == 0)
		r = plan_addresses(request, arena, &plan, err);
	if (r < 0)
		return error_prefix(err, "interface");
	*ret = plan;
	return 0;
}

/* ---- UpdateRoutes -----------------------------------------------------------------------------
 */

/* The family of an address that is there must be the route's; the first one decides. */
static int take_address(struct net_ip *ip, const struct net_ip *got, uint8_t *family,
	const char *field, const char *text, struct error *err)
{
	if (*family && *family != got->family)
		return error_invalid(err, "%s '%.64s' is of the other family", field, text);
	*family = got->family;
	*ip = *got;
	return 0;
}

/*
 * A bare address is the preferred source (g12), and so is one with the length 0 or all of it, as
 * runtimes print one. What is left is routing by source, which IPv4's tables cannot do.
 */
static int take_source(
	struct net_route *route, const char *text, uint8_t *family, struct error *err)
{
	struct net_ip got, *to = &route->source;

	if (net_ip_parse_prefix(text, &got, NULL) < 0)
		return error_invalid(err, "source '%.64s' is no IP address", text);
	if (got.prefix == 0 || got.prefix == net_ip_bits(&got)) {
		got.prefix = net_ip_bits(&got);
		to = &route->prefsrc;
	} else if (got.family == AF_INET) {
		return error_invalid(err,
			"source '%.64s': the kernel has no IPv4 routes by source network", text);
	}
	return take_address(to, &got, family, "source", text, err);
}

static int plan_route(const Types__Route *from, struct net_route *route, struct error *err)
{
	uint8_t family = from->family == TYPES__IPFAMILY__v6 ? AF_INET6 : 0;
	struct net_ip got;
	int r = check_name("device", from->device, err);

	if (r == 0 && !str_empty(from->dest)) {
		if (net_ip_parse_prefix(from->dest, &got, NULL) < 0)
			return error_invalid(err, "dest '%.64s' is no network", from->dest);
		r = take_address(&route->dest, &got, &family, "dest", from->dest, err);
	}
	if (r == 0 && !str_empty(from->gateway)) {
		if (net_ip_parse(from->gateway, &got) < 0)
			return error_invalid(
				err, "gateway '%.64s' is no IP address", from->gateway);
		r = take_address(&route->gateway, &got, &family, "gateway", from->gateway, err);
	}
	if (r == 0 && !str_empty(from->source))
		r = take_source(route, from->source, &family, err);
	route->dest.family = family ? family : AF_INET;
	route->scope = (uint8_t)from->scope;
	route->flags = from->flags & ROUTE_FLAGS;
	route->mtu = from->mtu;
	return r;
}

int route_plans_make(const Grpc__Routes *request, struct arena *arena, struct route_plan **ret,
	struct error *err)
{
	struct route_plan *plans, *to;

	if (request->n_routes > NETWORK_ROUTES_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0, "routes: more than %d",
			NETWORK_ROUTES_MAX);
	plans = to = arena_calloc(arena, request->n_routes + 1, sizeof(*plans));
	if (!plans)
		return no_memory(err);
	/* A gateway must be reachable before it is named. */
	for (int with_gateway = 0; with_gateway < 2; with_gateway++) {
		for (size_t i = 0; i < request->n_routes; i++) {
			const Types__Route *from = request->routes[i];

			if (str_empty(from->gateway) == with_gateway)
				continue;
			to->device = from->device;
			to->number = i;
			if (plan_route(from, &to->route, err) < 0)
				return error_prefix(err, "routes[%zu]", i);
			to++;
		}
	}
	*ret = plans;
	return 0;
}

/* ---- AddARPNeighbors --------------------------------------------------------------------------
 */

static int plan_neighbor(
	const Types__ARPNeighbor *from, struct net_neighbor *neighbor, struct error *err)
{
	if (!from->toipaddress || str_empty(from->toipaddress->address))
		return error_invalid(err, "toIPAddress is missing");
	if (net_ip_parse(from->toipaddress->address, &neighbor->ip) < 0)
		return error_invalid(
			err, "toIPAddress '%.64s' is no IP address", from->toipaddress->address);
	if (!str_empty(from->lladdr) && net_mac_parse(from->lladdr, &neighbor->mac) < 0)
		return error_invalid(err, "lladdr '%.64s' is no hardware address", from->lladdr);
	if (from->state < 0 || from->state > UINT16_MAX)
		return error_invalid(err, "state %d is no neighbour's state", from->state);
	neighbor->state = from->state ? (uint16_t)from->state : NUD_PERMANENT;
	neighbor->flags = (uint8_t)from->flags;
	return check_name("device", from->device, err);
}

int neighbor_plans_make(const Grpc__ARPNeighbors *request, struct arena *arena,
	struct neighbor_plan **ret, struct error *err)
{
	struct neighbor_plan *plans;

	if (request->n_arpneighbors > NETWORK_NEIGHBORS_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0, "ARPNeighbors: more than %d",
			NETWORK_NEIGHBORS_MAX);
	plans = arena_calloc(arena, request->n_arpneighbors + 1, sizeof(*plans));
	if (!plans)
		return no_memory(err);
	for (size_t i = 0; i < request->n_arpneighbors; i++) {
		const Types__ARPNeighbor *from = request->arpneighbors[i];

		plans[i].device = from->device;
		if (plan_neighbor(from, &plans[i].neighbor, err) < 0)
			return error_prefix(err, "ARPNeighbors[%zu]", i);
	}
	*ret = plans;
	return 0;
}
