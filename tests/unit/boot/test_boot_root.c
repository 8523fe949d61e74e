/* agent/boot/boot_root.c: which disk is meant, in a made-up sysfs; and when there is nothing to do.
 */
#include <errno.h>

#include "boot/boot_root.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static void by_serial_number(void **state)
{
	char name[32];

	assert_int_equal(boot_root_find(scratch_path("none"), "root", name, sizeof(name)), -ENOENT);
	scratch_file("sys/block/vda/serial", "image");
	scratch_file("sys/block/vdb/serial", "root2");
	scratch_mkdir("sys/block/loop0");
	assert_int_equal(boot_root_find(scratch_path("sys"), "root", name, sizeof(name)), -ENOENT);
	scratch_file("sys/block/vdc/serial", "root\n");
	/* what a hostile disk may say */
	scratch_file("sys/block/vdd/serial", "0123456789012345678901234567890123456789");
	assert_int_equal(boot_root_find(scratch_path("sys"), "root", name, sizeof(name)), 0);
	assert_string_equal(name, "vdc");
	assert_int_equal(boot_root_find(scratch_path("sys"), "image", name, sizeof(name)), 0);
	assert_string_equal(name, "vda");
}

static void nothing_was_said(void **state)
{
	struct agent_config config = {.root_fstype = "erofs"};
	struct error err = ERROR_INIT;

	assert_int_equal(boot_root_switch(&config, &err), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(by_serial_number),
	cmocka_unit_test(nothing_was_said),
};

TEST_MAIN(tests)
