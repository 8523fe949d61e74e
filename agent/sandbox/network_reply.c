/* network_reply: what a network job has read, as messages. Part of network.h. */
#include "sandbox/network.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "sandbox/network_apply.h"
#include "sandbox/network_job.h"

/* The helper's file in memory of the call. */
struct reading {
	struct arena *arena;
	const struct network_state *state;
	const struct net_link *links;
	const struct net_address *addresses;
	const struct net_route *routes;
};

static int no_memory(struct error *err)
{
	return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "list the network");
}

static bool fits(const struct network_state *state, size_t size)
{
	const size_t most = NETWORK_LIST_MAX;

	return state->link_count <= most && state->address_count <= most &&
	       state->route_count <= most &&
	       size == sizeof(*state) + state->link_count * sizeof(struct net_link) +
			       state->address_count * sizeof(struct net_address) +
			       state->route_count * sizeof(struct net_route);
}

static int take(
	struct network_job *job, struct arena *arena, struct reading *ret, struct error *err)
{
	struct stat st;
	size_t size;
	char *data;

	if (fstat(job->memfd, &st) < 0)
		return error_errno(err, errno, "read the network's state");
	size = (size_t)st.st_size;
	data = size <= 4 * NETWORK_LIST_MAX ? arena_alloc(arena, size) : NULL;
	if (!data)
		return no_memory(err);
	if (pread(job->memfd, data, size, 0) != (ssize_t)size || size < sizeof(*ret->state) ||
		!fits((const void *)data, size))
		return error_errno(err, EBADMSG, "read the network's state");
	ret->arena = arena;
	ret->state = (const void *)data;
	ret->links = (const void *)(ret->state + 1);
	ret->addresses = (const void *)(ret->links + ret->state->link_count);
	ret->routes = (const void *)(ret->addresses + ret->state->address_count);
	return 0;
}

static char *ip_text(struct arena *arena, const struct net_ip *ip, bool with_length)
{
	char text[NET_IP_TEXT_MAX];

	net_ip_format(ip, with_length, text);
	return arena_strdup(arena, text);
}

static Types__IPFamily family_of(const struct net_ip *ip)
{
	return ip->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

/* ---- interfaces -------------------------------------------------------------------------------
 */

static Types__IPAddress *make_address(struct arena *arena, const struct net_ip *ip)
{
	Types__IPAddress *to = arena_alloc(arena, sizeof(*to));

	if (!to)
		return NULL;
	types__ipaddress__init(to);
	to->family = family_of(ip);
	to->address = ip_text(arena, ip, false);
	to->mask = arena_printf(arena, "%u", ip->prefix);
	return to->address && to->mask ? to : NULL;
}

static bool add_addresses(const struct reading *from, int index, Types__Interface *to)
{
	size_t count = 0;

	for (size_t i = 0; i < from->state->address_count; i++)
		count += from->addresses[i].index == index;
	to->ipaddresses = arena_calloc(from->arena, count + 1, sizeof(*to->ipaddresses));
	for (size_t i = 0; to->ipaddresses && i < from->state->address_count; i++) {
		if (from->addresses[i].index != index)
			continue;
		to->ipaddresses[to->n_ipaddresses] =
			make_address(from->arena, &from->addresses[i].ip);
		if (!to->ipaddresses[to->n_ipaddresses++])
			return false;
	}
	return to->ipaddresses;
}

/* g13: families and flags too. */
static Types__Interface *make_interface(const struct reading *from, const struct net_link *link)
{
	Types__Interface *to = arena_alloc(from->arena, sizeof(*to));
	char mac[NET_MAC_TEXT_MAX];

	if (!to)
		return NULL;
	types__interface__init(to);
	net_mac_format(&link->mac, mac);
	to->device = to->name = arena_strdup(from->arena, link->name);
	to->hwaddr = arena_strdup(from->arena, mac);
	to->type = arena_strdup(from->arena, link->kind);
	to->mtu = link->mtu;
	to->raw_flags = link->flags;
	return to->name && to->hwaddr && to->type && add_addresses(from, link->index, to) ? to
											  : NULL;
}

int network_job_interfaces(
	struct network_job *job, struct arena *arena, Grpc__Interfaces *to, struct error *err)
{
	struct reading from;
	int r = take(job, arena, &from, err);

	if (r < 0)
		return r;
	to->interfaces = arena_calloc(arena, from.state->link_count + 1, sizeof(*to->interfaces));
	if (!to->interfaces)
		return no_memory(err);
	for (size_t i = 0; i < from.state->link_count; i++) {
		to->interfaces[i] = make_interface(&from, &from.links[i]);
		if (!to->interfaces[i])
			return no_memory(err);
		to->n_interfaces++;
	}
	return 0;
}

/* ---- routes -----------------------------------------------------------------------------------
 */

static const char *name_of(const struct reading *from, int index)
{
	for (size_t i = 0; i < from->state->link_count; i++) {
		if (from->links[i].index == index)
			return from->links[i].name;
	}
	return "";
}

/* g13: what UpdateRoutes was given, or would be: a default route is one, with or without gateway.
 */
static Types__Route *make_route(const struct reading *from, const struct net_route *route)
{
	bool prefers = route->prefsrc.family;
	Types__Route *to = arena_alloc(from->arena, sizeof(*to));

	if (!to)
		return NULL;
	types__route__init(to);
	to->dest = ip_text(from->arena, &route->dest, true);
	to->gateway = ip_text(from->arena, &route->gateway, false);
	to->device = arena_strdup(from->arena, name_of(from, route->index));
	to->source = ip_text(from->arena, prefers ? &route->prefsrc : &route->source, !prefers);
	to->scope = route->scope;
	to->family = family_of(&route->dest);
	to->flags = route->flags;
	to->mtu = route->mtu;
	return to->dest && to->gateway && to->device && to->source ? to : NULL;
}

int network_job_routes(
	struct network_job *job, struct arena *arena, Grpc__Routes *to, struct error *err)
{
	struct reading from;
	int r = take(job, arena, &from, err);

	if (r < 0)
		return r;
	to->routes = arena_calloc(arena, from.state->route_count + 1, sizeof(*to->routes));
	if (!to->routes)
		return no_memory(err);
	for (size_t i = 0; i < from.state->route_count; i++) {
		to->routes[i] = make_route(&from, &from.routes[i]);
		if (!to->routes[i])
			return no_memory(err);
		to->n_routes++;
	}
	return 0;
}

/* ---- output of a program -----------------------------------------------------------------------
 */

int network_job_output(
	struct network_job *job, struct arena *arena, ProtobufCBinaryData *to, struct error *err)
{
	struct stat st;
	uint8_t *data;

	if (fstat(job->memfd, &st) < 0)
		return error_errno(err, errno, "read back an output");
	if (st.st_size > IPTABLES_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, EFBIG, "read back an output");
	data = arena_alloc(arena, (size_t)st.st_size + 1);
	if (!data)
		return no_memory(err);
	if (pread(job->memfd, data, (size_t)st.st_size, 0) != st.st_size)
		return error_errno(err, EIO, "read back an output");
	to->data = data;
	to->len = (size_t)st.st_size;
	return 0;
}
