/* network_parts: what network_apply.c and network_interface.c share; in a helper, as they are. */
#ifndef SANDBOX_NETWORK_PARTS_H
#define SANDBOX_NETWORK_PARTS_H

#include "kernel/netlink.h"

struct network {
	struct netlink nl;
	struct buffer links; /* struct net_link */
};

/* Opens the socket and lists the links; list them again to see what has changed. */
int network_open(struct network *network, struct error *err);
void network_close(struct network *network);
/* NULL when there is none. */
const struct net_link *network_link_named(const struct network *network, const char *name);
bool network_ipv6_disabled(void);

#endif
