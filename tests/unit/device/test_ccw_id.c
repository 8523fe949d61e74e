/* agent/device/ccw_id.c: parsing, and a made-up sysfs of an s390x guest. */
#include "device/ccw_id.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "device/pci_path.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static void test_parse(void **state)
{
	struct error err = ERROR_INIT;
	struct ccw_id id;

	assert_int_equal(ccw_id_parse("0.0.0001", &id, &err), 0);
	assert_int_equal(id.set, 0);
	assert_int_equal(id.number, 1);
	assert_int_equal(ccw_id_parse("0.3.fFfe", &id, &err), 0);
	assert_int_equal(id.set, 3);
	assert_int_equal(id.number, 0xfffe);
	assert_int_equal(ccw_id_parse("0.2.7", &id, &err), 0);
	assert_int_equal(id.number, 7);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"", "0", "0.", "0.0", "0.0.", "1.0.0001", "0.4.0001",
		"0.-1.0001", "0.0.00001", "0.0.g", "0.0.0x1", "0.0.+1", "0.0. 1", "0.0.1 ",
		"0.0.0001/", "00.0.1", "0.0.../1", "/dev/vda"};
	struct ccw_id id = {.number = 77};
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (ccw_id_parse(bad[i], &id, &err) >= 0)
			fail_msg("taken: '%s'", bad[i]);
		assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
		assert_int_equal(id.number, 77);
	}
	assert_true(ccw_id_parse(NULL, &id, &err) < 0);
}

static void test_sysfs(void **state)
{
	struct error err = ERROR_INIT;
	char out[PATH_MAX], name[32];
	struct ccw_id id;

	/* As Linux has it: a device below its subchannel, a link on the bus. */
	scratch_mkdir("sys/devices/css0/0.0.0003/0.0.00d1/virtio4/block/vdc/vdc1");
	scratch_mkdir("sys/devices/css0/0.0.0004/0.0.0002/virtio5/net/eth0");
	scratch_mkdir("sys/bus/ccw/devices");
	assert_int_equal(symlink("../../../devices/css0/0.0.0003/0.0.00d1",
				 scratch_path("sys/bus/ccw/devices/0.0.00d1")),
		0);
	assert_int_equal(symlink("../../../devices/css0/0.0.0004/0.0.0002",
				 scratch_path("sys/bus/ccw/devices/0.0.0002")),
		0);
	assert_int_equal(ccw_id_parse("0.0.D1", &id, &err), 0);
	assert_int_equal(ccw_id_resolve(&id, scratch_path("sys"), out, sizeof(out)), 0);
	assert_int_equal(pci_device_block_name(out, name, sizeof(name)), 0);
	assert_string_equal(name, "vdc");
	/* no disk */
	assert_int_equal(ccw_id_parse("0.0.2", &id, &err), 0);
	assert_int_equal(ccw_id_resolve(&id, scratch_path("sys"), out, sizeof(out)), 0);
	assert_int_equal(pci_device_block_name(out, name, sizeof(name)), -ENOENT);
	/* nothing; the number of a subchannel is not a device's */
	assert_int_equal(ccw_id_parse("0.0.0003", &id, &err), 0);
	assert_int_equal(ccw_id_resolve(&id, scratch_path("sys"), out, sizeof(out)), -ENOENT);
	assert_int_equal(ccw_id_parse("0.1.00d1", &id, &err), 0);
	assert_int_equal(ccw_id_resolve(&id, scratch_path("sys"), out, sizeof(out)), -ENOENT);
	assert_int_equal(ccw_id_resolve(&id, scratch_path("sys"), out, 10), -ENAMETOOLONG);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_parse),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_sysfs),
};
TEST_MAIN(tests)
