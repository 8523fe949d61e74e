/* agent/kernel/net_address.c: addresses as text and back, to the last character. */
#include "kernel/net_address.h"

#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

static void test_ip(void **state)
{
	static const uint8_t v4[] = {10, 0, 2, 15};
	char text[NET_IP_TEXT_MAX];
	struct net_ip ip;
	bool with_length;

	assert_int_equal(net_ip_parse("10.0.2.15", &ip), 0);
	assert_int_equal(ip.family, AF_INET);
	assert_int_equal(ip.prefix, 32);
	assert_memory_equal(ip.bytes, v4, sizeof(v4));
	assert_int_equal(net_ip_set_prefix(&ip, "24"), 0);
	net_ip_format(&ip, true, text);
	assert_string_equal(text, "10.0.2.15/24");
	assert_int_equal(net_ip_parse_prefix("2001:DB8::1/64", &ip, &with_length), 0);
	assert_true(with_length);
	assert_int_equal(ip.family, AF_INET6);
	assert_int_equal(ip.bytes[0], 0x20);
	assert_int_equal(ip.bytes[15], 1);
	net_ip_format(&ip, true, text);
	assert_string_equal(text, "2001:db8::1/64");
	net_ip_format(&ip, false, text);
	assert_string_equal(text, "2001:db8::1");
	assert_int_equal(net_ip_parse_prefix("::", &ip, &with_length), 0);
	assert_false(with_length);
	assert_int_equal(ip.prefix, 128);
	/* the longest there is */
	assert_int_equal(
		net_ip_parse_prefix("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128", &ip, NULL),
		0);
	ip = (struct net_ip){.family = 0};
	net_ip_format(&ip, true, text);
	assert_string_equal(text, "");
}

static void test_no_ip(void **state)
{
	static const char *const bad[] = {"", "/", "10.0.0", "10.0.0.256", "10.0.0.1.1",
		"10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/2 ", " 10.0.0.1", "::/129",
		"fe80::1%eth0", "1:2:3:4:5:6:7:8:9", "0x0a000001", "localhost", "10.0.0.1/24/24",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555/128"};
	struct net_ip ip = {.family = 99};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(net_ip_parse_prefix(bad[i], &ip, NULL) < 0);
		assert_int_equal(ip.family, 99);
	}
}

static void test_mac(void **state)
{
	static const uint8_t bytes[] = {0x52, 0x54, 0x00, 0xaB, 0xcd, 0x0f};
	static const char *const bad[] = {"", ":", "5", "52:", "52:5", "52:54:0g", "52-54-00",
		"52:54:", ":52", "525:4", "\x10\x11:22",
		"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"
		"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00"};
	char text[NET_MAC_TEXT_MAX];
	struct net_mac mac, other;

	assert_int_equal(net_mac_parse("52:54:00:aB:Cd:0f", &mac), 0);
	assert_int_equal(mac.len, sizeof(bytes));
	assert_memory_equal(mac.bytes, bytes, sizeof(bytes));
	net_mac_format(&mac, text);
	assert_string_equal(text, "52:54:00:AB:CD:0F");
	assert_int_equal(net_mac_parse("52:54:00:ab:cd", &other), 0);
	assert_false(net_mac_equal(&mac, &other));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(net_mac_parse(bad[i], &mac) < 0);
	mac.len = NET_MAC_MAX;
	net_mac_format(&mac, text);
	assert_int_equal(strlen(text), NET_MAC_TEXT_MAX - 1);
}

static void test_names(void **state)
{
	static const char *const good[] = {"eth0", "a", "fifteen-letters", "veth.1", "...", "e@b"};
	static const char *const bad[] = {
		"", ".", "..", "sixteen-letters-", "a/b", "a b", "a:1", "eth%d", "a\n"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(net_name_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(net_name_valid(bad[i]));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ip),
	cmocka_unit_test(test_no_ip),
	cmocka_unit_test(test_mac),
	cmocka_unit_test(test_names),
};

TEST_MAIN(tests)
