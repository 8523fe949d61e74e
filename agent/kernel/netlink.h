/*
 * netlink: links, addresses, routes and neighbours of the network namespace we are in, over
 * rtnetlink (by libmnl). Plain records in, plain records out; big and little endian alike. Every
 * call waits for the kernel's answer and may SLEEP (the kernel's lock for all of it, RTNL, may be
 * held by whoever takes down a namespace): for helpers, not for the loop. Called by
 * sandbox/network_*.
 *
 * Source: Linux include/uapi/linux/{rtnetlink,if_link,if_addr,neighbour}.h, rtnetlink(7).
 */
#ifndef KERNEL_NETLINK_H
#define KERNEL_NETLINK_H

#include <net/if.h>

#include "base/buffer.h"
#include "base/error.h"
#include "kernel/net_address.h"

struct mnl_socket;

struct netlink {
	struct mnl_socket *socket; /* NULL = closed */
	uint32_t sequence;
};

struct net_link {
	int index;
	uint32_t flags, mtu; /* IFF_*; bytes */
	struct net_mac mac;
	char name[IF_NAMESIZE];
	char kind[16]; /* "veth", "dummy"; "" for a device */
};

struct net_address {
	int index; /* the link's */
	struct net_ip ip;
};

struct net_route {
	int index;				/* the link's */
	uint32_t flags;				/* RTNH_F_* */
	uint32_t mtu;				/* 0 = none */
	uint8_t scope;				/* RT_SCOPE_* */
	struct net_ip dest;			/* family is always set; prefix 0 = default route */
	struct net_ip gateway, prefsrc, source; /* family 0 = none */
};

struct net_neighbor {
	int index;
	struct net_ip ip;
	struct net_mac mac;
	uint16_t state; /* NUD_* */
	uint8_t flags;	/* NTF_* */
};

#define NETLINK_INIT                                                                               \
	{                                                                                          \
		NULL, 0                                                                            \
	}

/* 0 or negative errno with err, as all below. */
int netlink_open(struct netlink *nl, struct error *err);
void netlink_close(struct netlink *nl);
/*
 * A socket that becomes readable when a link comes, goes or changes; what it says is no matter.
 * Open it, then look, then wait. The caller closes it. Negative errno.
 */
int netlink_watch_links(struct error *err);

/*
 * All there are, as an array in the buffer, which is cleared first; its max bounds them
 * (RESOURCE_EXHAUSTED). Addresses of both families. Routes: unicast routes of the main table, IPv4
 * first, a record for each next hop.
 */
int netlink_list_links(struct netlink *nl, struct buffer *links, struct error *err);
int netlink_list_addresses(struct netlink *nl, struct buffer *addresses, struct error *err);
int netlink_list_routes(struct netlink *nl, struct buffer *routes, struct error *err);

int netlink_set_name(struct netlink *nl, int index, const char *name, struct error *err);
int netlink_set_mac(struct netlink *nl, int index, const struct net_mac *mac, struct error *err);
int netlink_set_mtu(struct netlink *nl, int index, uint32_t mtu, struct error *err);
/* Of the flags in mask, those in flags are set and the others cleared. */
int netlink_set_flags(
	struct netlink *nl, int index, uint32_t flags, uint32_t mask, struct error *err);
/* Adds it, or makes the one that is there like it. */
int netlink_put_address(struct netlink *nl, const struct net_address *address, struct error *err);
/* replace: takes the place of a route to the same destination; else that is -EEXIST. */
int netlink_put_route(
	struct netlink *nl, const struct net_route *route, bool replace, struct error *err);
int netlink_put_neighbor(
	struct netlink *nl, const struct net_neighbor *neighbor, struct error *err);

#endif
