/*
 * net_dev: /proc/net/dev, the counters of a network namespace's interfaces. Pure. Source: Linux
 * net/core/net-procfs.c (dev_seq_printf_stats): a name, a colon, eight numbers received, eight
 * sent; a name holds neither a colon nor a blank (dev_valid_name()).
 */
#ifndef KERNEL_NET_DEV_H
#define KERNEL_NET_DEV_H

#include <stdbool.h>
#include <stdint.h>

/* In the file's order. */
enum {
	NET_RX_BYTES,
	NET_RX_PACKETS,
	NET_RX_ERRS,
	NET_RX_DROP,
	NET_RX_FIFO,
	NET_RX_FRAME,
	NET_RX_COMPRESSED,
	NET_RX_MULTICAST,
	NET_TX_BYTES,
	NET_TX_PACKETS,
	NET_TX_ERRS,
	NET_TX_DROP,
	NET_TX_FIFO,
	NET_TX_COLLS,
	NET_TX_CARRIER,
	NET_TX_COMPRESSED,
	NET_COUNTERS
};

struct net_dev {
	char name[16];
	uint64_t counter[NET_COUNTERS];
};

/* The next interface from *at on, which moves behind its line; false when there is none. */
bool net_dev_next(const char **at, struct net_dev *ret);

#endif
