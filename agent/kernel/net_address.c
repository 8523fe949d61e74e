/* net_address: see net_address.h. */
#include "kernel/net_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/parse.h"
#include "base/strings.h"

uint8_t net_ip_bits(const struct net_ip *ip)
{
	return ip->family == AF_INET6 ? 128 : 32;
}

size_t net_ip_size(const struct net_ip *ip)
{
	return net_ip_bits(ip) / 8;
}

int net_ip_parse(const char *text, struct net_ip *ret)
{
	struct net_ip ip = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return -EINVAL;
	ip.prefix = net_ip_bits(&ip);
	*ret = ip;
	return 0;
}

int net_ip_set_prefix(struct net_ip *ip, const char *text)
{
	uint32_t length;

	if (parse_u32(text, &length) < 0 || length > net_ip_bits(ip))
		return -EINVAL;
	ip->prefix = (uint8_t)length;
	return 0;
}

int net_ip_parse_prefix(const char *text, struct net_ip *ret, bool *with_length)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	struct net_ip ip;

	if ((slash ? (size_t)(slash - text) : strlen(text)) >= sizeof(address))
		return -EINVAL;
	str_format(address, sizeof(address), "%.*s",
		(int)(slash ? (size_t)(slash - text) : strlen(text)), text);
	if (net_ip_parse(address, &ip) < 0 || (slash && net_ip_set_prefix(&ip, slash + 1) < 0))
		return -EINVAL;
	*ret = ip;
	if (with_length)
		*with_length = slash != NULL;
	return 0;
}

void net_ip_format(const struct net_ip *ip, bool with_length, char out[NET_IP_TEXT_MAX])
{
	char address[INET6_ADDRSTRLEN];

	if (ip->family == 0 || !inet_ntop(ip->family, ip->bytes, address, sizeof(address)))
		str_copy(out, NET_IP_TEXT_MAX, "");
	else if (with_length)
		str_format(out, NET_IP_TEXT_MAX, "%s/%u", address, ip->prefix);
	else
		str_copy(out, NET_IP_TEXT_MAX, address);
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	/* | 0x20 maps the digits to themselves and a few control characters to digits */
	return at && c >= '0' ? (int)(at - digits) : -1;
}

int net_mac_parse(const char *text, struct net_mac *ret)
{
	struct net_mac mac = {.len = 0};

	for (;;) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || mac.len == NET_MAC_MAX)
			return -EINVAL;
		mac.bytes[mac.len++] = (uint8_t)(high << 4 | low);
		if (text[2] == '\0')
			break;
		if (text[2] != ':')
			return -EINVAL;
		text += 3;
	}
	*ret = mac;
	return 0;
}

bool net_mac_equal(const struct net_mac *a, const struct net_mac *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

void net_mac_format(const struct net_mac *mac, char out[NET_MAC_TEXT_MAX])
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < mac->len; i++)
		at += (size_t)str_format(
			out + at, NET_MAC_TEXT_MAX - at, "%s%02X", i ? ":" : "", mac->bytes[i]);
}

bool net_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IF_NAMESIZE || str_eq(name, ".") || str_eq(name, ".."))
		return false;
	return strcspn(name, "/:% \t\n\v\f\r") == len;
}
