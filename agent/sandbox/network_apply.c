/* network_apply: see network_apply.h. What concerns one interface is in network_interface.c. */
#include "sandbox/network_apply.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "sandbox/network_parts.h"

/* ---- what is shared with network_interface.c ---------------------------------------------------
 */

int network_open(struct network *network, struct error *err)
{
	int r;

	network->nl = (struct netlink)NETLINK_INIT;
	buffer_init(&network->links, NETWORK_LIST_MAX);
	r = netlink_open(&network->nl, err);
	if (r == 0)
		r = netlink_list_links(&network->nl, &network->links, err);
	if (r < 0)
		network_close(network);
	return r;
}

void network_close(struct network *network)
{
	netlink_close(&network->nl);
	buffer_release(&network->links);
}

const struct net_link *network_link_named(const struct network *network, const char *name)
{
	const struct net_link *links = (const void *)network->links.data;

	for (size_t i = 0; i < network->links.len / sizeof(*links); i++) {
		if (str_eq(links[i].name, name))
			return &links[i];
	}
	return NULL;
}

/* As Kata's agent: off when both say so, or there is no IPv6 to ask. */
bool network_ipv6_disabled(void)
{
	static const char *const files[] = {"/proc/sys/net/ipv6/conf/all/disable_ipv6",
		"/proc/sys/net/ipv6/conf/default/disable_ipv6"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		uint64_t value;

		if (file_read_u64(files[i], &value) == 0 && value == 0)
			return false;
	}
	return true;
}

/* ---- UpdateRoutes -----------------------------------------------------------------------------
 */

static bool is_link_local(const struct net_ip *ip)
{
	return ip->family == AF_INET6 && ip->prefix >= 10 && ip->bytes[0] == 0xfe &&
	       (ip->bytes[1] & 0xc0) == 0x80;
}

/*
 * Every interface has its own link-local network: a route to one must not take the place of the
 * kernel's for another interface.
 */
static int put_route(struct network *network, const struct route_plan *plan, struct error *err)
{
	const struct net_link *link = network_link_named(network, plan->device);
	struct net_route route = plan->route;
	struct error own = ERROR_INIT;
	int r;

	if (!link)
		return error_errno(err, ENODEV, "no interface '%s'", plan->device);
	route.index = link->index;
	r = netlink_put_route(&network->nl, &route, !is_link_local(&route.dest), &own);
	if (r == 0 || r == -EEXIST)
		return 0;
	if (err)
		*err = own;
	return r;
}

static int route_failed(const struct route_plan *plan, size_t done, struct error *err)
{
	char dest[NET_IP_TEXT_MAX], via[NET_IP_TEXT_MAX];

	net_ip_format(&plan->route.dest, true, dest);
	net_ip_format(&plan->route.gateway, false, via);
	return error_prefix(err, "routes[%zu]: %s%s%s dev %s, after %zu that are set", plan->number,
		dest, via[0] ? " via " : "", via, plan->device, done);
}

int network_apply_routes(const struct route_plan *plans, size_t count, struct error *err)
{
	bool no_ipv6 = network_ipv6_disabled();
	struct network network;
	int r = network_open(&network, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++) {
		/* g12: what cannot be is skipped for routes as it is for addresses. */
		if (no_ipv6 && plans[i].route.dest.family == AF_INET6)
			continue;
		r = put_route(&network, &plans[i], err);
		if (r < 0)
			r = route_failed(&plans[i], i, err);
	}
	network_close(&network);
	return r;
}

/* ---- AddARPNeighbors --------------------------------------------------------------------------
 */

int network_apply_neighbors(const struct neighbor_plan *plans, size_t count, struct error *err)
{
	char address[NET_IP_TEXT_MAX];
	struct network network;
	int r = network_open(&network, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct net_link *link = network_link_named(&network, plans[i].device);
		struct net_neighbor neighbor = plans[i].neighbor;

		if (!link) {
			r = error_errno(err, ENODEV, "no interface '%s'", plans[i].device);
		} else {
			neighbor.index = link->index;
			r = netlink_put_neighbor(&network.nl, &neighbor, err);
		}
		net_ip_format(&neighbor.ip, false, address);
		if (r < 0)
			r = error_prefix(err,
				"ARPNeighbors[%zu]: %s dev %s, after %zu that are set", i, address,
				plans[i].device, i);
	}
	network_close(&network);
	return r;
}

/* ---- the lists --------------------------------------------------------------------------------
 */

static int write_state(int fd, const struct network *network, const struct buffer *addresses,
	const struct buffer *routes, struct error *err)
{
	struct network_state state = {network->links.len / sizeof(struct net_link),
		addresses->len / sizeof(struct net_address),
		routes->len / sizeof(struct net_route)};
	const struct {
		const void *data;
		size_t len;
	} parts[] = {{&state, sizeof(state)}, {network->links.data, network->links.len},
		{addresses->data, addresses->len}, {routes->data, routes->len}};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		ssize_t n = parts[i].len ? fd_write_full(fd, parts[i].data, parts[i].len) : 0;

		if (n < 0)
			return error_errno(err, (int)-n, "pass on the network's state");
	}
	return 0;
}

int network_read(int fd, bool with_addresses, bool with_routes, struct error *err)
{
	struct buffer addresses, routes;
	struct network network;
	int r = network_open(&network, err);

	if (r < 0)
		return r;
	buffer_init(&addresses, NETWORK_LIST_MAX);
	buffer_init(&routes, NETWORK_LIST_MAX);
	if (with_addresses)
		r = netlink_list_addresses(&network.nl, &addresses, err);
	if (r == 0 && with_routes)
		r = netlink_list_routes(&network.nl, &routes, err);
	if (r == 0)
		r = write_state(fd, &network, &addresses, &routes, err);
	buffer_release(&addresses);
	buffer_release(&routes);
	network_close(&network);
	return r;
}
