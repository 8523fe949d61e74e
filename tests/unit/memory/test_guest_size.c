/* agent/memory/guest_size.c: texts of /proc and trees like sysfs -> how much memory there is. */
#include "memory/guest_size.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define MIB   (1024 * 1024ull)
#define BLOCK (128 * MIB)

/* 256 MiB at boot, of which the kernel hides 32. */
#define BOOT_IOMEM                                                                                 \
	"00001000-00001fff : Reserved\n"                                                           \
	"00100000-100fffff : System RAM\n"                                                         \
	"  01000000-01ffffff : Kernel code\n"

static struct worker_file file_of(const char *text)
{
	return (struct worker_file){
		"", text ? 0 : ENOENT, text ? text : "", text ? strlen(text) : 0};
}

static struct guest_size size_of(
	uint64_t total, uint64_t balloon, const char *more_iomem, const struct guest_hints *hints)
{
	char meminfo[64], vmstat[96], iomem[512];
	struct worker_file files[3];
	struct guest_size size;

	str_format(
		meminfo, sizeof(meminfo), "MemTotal: %llu kB\n", (unsigned long long)total / 1024);
	str_format(vmstat, sizeof(vmstat), "pgfault 1\nballoon_inflate %llu\nballoon_deflate 10\n",
		(unsigned long long)balloon / (unsigned long long)sysconf(_SC_PAGESIZE) + 10);
	str_format(iomem, sizeof(iomem), BOOT_IOMEM "%s", more_iomem);
	files[0] = file_of(meminfo);
	files[1] = file_of(vmstat);
	files[2] = file_of(iomem);
	assert_int_equal(guest_size_of(&files[0], &files[1], &files[2], hints, &size), 0);
	return size;
}

/* What is known of a guest as booted. */
static struct guest_hints learnt(void)
{
	struct guest_hints hints = {.blocks = {BLOCK, 2, 0}};
	struct guest_size size = size_of(224 * MIB, 0, "", &hints);

	guest_hints_learn(&hints, &size);
	assert_int_equal(hints.boot_ram, 256 * MIB);
	assert_int_equal(hints.boot_total, 224 * MIB);
	return hints;
}

static void test_as_booted(void **state)
{
	const struct guest_hints hints = learnt();
	const struct guest_size s = size_of(224 * MIB, 0, "", &hints);

	assert_int_equal(s.plugged, 256 * MIB);
	assert_int_equal(s.online, 256 * MIB);
	assert_int_equal(s.usable, 224 * MIB);
	assert_int_equal(s.promised, 224 * MIB);
	assert_int_equal(s.requested, 0);
	assert_int_equal(s.tables, 0);
}

/* As 6.1 writes it: the device's range, what was added of it indented below. */
#define VIRTIO                                                                                     \
	"140000000-15fffffff : virtio0\n"                                                          \
	"  140000000-14fffffff : System RAM (virtio_mem)\n"

/* Asked for, plugged, in use: three numbers; the smallest is promised. */
static void test_virtio_mem(void **state)
{
	struct guest_hints hints = learnt();
	struct guest_size s;

	hints.devices.virtio_mem = 1;
	hints.requested_known = true;
	hints.requested = 192 * MIB;
	hints.blocks.online = 4;
	s = size_of((224 + 192) * MIB, 0, VIRTIO, &hints);
	assert_int_equal(s.virtio_ram, 2 * BLOCK);
	assert_int_equal(s.plugged, (256 + 192) * MIB);
	assert_int_equal(s.online, s.plugged);
	assert_int_equal(s.requested, s.plugged);
	assert_int_equal(s.promised, (224 + 192) * MIB);
	assert_int_equal(s.tables, 2 * BLOCK / (uint64_t)sysconf(_SC_PAGESIZE) * 64);
	/* on its way in: what is there counts */
	hints.requested = 256 * MIB;
	s = size_of((224 + 192) * MIB, 0, VIRTIO, &hints);
	assert_int_equal(s.requested, 512 * MIB);
	assert_int_equal(s.promised, (224 + 192) * MIB);
	/* on its way out: what stays counts */
	hints.requested = 64 * MIB;
	s = size_of((224 + 192) * MIB, 0, VIRTIO, &hints);
	assert_int_equal(s.plugged, (256 + 192) * MIB);
	assert_int_equal(s.usable, (224 + 192) * MIB);
	assert_int_equal(s.promised, (224 + 64) * MIB);
	/* a block that nobody has put to use */
	hints.requested = 192 * MIB;
	hints.blocks = (struct memory_blocks){BLOCK, 3, 1};
	s = size_of((224 + 64) * MIB, 0, VIRTIO, &hints);
	assert_int_equal(s.plugged, (256 + 192) * MIB);
	assert_int_equal(s.online, (256 + 64) * MIB);
	assert_int_equal(s.promised, (224 + 64) * MIB);
}

/* Never seen without: whole blocks, and no debt is made of the part that is not plugged. */
static void test_plugged_before_we_looked(void **state)
{
	struct guest_hints hints = {.requested_known = true, .requested = 192 * MIB};
	struct guest_size s = size_of((224 + 192) * MIB, 0, VIRTIO, &hints);

	guest_hints_learn(&hints, &s);
	assert_int_equal(hints.boot_ram, 256 * MIB);
	assert_int_equal(hints.boot_total, 0);
	s = size_of((224 + 192) * MIB, 0, VIRTIO, &hints);
	assert_int_equal(s.plugged, 512 * MIB);
	assert_int_equal(s.promised, (224 + 192) * MIB);
}

#define STICK "110000000-117ffffff : System RAM\n"

static void test_dimm(void **state)
{
	struct guest_hints hints = learnt();
	struct guest_size s = size_of((224 + 128) * MIB, 0, STICK, &hints);

	assert_int_equal(s.plugged, (256 + 128) * MIB);
	assert_int_equal(s.promised, (224 + 128) * MIB);
	assert_int_equal(s.tables, BLOCK / (uint64_t)sysconf(_SC_PAGESIZE) * 64);
	/* beside a device that has plugged half a block */
	s = size_of((224 + 128 + 192) * MIB, 0, STICK VIRTIO, &hints);
	assert_int_equal(s.plugged, (256 + 128 + 192) * MIB);
	/* its tables in the block itself: hidden from MemTotal like those of boot */
	hints.tables_in_blocks = true;
	s = size_of((224 + 126) * MIB, 0, STICK, &hints);
	assert_int_equal(s.tables, 0);
	/* what was learnt at boot is not learnt again */
	guest_hints_learn(&hints, &s);
	assert_int_equal(hints.boot_ram, 256 * MIB);
	assert_int_equal(hints.boot_total, 224 * MIB);
}

static void test_balloon(void **state)
{
	struct guest_hints hints = learnt();
	struct guest_size s = size_of(176 * MIB, 48 * MIB, "", &hints);

	assert_int_equal(s.balloon, 48 * MIB);
	assert_int_equal(s.balloon_in_total, 0);
	assert_int_equal(s.plugged, 256 * MIB);
	assert_int_equal(s.promised, 176 * MIB);
	guest_hints_learn(&hints, &s);
	assert_int_equal(hints.boot_total, 224 * MIB);
	/* one that gives way stays in MemTotal */
	hints.devices.balloon = hints.devices.balloon_gives_way = true;
	s = size_of(224 * MIB, 48 * MIB, "", &hints);
	assert_int_equal(s.balloon_in_total, 48 * MIB);
	assert_int_equal(s.usable, 176 * MIB);
	assert_int_equal(s.promised, 176 * MIB);
}

static void test_little_is_told(void **state)
{
	const struct guest_hints hints = {0};
	const struct worker_file none = file_of(NULL), zero = file_of("0-0 : System RAM\n"),
				 meminfo = file_of("MemTotal: 1000 kB\n");
	struct guest_size s;

	assert_int_equal(guest_size_of(&meminfo, &none, &zero, &hints, &s), 0);
	assert_int_equal(s.plugged, 0);
	assert_int_equal(s.promised, 1000 * 1024);
	assert_int_equal(guest_size_of(&none, &none, &none, &hints, &s), -EPROTO);
}

/* ---- sysfs --------------------------------------------------------------------------------------
 */

static void test_blocks(void **state)
{
	struct memory_blocks blocks;

	assert_int_equal(memory_blocks_read("/nowhere", &blocks), -ENOENT);
	scratch_file("memory/block_size_bytes", "8000000\n");
	scratch_file("memory/memory0/state", "online\n");
	scratch_file("memory/memory1/state", "online\n");
	scratch_file("memory/memory40/state", "offline\n");
	scratch_file("memory/memory41/state", "going-offline\n");
	scratch_file("memory/memoryx/state", "online\n");
	scratch_file("memory/power/state", "online\n");
	scratch_file("memory/memory9/none", "online\n");
	assert_int_equal(memory_blocks_read(scratch_path("memory"), &blocks), 0);
	assert_int_equal(blocks.block_bytes, BLOCK);
	assert_int_equal(blocks.online, 2);
	assert_int_equal(blocks.offline, 2);
}

static void test_devices(void **state)
{
	struct guest_devices devices;

	guest_devices_read("/nowhere", &devices);
	assert_false(devices.virtio_mem || devices.balloon);
	scratch_file("drivers/virtio_mem/virtio3/features", "0000\n");
	scratch_file("drivers/virtio_mem/bind", "");
	scratch_file("drivers/virtio_balloon/virtio1/features", "0100\n");
	guest_devices_read(scratch_path("drivers"), &devices);
	assert_int_equal(devices.virtio_mem, 1);
	assert_int_equal(devices.virtio_mem_ids[0], 3);
	assert_true(devices.balloon);
	assert_false(devices.balloon_gives_way);
	scratch_file("drivers/virtio_balloon/virtio1/features", "0110\n");
	guest_devices_read(scratch_path("drivers"), &devices);
	assert_true(devices.balloon_gives_way);
	scratch_remove();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_as_booted),
	cmocka_unit_test(test_virtio_mem),
	cmocka_unit_test(test_plugged_before_we_looked),
	cmocka_unit_test(test_dimm),
	cmocka_unit_test(test_balloon),
	cmocka_unit_test(test_little_is_told),
	cmocka_unit_test(test_blocks),
	cmocka_unit_test(test_devices),
};
TEST_MAIN(tests)
