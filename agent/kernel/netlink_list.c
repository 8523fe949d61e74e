/* netlink_list: dumps: links, addresses, routes as records. Part of netlink.h. */
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/strings.h"
#include "kernel/netlink_socket.h"

/* A dump that changed under the reader is read again, and not for ever. */
#define DUMP_TRIES 10

struct dump {
	struct buffer *records;
	uint8_t family; /* AF_UNSPEC = all */
};

static int append(const struct dump *dump, const void *record, size_t size)
{
	int r = buffer_append(dump->records, record, size);

	if (r == 0)
		return MNL_CB_OK;
	errno = -r;
	return MNL_CB_ERROR;
}

static int dump_once(
	struct netlink *nl, uint16_t type, mnl_cb_t each, struct dump *dump, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *message;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* The largest of the three fixed parts; all begin with the family. */
	message = mnl_nlmsg_put_extra_header(
		request, type == RTM_GETLINK ? sizeof(struct ifinfomsg) : sizeof(struct rtmsg));
	message->rtm_family = dump->family;
	return netlink_exchange(nl, request, each, dump, err);
}

/* What is left of an answer that was not read to its end: gone with the socket. */
static int start_over(struct netlink *nl, struct error *err)
{
	netlink_close(nl);
	return netlink_open(nl, err);
}

static int list(struct netlink *nl, uint16_t type, uint8_t family, mnl_cb_t each,
	struct buffer *records, const char *what, struct error *err)
{
	struct dump dump = {.records = records, .family = family};
	size_t before = records->len;
	struct error own = ERROR_INIT;
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++) {
		records->len = before;
		r = dump_once(nl, type, each, &dump, &own);
		if (r < 0 && start_over(nl, err) < 0)
			return error_prefix(err, "list %s", what);
	}
	if (r == 0)
		return 0;
	if (r == -EMSGSIZE)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, EMSGSIZE,
			"list %s: the guest has too many", what);
	if (err)
		*err = own;
	return error_prefix(err, "list %s", what);
}

/* ---- links ------------------------------------------------------------------------------------
 */

static void take_text(char *out, size_t size, const struct nlattr *attr)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		str_copy(out, size, mnl_attr_get_str(attr));
}

static void take_number(uint32_t *ret, const struct nlattr *attr)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		*ret = mnl_attr_get_u32(attr);
}

static void take_kind(struct net_link *link, const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			take_text(link->kind, sizeof(link->kind), attr);
	}
}

static void take_mac(struct net_mac *mac, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len > NET_MAC_MAX)
		return;
	mac->len = (uint8_t)len;
	memcpy(mac->bytes, mnl_attr_get_payload(attr), len);
}

static int on_link(const struct nlmsghdr *header, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	struct net_link link = {.index = info->ifi_index, .flags = info->ifi_flags};
	const struct nlattr *attr;

	mnl_attr_for_each(attr, header, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			take_text(link.name, sizeof(link.name), attr);
			break;
		case IFLA_ADDRESS:
			take_mac(&link.mac, attr);
			break;
		case IFLA_MTU:
			take_number(&link.mtu, attr);
			break;
		case IFLA_LINKINFO:
			take_kind(&link, attr);
			break;
		}
	}
	return append(data, &link, sizeof(link));
}

int netlink_list_links(struct netlink *nl, struct buffer *links, struct error *err)
{
	buffer_clear(links);
	return list(nl, RTM_GETLINK, AF_UNSPEC, on_link, links, "interfaces", err);
}

/* ---- addresses --------------------------------------------------------------------------------
 */

static void take_ip(struct net_ip *ip, uint8_t family, uint8_t prefix, const struct nlattr *attr)
{
	struct net_ip got = {.family = family};

	if (mnl_attr_get_payload_len(attr) != net_ip_size(&got))
		return;
	memcpy(got.bytes, mnl_attr_get_payload(attr), net_ip_size(&got));
	got.prefix = prefix;
	*ip = got;
}

/* With a peer, IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 often has only the former. */
static int on_address(const struct nlmsghdr *header, void *data)
{
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
	struct net_address address = {.index = (int)message->ifa_index};
	bool local = false;
	const struct nlattr *attr;

	if (message->ifa_family != AF_INET && message->ifa_family != AF_INET6)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, header, sizeof(*message))
	{
		bool is_local = mnl_attr_get_type(attr) == IFA_LOCAL;

		if (!is_local && (local || mnl_attr_get_type(attr) != IFA_ADDRESS))
			continue;
		take_ip(&address.ip, message->ifa_family, message->ifa_prefixlen, attr);
		local |= is_local;
	}
	return append(data, &address, sizeof(address));
}

int netlink_list_addresses(struct netlink *nl, struct buffer *addresses, struct error *err)
{
	buffer_clear(addresses);
	return list(nl, RTM_GETADDR, AF_UNSPEC, on_address, addresses, "addresses", err);
}

/* ---- routes -----------------------------------------------------------------------------------
 */

static void take_route_mtu(struct net_route *route, const struct nlattr *metrics)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, metrics)
	{
		if (mnl_attr_get_type(attr) == RTAX_MTU)
			take_number(&route->mtu, attr);
	}
}

/* RTA_VIA: a gateway of the other family. */
static void take_via(struct net_route *route, const struct nlattr *attr)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	struct net_ip got;

	if (mnl_attr_get_payload_len(attr) < sizeof(*via))
		return;
	got = (struct net_ip){.family = (uint8_t)via->rtvia_family};
	if (mnl_attr_get_payload_len(attr) != sizeof(*via) + net_ip_size(&got))
		return;
	memcpy(got.bytes, via->rtvia_addr, net_ip_size(&got));
	got.prefix = net_ip_bits(&got);
	route->gateway = got;
}

static void take_hop_attribute(struct net_route *route, const struct nlattr *attr)
{
	if (mnl_attr_get_type(attr) == RTA_GATEWAY)
		take_ip(&route->gateway, route->dest.family, net_ip_bits(&route->dest), attr);
	else if (mnl_attr_get_type(attr) == RTA_VIA)
		take_via(route, attr);
}

/* A record for each next hop. */
static int append_hops(
	const struct dump *dump, const struct net_route *route, const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	int r = MNL_CB_OK;

	while (r == MNL_CB_OK && left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) &&
		hop->rtnh_len <= left) {
		struct net_route one = *route;
		const struct nlattr *attr;
		size_t step = MNL_ALIGN(hop->rtnh_len);

		one.index = hop->rtnh_ifindex;
		one.flags = hop->rtnh_flags;
		mnl_attr_for_each_payload(
			(const struct nlattr *)RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop))
		{
			take_hop_attribute(&one, attr);
		}
		r = append(dump, &one, sizeof(one));
		left = step < left ? left - step : 0;
		hop = (const struct rtnexthop *)((const char *)hop + step);
	}
	return r;
}

static const struct nlattr *take_route_attributes(
	struct net_route *route, uint32_t *table, const struct nlmsghdr *header)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *attr, *multipath = NULL;
	uint8_t family = message->rtm_family;

	mnl_attr_for_each(attr, header, sizeof(*message))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_TABLE:
			take_number(table, attr);
			break;
		case RTA_DST:
			take_ip(&route->dest, family, message->rtm_dst_len, attr);
			break;
		case RTA_SRC:
			take_ip(&route->source, family, message->rtm_src_len, attr);
			break;
		case RTA_PREFSRC:
			take_ip(&route->prefsrc, family, net_ip_bits(&route->dest), attr);
			break;
		case RTA_OIF:
			take_number((uint32_t *)&route->index, attr);
			break;
		case RTA_METRICS:
			take_route_mtu(route, attr);
			break;
		case RTA_MULTIPATH:
			multipath = attr;
			break;
		default:
			take_hop_attribute(route, attr);
		}
	}
	return multipath;
}

/* The dump has every table, and what the kernel remembers of single destinations. */
static int on_route(const struct nlmsghdr *header, void *data)
{
	const struct rtmsg *message = mnl_nlmsg_get_payload(header);
	const struct dump *dump = data;
	struct net_route route = {.flags = message->rtm_flags,
		.scope = message->rtm_scope,
		.dest = {.family = message->rtm_family}};
	uint32_t table = message->rtm_table;
	const struct nlattr *multipath = take_route_attributes(&route, &table, header);

	/* A kernel without IPv6 answers with the routes of all families. */
	if (message->rtm_family != dump->family || table != RT_TABLE_MAIN ||
		message->rtm_type != RTN_UNICAST || message->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	return multipath ? append_hops(dump, &route, multipath)
			 : append(dump, &route, sizeof(route));
}

int netlink_list_routes(struct netlink *nl, struct buffer *routes, struct error *err)
{
	int r;

	buffer_clear(routes);
	r = list(nl, RTM_GETROUTE, AF_INET, on_route, routes, "routes", err);
	if (r == 0)
		r = list(nl, RTM_GETROUTE, AF_INET6, on_route, routes, "routes", err);
	return r;
}
