/* netlink: see netlink.h. The socket, the answers; what is asked is in netlink_list.c and here. */
#include "kernel/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "kernel/netlink_socket.h"

/* Our requests: a header, a fixed part, a dozen small attributes. */
#define REQUEST_MAX 1024

int netlink_open(struct netlink *nl, struct error *err)
{
	int one = 1;

	nl->sequence = 1;
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = error_errno(err, errno, "open a netlink socket");

		netlink_close(nl);
		return r;
	}
	/* The kernel's own words for what it refuses; older ones have none. */
	mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &one, sizeof(one));
	return 0;
}

void netlink_close(struct netlink *nl)
{
	if (nl->socket)
		mnl_socket_close(nl->socket);
	nl->socket = NULL;
}

int netlink_watch_links(struct error *err)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	_cleanup_fd_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "watch for network links");
	return take_fd(&fd);
}

/* ---- one exchange -----------------------------------------------------------------------------
 */

struct exchange {
	mnl_cb_t each;
	void *context;
	char said[160]; /* the kernel's words with an error; "" = none */
};

/* struct nlmsgerr, the refused header (its payload is capped off), then attributes. */
static void take_words(struct exchange *x, const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);
	size_t skip = sizeof(*error);
	const struct nlattr *attr;

	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		skip += MNL_ALIGN(error->msg.nlmsg_len) - sizeof(error->msg);
	if (skip > mnl_nlmsg_get_payload_len(header))
		return;
	mnl_attr_for_each(attr, header, skip)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			str_copy(x->said, sizeof(x->said), mnl_attr_get_str(attr));
	}
}

static int on_error(const struct nlmsghdr *header, void *data)
{
	struct exchange *x = data;
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*error)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (error->error == 0)
		return MNL_CB_STOP;
	take_words(x, header);
	errno = error->error < 0 ? -error->error : error->error;
	return MNL_CB_ERROR;
}

static int on_message(const struct nlmsghdr *header, void *data)
{
	struct exchange *x = data;

	return x->each ? x->each(header, x->context) : MNL_CB_OK;
}

/* A dump that ended early says so in the payload of its last message. */
static int on_done(const struct nlmsghdr *header, void *data)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(header) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(header), sizeof(error));
	if (error == 0)
		return MNL_CB_STOP;
	errno = error < 0 ? -error : error;
	return MNL_CB_ERROR;
}

static int receive(struct netlink *nl, struct exchange *x)
{
	static const mnl_cb_t control[NLMSG_MIN_TYPE] = {
		[NLMSG_ERROR] = on_error, [NLMSG_DONE] = on_done};
	/* Dumps come in messages of up to 32 KiB when the reader has the room. */
	_Alignas(struct nlmsghdr) char answer[MNL_SOCKET_DUMP_SIZE];
	int r = MNL_CB_OK;

	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(nl->socket, answer, sizeof(answer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = mnl_cb_run2(answer, (size_t)n, nl->sequence, mnl_socket_get_portid(nl->socket),
			on_message, x, control, ARRAY_SIZE(control));
	}
	return r < 0 ? -errno : 0;
}

int netlink_exchange(struct netlink *nl, struct nlmsghdr *request, mnl_cb_t each, void *context,
	struct error *err)
{
	struct exchange x = {.each = each, .context = context};
	int r;

	request->nlmsg_seq = ++nl->sequence;
	if (mnl_socket_sendto(nl->socket, request, request->nlmsg_len) < 0)
		return error_errno(err, errno, "send to the kernel by netlink");
	r = receive(nl, &x);
	if (r == 0)
		return 0;
	return x.said[0] ? error_errno(err, -r, "the kernel says \"%s\"", x.said)
			 : error_errno(err, -r, "the kernel refuses");
}

/* ---- links ------------------------------------------------------------------------------------
 */

static struct nlmsghdr *put_request(void *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return request;
}

static struct nlmsghdr *put_link(void *buffer, int index, uint32_t flags, uint32_t mask)
{
	struct nlmsghdr *request = put_request(buffer, RTM_SETLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->ifi_family = AF_UNSPEC;
	info->ifi_index = index;
	info->ifi_flags = flags;
	info->ifi_change = mask;
	return request;
}

int netlink_set_name(struct netlink *nl, int index, const char *name, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX];
	struct nlmsghdr *request = put_link(buffer, index, 0, 0);

	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	return netlink_exchange(nl, request, NULL, NULL, err);
}

int netlink_set_mac(struct netlink *nl, int index, const struct net_mac *mac, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX];
	struct nlmsghdr *request = put_link(buffer, index, 0, 0);

	mnl_attr_put(request, IFLA_ADDRESS, mac->len, mac->bytes);
	return netlink_exchange(nl, request, NULL, NULL, err);
}

int netlink_set_mtu(struct netlink *nl, int index, uint32_t mtu, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX];
	struct nlmsghdr *request = put_link(buffer, index, 0, 0);

	mnl_attr_put_u32(request, IFLA_MTU, mtu);
	return netlink_exchange(nl, request, NULL, NULL, err);
}

int netlink_set_flags(
	struct netlink *nl, int index, uint32_t flags, uint32_t mask, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX];

	return netlink_exchange(nl, put_link(buffer, index, flags, mask), NULL, NULL, err);
}

/* ---- addresses --------------------------------------------------------------------------------
 */

static void put_ip(struct nlmsghdr *request, uint16_t type, const struct net_ip *ip)
{
	if (ip->family)
		mnl_attr_put(request, type, net_ip_size(ip), ip->bytes);
}

/* As `ip address add ... brd +`: all bits behind the prefix. Links of two (or one) have none. */
static void put_broadcast(struct nlmsghdr *request, const struct net_ip *ip)
{
	struct net_ip broadcast = *ip;

	if (ip->family != AF_INET || ip->prefix > 30)
		return;
	for (unsigned bit = ip->prefix; bit < 32; bit++)
		broadcast.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	put_ip(request, IFA_BROADCAST, &broadcast);
}

static uint8_t address_scope(const struct net_ip *ip)
{
	/* IPv6 addresses carry their scope in themselves. */
	if (ip->family == AF_INET && ip->bytes[0] == 127)
		return RT_SCOPE_HOST;
	if (ip->family == AF_INET && ip->bytes[0] == 169 && ip->bytes[1] == 254)
		return RT_SCOPE_LINK;
	return RT_SCOPE_UNIVERSE;
}

int netlink_put_address(struct netlink *nl, const struct net_address *address, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX];
	struct nlmsghdr *request = put_request(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *message = mnl_nlmsg_put_extra_header(request, sizeof(*message));

	message->ifa_family = address->ip.family;
	message->ifa_prefixlen = address->ip.prefix;
	message->ifa_scope = address_scope(&address->ip);
	message->ifa_index = (unsigned)address->index;
	put_ip(request, IFA_LOCAL, &address->ip);
	put_ip(request, IFA_ADDRESS, &address->ip);
	put_broadcast(request, &address->ip);
	/* Who gave it out has looked for duplicates; a container binds to it right away. */
	if (address->ip.family == AF_INET6)
		mnl_attr_put_u32(request, IFA_FLAGS, IFA_F_NODAD);
	return netlink_exchange(nl, request, NULL, NULL, err);
}

/* ---- routes, neighbours ------------------------------------------------------------------------
 */

static void put_mtu(struct nlmsghdr *request, uint32_t mtu)
{
	struct nlattr *metrics;

	if (!mtu)
		return;
	metrics = mnl_attr_nest_start(request, RTA_METRICS);
	mnl_attr_put_u32(request, RTAX_MTU, mtu);
	mnl_attr_nest_end(request, metrics);
}

int netlink_put_route(
	struct netlink *nl, const struct net_route *route, bool replace, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX];
	struct nlmsghdr *request =
		put_request(buffer, RTM_NEWROUTE, NLM_F_CREATE | (replace ? NLM_F_REPLACE : 0));
	struct rtmsg *message = mnl_nlmsg_put_extra_header(request, sizeof(*message));

	message->rtm_family = route->dest.family;
	message->rtm_dst_len = route->dest.prefix;
	message->rtm_src_len = route->source.family ? route->source.prefix : 0;
	message->rtm_table = RT_TABLE_MAIN;
	message->rtm_protocol = RTPROT_BOOT;
	message->rtm_scope = route->scope;
	message->rtm_type = RTN_UNICAST;
	message->rtm_flags = route->flags;
	if (route->dest.prefix)
		put_ip(request, RTA_DST, &route->dest);
	put_ip(request, RTA_GATEWAY, &route->gateway);
	put_ip(request, RTA_PREFSRC, &route->prefsrc);
	put_ip(request, RTA_SRC, &route->source);
	mnl_attr_put_u32(request, RTA_OIF, (uint32_t)route->index);
	put_mtu(request, route->mtu);
	return netlink_exchange(nl, request, NULL, NULL, err);
}

int netlink_put_neighbor(struct netlink *nl, const struct net_neighbor *neighbor, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX];
	struct nlmsghdr *request = put_request(buffer, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	struct ndmsg *message = mnl_nlmsg_put_extra_header(request, sizeof(*message));

	message->ndm_family = neighbor->ip.family;
	message->ndm_ifindex = neighbor->index;
	message->ndm_state = neighbor->state;
	message->ndm_flags = neighbor->flags;
	put_ip(request, NDA_DST, &neighbor->ip);
	if (neighbor->mac.len)
		mnl_attr_put(request, NDA_LLADDR, neighbor->mac.len, neighbor->mac.bytes);
	return netlink_exchange(nl, request, NULL, NULL, err);
}
