/* agent/device/net_device.c: which interface belongs to a device, in a made-up sysfs. */
#include "device/net_device.h"

#include <errno.h>

#include "base/cleanup.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static int find(const char *text, char name[IF_NAMESIZE])
{
	struct net_device_path path;
	struct error err = ERROR_INIT;

	assert_int_equal(net_device_path_parse(text, &path, &err), 0);
	return net_device_find(&path, scratch_path("sys"), name, &err);
}

#define ROOT "sys/devices/pci0000:00/"

static void test_pci_and_ccw(void **state)
{
	char name[IF_NAMESIZE];

	scratch_mkdir(ROOT "0000:00:10.0/virtio3/net/eth7");
	scratch_mkdir(ROOT "0000:00:11.0/net/enp17");
	scratch_mkdir("sys/bus/ccw/devices/0.0.0010/virtio1/net/eth1");
	assert_int_equal(find("10", name), 0);
	assert_string_equal(name, "eth7");
	assert_int_equal(find("11", name), 0);
	assert_string_equal(name, "enp17");
	assert_int_equal(find("0.0.0010", name), 0);
	assert_string_equal(name, "eth1");
	assert_int_equal(find("0.0.0011", name), -ENOENT);
	assert_int_equal(find("12", name), -ENOENT);
	/* a device whose driver has not made it yet */
	scratch_mkdir(ROOT "0000:00:13.0/virtio4");
	assert_int_equal(find("13", name), -ENOENT);
}

/*
 * g6: a path that names a bridge is none of the interfaces behind it; and the bus of a root complex
 * that is not the first has the complex's number, not 00.
 */
static void test_g6_exact_device(void **state)
{
	char name[IF_NAMESIZE];

	scratch_mkdir(ROOT "0000:00:02.0/0000:01:00.0/virtio5/net/eth2");
	scratch_mkdir("sys/devices/pci0000:20/0000:20:03.0/0000:21:01.0/virtio6/net/eth3");
	scratch_mkdir(ROOT "0000:00:03.0/0000:02:00.0/net/eth4");
	assert_int_equal(find("02", name), -ENOENT);
	assert_int_equal(find("03", name), -ENOENT);
	assert_int_equal(find("02/00", name), 0);
	assert_string_equal(name, "eth2");
	assert_int_equal(find("20/03/01", name), 0);
	assert_string_equal(name, "eth3");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"", "0.4.0010", "0.0.001", "0.0.00100", "g.0.0010",
		"0.0.001g", "0.0.0010/..", "../../x", "02/..", "0.0/.0010"};
	struct net_device_path path;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(net_device_path_parse(bad[i], &path, &err) < 0);
		assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pci_and_ccw),
	cmocka_unit_test(test_g6_exact_device),
	cmocka_unit_test(test_refused),
};

TEST_MAIN(tests)
