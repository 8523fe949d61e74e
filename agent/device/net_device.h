/*
 * net_device: the network interface of a device that is named by where it sits: a PCI path
 * (pci_path.h), or on s390x the bus number of a channel device ("0.0.0010"). Called by
 * sandbox/network_interface; walks sysfs, which is kernel memory and does not sleep.
 *
 * Source: agent-api-guest.md sections 4, 5 and 8.
 */
#ifndef DEVICE_NET_DEVICE_H
#define DEVICE_NET_DEVICE_H

#include <net/if.h>

#include "device/pci_path.h"

struct net_device_path {
	char ccw[16]; /* "" = a PCI device */
	struct pci_path pci;
};

/* 0 or -EPROTO with err (INVALID_ARGUMENT) naming the text. Pure. */
int net_device_path_parse(const char *text, struct net_device_path *ret, struct error *err);
/*
 * The interface of this very device, not of one behind it (g6). -ENOENT when it is not there (yet),
 * without error text; other negative errno for what waiting does not cure. sysfs: "/sys".
 */
int net_device_find(const struct net_device_path *path, const char *sysfs, char name[IF_NAMESIZE],
	struct error *err);

#endif
