/* netlink_socket: one request and its answers, for kernel/netlink.c and netlink_list.c alone. */
#ifndef KERNEL_NETLINK_SOCKET_H
#define KERNEL_NETLINK_SOCKET_H

#include <libmnl/libmnl.h>

#include "kernel/netlink.h"

/*
 * Sends the request (its sequence number is filled in) and reads to the end of the answer: each
 * message of a dump goes to each(), which returns MNL_CB_OK, or MNL_CB_ERROR with errno set. An
 * answer that the kernel says is not whole is -EINTR. 0 or negative errno with err.
 */
int netlink_exchange(struct netlink *nl, struct nlmsghdr *request, mnl_cb_t each, void *context,
	struct error *err);

#endif
