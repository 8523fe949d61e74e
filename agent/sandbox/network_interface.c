/* network_interface: UpdateInterface in its helper: finds the interface, then makes it as asked. */
#include "sandbox/network_apply.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/strings.h"
#include "sandbox/network_parts.h"

/* ---- which one --------------------------------------------------------------------------------
 */

static uint64_t now_ms(void)
{
	return event_loop_now_ns() / 1000000;
}

/* The folder in sysfs can be there before the link is, and the other way round. */
static int look_at_path(struct network *network, const struct interface_plan *plan,
	const struct net_link **ret, struct error *err)
{
	char name[IF_NAMESIZE];
	int r = net_device_find(&plan->path, "/sys", name, err);

	if (r == 0)
		r = netlink_list_links(&network->nl, &network->links, err);
	if (r < 0)
		return r;
	*ret = network_link_named(network, name);
	return *ret ? 0 : -ENOENT;
}

/* The watch comes first, then the look: what happens in between is not lost. */
static int await_path(struct network *network, const struct interface_plan *plan,
	uint64_t timeout_ms, const struct net_link **ret, struct error *err)
{
	_cleanup_fd_ int watch = netlink_watch_links(err);
	uint64_t end = now_ms() + timeout_ms;
	char ignored[8192];

	if (watch < 0)
		return watch;
	for (;;) {
		struct pollfd poller = {.fd = watch, .events = POLLIN};
		int r = look_at_path(network, plan, ret, err);
		uint64_t now = now_ms();

		if (r != -ENOENT)
			return r;
		if (now >= end)
			return error_set(err, STATUS_DEADLINE_EXCEEDED, ETIMEDOUT,
				"Timeout after %" PRIu64 " ms: no network device at its path",
				timeout_ms);
		if (poll(&poller, 1, (int)(end - now)) < 0 && errno != EINTR)
			return error_errno(err, errno, "wait for a network device");
		while (read(watch, ignored, sizeof(ignored)) > 0)
			;
	}
}

/*
 * The loopback has a hardware address too, and it is nobody's. Several links may have the same one
 * (a VLAN and what it lies on): then the name decides.
 */
static const struct net_link *link_with_mac(
	const struct network *network, const struct net_mac *mac, const char *name)
{
	const struct net_link *links = (const void *)network->links.data, *found = NULL;

	for (size_t i = 0; i < network->links.len / sizeof(*links); i++) {
		if (links[i].flags & IFF_LOOPBACK || !net_mac_equal(&links[i].mac, mac))
			continue;
		if (!found || str_eq(links[i].name, name))
			found = &links[i];
	}
	return found;
}

/*
 * g6: with a hardware address that no link has, the link of that name is somebody else's while the
 * right one is still coming. Callers try again by these words (agent-api-guest.md section 8).
 */
static int find_link(struct network *network, const struct interface_plan *plan,
	uint64_t timeout_ms, struct net_link *ret, struct error *err)
{
	const struct net_link *found = NULL;
	char text[NET_MAC_TEXT_MAX];
	int r = 0;

	if (plan->has_path)
		r = await_path(network, plan, timeout_ms, &found, err);
	else if (plan->mac.len)
		found = link_with_mac(network, &plan->mac, plan->name);
	else
		found = network_link_named(network, plan->name);
	if (r < 0)
		return r;
	net_mac_format(&plan->mac, text);
	if (!found && plan->mac.len)
		return error_set(err, STATUS_INTERNAL, 0,
			"Link not found: none has the hardware address %s", text);
	if (!found)
		return error_set(err, STATUS_INTERNAL, 0, "Link not found");
	*ret = *found;
	return 0;
}

/* ---- make it so -------------------------------------------------------------------------------
 */

static int set_down(struct network *network, struct net_link *link, struct error *err)
{
	int r = 0;

	if (link->flags & IFF_UP)
		r = netlink_set_flags(&network->nl, link->index, 0, IFF_UP, err);
	if (r == 0)
		link->flags &= ~(uint32_t)IFF_UP;
	return r;
}

/*
 * The name may be another's: then the two change names, by way of a third. Kernels before 6.2
 * rename only what is down.
 */
static int take_name(
	struct network *network, struct net_link *link, const char *name, struct error *err)
{
	const struct net_link *holder = network_link_named(network, name);
	struct net_link other = {.index = 0};
	char parked[IF_NAMESIZE];
	int r = set_down(network, link, err);

	if (r == 0 && holder) {
		other = *holder;
		str_format(parked, sizeof(parked), "cradle%d", other.index);
		r = set_down(network, &other, err);
		if (r == 0)
			r = netlink_set_name(&network->nl, other.index, parked, err);
	}
	if (r == 0)
		r = netlink_set_name(&network->nl, link->index, name, err);
	if (!other.index)
		return r;
	/* Its new name, or its old one after a failure; up as Kata's agent leaves it. */
	if (netlink_set_name(
		    &network->nl, other.index, r < 0 ? name : link->name, r < 0 ? NULL : err) < 0)
		return r < 0 ? r : error_prefix(err, "name the former %s %s", name, link->name);
	if (r < 0)
		netlink_set_flags(&network->nl, other.index, holder->flags & IFF_UP, IFF_UP, NULL);
	else
		r = netlink_set_flags(&network->nl, other.index, IFF_UP, IFF_UP, err);
	return r;
}

static int set_identity(struct network *network, const struct interface_plan *plan,
	struct net_link *link, struct error *err)
{
	int r = 0;

	if (plan->mac.len && !net_mac_equal(&plan->mac, &link->mac)) {
		r = set_down(network, link, err);
		if (r == 0)
			r = netlink_set_mac(&network->nl, link->index, &plan->mac, err);
		if (r < 0)
			return error_prefix(err, "set its hardware address");
	}
	if (!str_eq(link->name, plan->name)) {
		r = take_name(network, link, plan->name, err);
		if (r < 0)
			return error_prefix(err, "rename it");
	}
	if (plan->mtu && plan->mtu != link->mtu)
		r = netlink_set_mtu(&network->nl, link->index, plan->mtu, err);
	return r < 0 ? error_prefix(err, "set its mtu to %u", plan->mtu) : 0;
}

static int put_addresses(
	struct network *network, const struct interface_plan *plan, int index, struct error *err)
{
	bool no_ipv6 = network_ipv6_disabled();

	for (size_t i = 0; i < plan->address_count; i++) {
		struct net_address address = {index, plan->addresses[i]};
		char text[NET_IP_TEXT_MAX];

		if (no_ipv6 && address.ip.family == AF_INET6)
			continue;
		net_ip_format(&address.ip, true, text);
		if (netlink_put_address(&network->nl, &address, err) < 0)
			return error_prefix(err, "add address %s", text);
	}
	return 0;
}

/* IPv6 addresses do not survive a link that goes down: so they come after all that needs that. */
static int configure(struct network *network, const struct interface_plan *plan,
	struct net_link *link, struct error *err)
{
	uint32_t noarp = plan->noarp ? IFF_NOARP : 0;
	int r = set_identity(network, plan, link, err);

	if (r == 0)
		r = put_addresses(network, plan, link->index, err);
	if (r < 0)
		return r;
	r = netlink_set_flags(&network->nl, link->index, IFF_UP | noarp, IFF_UP | IFF_NOARP, err);
	return r < 0 ? error_prefix(err, "set it up") : 0;
}

int network_apply_interface(
	const struct interface_plan *plan, uint64_t timeout_ms, struct error *err)
{
	struct network network;
	struct net_link link;
	int r = network_open(&network, err);
	bool was_up;

	if (r < 0)
		return r;
	r = find_link(&network, plan, timeout_ms, &link, err);
	was_up = r == 0 && link.flags & IFF_UP;
	if (r == 0)
		r = configure(&network, plan, &link, err);
	if (r < 0 && was_up)
		netlink_set_flags(&network.nl, link.index, IFF_UP, IFF_UP, NULL);
	network_close(&network);
	return r < 0 ? error_prefix(err, "interface %s", plan->name) : 0;
}
