/* agent/kernel/net_dev.c: /proc/net/dev as Linux 6.1 writes it, and damaged. */
#include "kernel/net_dev.h"

#include <stdio.h>

#include "lib/test_main.h"

static const char heading[] =
	"Inter-|   Receive                                                |  Transmit\n"
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
	"drop fifo colls carrier compressed\n";

static void test_two_interfaces(void **state)
{
	char text[1024];
	const char *at = text;
	struct net_dev dev;

	snprintf(text, sizeof(text), "%s%s%s", heading,
		"    lo:     840      10    0    0    0     0          0         0      840      "
		"10 "
		"   0    0    0     0       0          0\n",
		"enp0s31f6v1.200:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
	assert_true(net_dev_next(&at, &dev));
	assert_string_equal(dev.name, "lo");
	assert_int_equal(dev.counter[NET_RX_BYTES], 840);
	assert_int_equal(dev.counter[NET_TX_PACKETS], 10);
	assert_true(net_dev_next(&at, &dev));
	assert_string_equal(dev.name, "enp0s31f6v1.200");
	assert_true(dev.counter[NET_RX_BYTES] == UINT64_MAX);
	for (unsigned i = 1; i < NET_COUNTERS; i++)
		assert_int_equal(dev.counter[i], i + 1);
	assert_false(net_dev_next(&at, &dev));
}

/* A line cut short does not take its numbers from the next one. */
static void test_damaged(void **state)
{
	const char *at =
		"eth0: 1 2 3\neth1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n: 1 2\n"
		"a-name-that-is-too-long: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\nno colon";
	struct net_dev dev;

	assert_true(net_dev_next(&at, &dev));
	assert_string_equal(dev.name, "eth1");
	assert_false(net_dev_next(&at, &dev));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_two_interfaces),
	cmocka_unit_test(test_damaged),
};
TEST_MAIN(tests)
