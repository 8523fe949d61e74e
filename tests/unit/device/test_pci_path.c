/* agent/device/pci_path.c: parsing, and the walk through a made-up sysfs. */
#include "device/pci_path.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct pci_path parse(const char *text)
{
	struct error err = ERROR_INIT;
	struct pci_path path;

	assert_int_equal(pci_path_parse(text, &path, &err), 0);
	return path;
}

static void test_parse(void **state)
{
	struct pci_path path = parse("02");

	assert_int_equal(path.count, 1);
	assert_int_equal(path.element[0].slot, 2);
	assert_int_equal(path.element[0].function, 0);
	path = parse("1f.7/0a");
	assert_int_equal(path.count, 2);
	assert_int_equal(path.element[0].slot, 0x1f);
	assert_int_equal(path.element[0].function, 7);
	assert_int_equal(path.element[1].slot, 0x0a);
	assert_int_equal(path.root_complex, 0);
	/* The first of three or more, from 0x20 on, is a root complex. */
	path = parse("20/00/02");
	assert_int_equal(path.root_complex, 0x20);
	assert_int_equal(path.count, 2);
	assert_int_equal(path.element[1].slot, 2);
	path = parse("02/00/01");
	assert_int_equal(path.root_complex, 0);
	assert_int_equal(path.count, 3);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"", "/", "02/", "/02", "02//03", "20", "20/01", "02.8",
		"02.", ".1", "g0", "0x2", "-1", "+1", " 2", "2 ", "02.1.1", "00/20/00", "100/00/00",
		"20.1/00/00", "00000002", "1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1", NULL};
	struct pci_path path = {.count = 77};
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(pci_path_parse(bad[i], &path, &err) < 0);
		assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
		assert_int_equal(path.count, 77);
	}
}

static int resolve(const char *text, char *out)
{
	struct pci_path path = parse(text);
	struct error err = ERROR_INIT;

	return pci_path_resolve(&path, scratch_path("sys"), out, PATH_MAX, &err);
}

static void assert_resolves(const char *text, const char *where)
{
	char out[PATH_MAX];

	assert_int_equal(resolve(text, out), 0);
	assert_string_equal(out, scratch_path("sys/devices/%s", where));
}

static void test_walk(void **state)
{
	char out[PATH_MAX], name[32];

	scratch_mkdir("sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0/virtio3/block/vdb/vdb1");
	scratch_mkdir("sys/devices/pci0000:00/0000:00:02.0/pci_bus/0000:01");
	/* A bridge without pci_bus: its devices tell the bus. */
	scratch_mkdir("sys/devices/pci0000:00/0000:00:03.0/0000:05:01.0");
	scratch_mkdir("sys/devices/pci0000:00/0000:00:03.0/0000:05:02.0");
	scratch_mkdir("sys/devices/pci0000:00/0000:00:03.0/power");
	scratch_mkdir("sys/devices/pci0000:20/0000:20:00.0/pci_bus/0000:21");
	scratch_mkdir("sys/devices/pci0000:20/0000:20:00.0/0000:21:02.0");
	scratch_mkdir("sys/devices/pci0000:00/0000:00:04.0/pci_bus/0000:07");
	scratch_mkdir("sys/devices/pci0000:00/0000:00:04.0/pci_bus/0000:08");

	assert_resolves("02", "pci0000:00/0000:00:02.0");
	assert_resolves("02/00", "pci0000:00/0000:00:02.0/0000:01:00.0");
	assert_resolves("03/02", "pci0000:00/0000:00:03.0/0000:05:02.0");
	assert_resolves("20/00/02", "pci0000:20/0000:20:00.0/0000:21:02.0");
	assert_int_equal(resolve("05", out), -ENOENT);
	assert_int_equal(resolve("02/01", out), -ENOENT);
	assert_int_equal(resolve("02/00/01", out), -ENOENT); /* no bridge */
	assert_int_equal(resolve("30/00/01", out), -ENOENT);
	assert_int_equal(resolve("04/00", out), -EXDEV);

	assert_int_equal(resolve("02/00", out), 0);
	assert_int_equal(pci_device_block_name(out, name, sizeof(name)), 0);
	assert_string_equal(name, "vdb");
	assert_int_equal(resolve("03/01", out), 0);
	assert_int_equal(pci_device_block_name(out, name, sizeof(name)), -ENOENT);
}

/* aarch64 without ACPI: the root complex belongs to a platform device. */
static void test_platform_root(void **state)
{
	scratch_mkdir("sys/devices/platform/4010000000.pcie/pci0000:00/0000:00:0b.0");
	scratch_mkdir("sys/devices/platform/serial");
	assert_resolves("0b", "platform/4010000000.pcie/pci0000:00/0000:00:0b.0");
}

static int clean(void **state)
{
	scratch_remove();
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_parse),
	cmocka_unit_test(test_refused),
	cmocka_unit_test_teardown(test_walk, clean),
	cmocka_unit_test_teardown(test_platform_root, clean),
};
TEST_MAIN(tests)
