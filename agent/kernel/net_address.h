/*
 * net_address: IP and hardware addresses, text to bytes and back. Pure. Called by kernel/netlink
 * (records) and sandbox/network_plan.
 */
#ifndef KERNEL_NET_ADDRESS_H
#define KERNEL_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "ffff:...:255.255.255.255/128" */
#define NET_IP_TEXT_MAX (INET6_ADDRSTRLEN + 4)
/* MAX_ADDR_LEN of the kernel (include/linux/netdevice.h). */
#define NET_MAC_MAX	 32
#define NET_MAC_TEXT_MAX (NET_MAC_MAX * 3)

struct net_ip {
	uint8_t family; /* AF_INET, AF_INET6; 0 = none */
	uint8_t prefix; /* length in bits */
	uint8_t bytes[16];
};

struct net_mac {
	uint8_t len; /* 0 = none */
	uint8_t bytes[NET_MAC_MAX];
};

/* 32 or 128. */
uint8_t net_ip_bits(const struct net_ip *ip);
size_t net_ip_size(const struct net_ip *ip); /* 4 or 16 */
/* An address alone, its prefix all of it. 0 or -EINVAL. */
int net_ip_parse(const char *text, struct net_ip *ret);
/* "address/length" or an address alone (*with_length says which, may be NULL). 0 or -EINVAL. */
int net_ip_parse_prefix(const char *text, struct net_ip *ret, bool *with_length);
/* A length in decimal. 0 or -EINVAL (more than the family has). */
int net_ip_set_prefix(struct net_ip *ip, const char *text);
void net_ip_format(const struct net_ip *ip, bool with_length, char out[NET_IP_TEXT_MAX]);

/* Pairs of hexadecimal digits with colons between them. 0 or -EINVAL. */
int net_mac_parse(const char *text, struct net_mac *ret);
bool net_mac_equal(const struct net_mac *a, const struct net_mac *b);
/* Upper case, as ListInterfaces shows it. */
void net_mac_format(const struct net_mac *mac, char out[NET_MAC_TEXT_MAX]);

/* What the kernel takes for an interface's name (net/core/dev.c, dev_valid_name()), and no '%',
 * which is a pattern there. */
bool net_name_valid(const char *name);

#endif
