/* memory_breakdown.c, memory_group.c: /proc and control files as Linux 6.1 writes them -> who holds
 * what, every page once. */
#include "memory/memory_breakdown.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

#define KIB 1024ull

static struct worker_file guest[MEMORY_GUEST_FILES];
static struct worker_file group[MEMORY_GROUP_FILES];
static const struct guest_hints as_booted;

static void set(struct worker_file *file, const char *text)
{
	*file = (struct worker_file){
		"", text ? 0 : ENOENT, text ? text : "", text ? strlen(text) : 0};
}

static void set_all(void)
{
	set(&guest[GUEST_MEMINFO], "MemTotal:        100000 kB\nMemFree:          40000 "
				   "kB\nBuffers:            100 kB\n"
				   "Cached:           20000 kB\nSwapCached:           0 "
				   "kB\nAnonPages:        16000 kB\n"
				   "Shmem:             9000 kB\nKReclaimable:      1500 kB\nSlab:  "
				   "            9000 kB\n"
				   "SReclaimable:      1000 kB\nKernelStack:       1000 "
				   "kB\nPageTables:         800 kB\n"
				   "SecPageTables:        8 kB\nVmallocTotal:  34359738367 "
				   "kB\nVmallocUsed:       3000 kB\n"
				   "Percpu:             600 kB\nHugetlb:           4096 kB\n");
	set(&guest[GUEST_ZONEINFO],
		"Node 0, zone      DMA\n  pages free     1\n    cpu: 0\n"
		"              count: 10\n              high:  14\n"
		"Node 0, zone    DMA32\n  pagesets\n    cpu: 0\n"
		"              count: 32\n    cpu: 1\n              count: 8\n");
	set(&guest[GUEST_IOMEM],
		"00001000-0009ffff : System RAM\n"
		"000a0000-000fffff : Reserved\n  000f0000-000fffff : System ROM\n"
		"00100000-06ffffff : System RAM\n  01000000-01ffffff : Kernel code\n");
	set(&guest[GUEST_VMSTAT], "nr_free_pages 10\nballoon_inflate 0\nballoon_deflate 0\n");
	set(&guest[GUEST_PRESSURE], NULL);
	set(&guest[GUEST_AGENT],
		"00400000-7ffc0000 ---p 00000000 00:00 0 [rollup]\n"
		"Rss: 1500 kB\nPss:      900 kB\nPss_Dirty: 1 kB\nPss_Anon: 300 kB\n");
	set(&guest[GUEST_WORKER], "Pss:      100 kB\nPss_Anon: 50 kB\n");
	set(&group[GROUP_CURRENT], "20971520\n");
	set(&group[GROUP_PEAK], "30000000\n");
	set(&group[GROUP_MAX], "67108864\n");
	set(&group[GROUP_STAT],
		"anon 10240000\nfile 8192000\nkernel 2048000\nkernel_stack 102400\n"
		"pagetables 204800\npercpu 51200\nsock 4096\nvmalloc 0\nshmem 4096000\n"
		"inactive_file 971520\nslab 512000\n");
	set(&group[GROUP_SWAP], "0\n");
	set(&group[GROUP_PRESSURE], "some avg10=1.23 avg60=0.50 avg300=0.00 total=4567\n"
				    "full avg10=0.07 avg60=0.00 avg300=0.00 total=89\n");
}

static void test_group(void **state)
{
	struct memory_group g;

	set_all();
	assert_true(memory_group_parse(group, &g));
	assert_int_equal(g.current, 20971520);
	assert_int_equal(g.peak, 30000000);
	assert_int_equal(g.limit, 67108864);
	assert_int_equal(memory_group_working_set(&g), 20000000);
	assert_int_equal(memory_group_held(&g), 10240000 + 8192000 + 2048000);
	assert_true(g.pressure.known);
	assert_int_equal(g.pressure.some_permyriad, 123);
	assert_int_equal(g.pressure.full_permyriad, 7);
	assert_int_equal(g.pressure.some_usec, 4567);
	assert_int_equal(g.pressure.full_usec, 89);
}

static void test_group_of_old_kernel(void **state)
{
	struct memory_group g;

	set_all();
	set(&group[GROUP_MAX], "max\n");
	set(&group[GROUP_PEAK], NULL);
	set(&group[GROUP_PRESSURE], NULL);
	set(&group[GROUP_STAT], "anon 1\nslab 10\nkernel_stack 200\npagetables 3000\n");
	assert_true(memory_group_parse(group, &g));
	assert_true(g.limit == UINT64_MAX);
	assert_int_equal(g.peak, 0);
	assert_int_equal(g.kernel, 3210);
	assert_false(g.pressure.known);
	set(&group[GROUP_CURRENT], NULL);
	assert_false(memory_group_parse(group, &g));
	assert_int_equal(g.anon, 0);
}

static void test_every_page_once(void **state)
{
	struct memory_group c;
	struct memory_breakdown b;
	uint64_t sum;

	set_all();
	memory_group_parse(group, &c);
	assert_int_equal(memory_breakdown_of(guest, &c, &as_booted, &b), 0);
	assert_int_equal(b.vm, 0x9f000 + 0x6f00000);
	assert_int_equal(b.total, 100000 * KIB);
	assert_int_equal(b.reserved, b.vm - b.total);
	assert_int_equal(b.slab, 9500 * KIB - 512000);
	assert_int_equal(b.stack, 1000 * KIB - 102400);
	assert_int_equal(b.page_tables, 808 * KIB - 204800);
	assert_int_equal(b.percpu, 600 * KIB - 51200);
	assert_int_equal(b.vmalloc, 2000 * KIB); /* less the stacks in it */
	assert_int_equal(b.agent, 1000 * KIB);
	assert_int_equal(b.other_processes, 16000 * KIB - 350 * KIB - 10240000);
	assert_int_equal(b.page_cache, 20100 * KIB - 650 * KIB - 8192000);
	assert_int_equal(b.containers, 10240000 + 8192000 + 2048000);
	assert_int_equal(b.huge_pages, 4096 * KIB);
	assert_int_equal(b.free, 40000 * KIB + 50 * (uint64_t)sysconf(_SC_PAGESIZE));
	sum = b.reserved + b.slab + b.stack + b.page_tables + b.percpu + b.vmalloc + b.agent +
	      b.other_processes + b.page_cache + b.containers + b.huge_pages + b.free;
	assert_true((int64_t)b.vm == (int64_t)sum + b.unexplained);
	assert_false(b.pressure.known);
}

/* A balloon is a line of its own; the tables of what was added are the kernel's. */
static void test_a_size_that_changes(void **state)
{
	struct guest_hints hints = {.boot_ram = 0x9f000 + 0x6f00000};
	struct memory_group c;
	struct memory_breakdown before, b;

	set_all();
	memory_group_parse(group, &c);
	assert_int_equal(memory_breakdown_of(guest, &c, &hints, &before), 0);
	set(&guest[GUEST_VMSTAT], "balloon_inflate 11\nballoon_deflate 1\n");
	assert_int_equal(memory_breakdown_of(guest, &c, &hints, &b), 0);
	assert_int_equal(b.size.balloon, 10 * (uint64_t)sysconf(_SC_PAGESIZE));
	assert_int_equal(b.reserved, before.reserved - b.size.balloon);
	assert_int_equal(b.unexplained, before.unexplained);
	hints.devices.balloon_gives_way = true;
	assert_int_equal(memory_breakdown_of(guest, &c, &hints, &b), 0);
	assert_int_equal(b.reserved, before.reserved);
	assert_int_equal(b.unexplained, before.unexplained - (int64_t)b.size.balloon);
	set(&guest[GUEST_VMSTAT], NULL);
	hints.boot_ram -= 0x700000;
	assert_int_equal(memory_breakdown_of(guest, &c, &hints, &b), 0);
	assert_int_equal(b.reserved, before.reserved + b.size.tables);
	assert_int_equal(b.unexplained, before.unexplained - (int64_t)b.size.tables);
}

/* More counted than there is: said as a negative rest, never wrapped. */
static void test_counted_twice(void **state)
{
	struct memory_group none = {0};
	struct memory_breakdown b;

	set_all();
	set(&guest[GUEST_MEMINFO], "MemTotal: 1000 kB\nMemFree: 900 kB\nSlab: 300 kB\n");
	set(&guest[GUEST_ZONEINFO], NULL);
	set(&guest[GUEST_AGENT], NULL);
	set(&guest[GUEST_WORKER], NULL);
	set(&guest[GUEST_IOMEM], "00000000-00000000 : System RAM\n");
	assert_int_equal(memory_breakdown_of(guest, &none, &as_booted, &b), 0);
	assert_int_equal(b.unexplained, -200 * 1024);
	assert_int_equal(b.vm, 0);
	assert_int_equal(b.reserved, 0);
	set(&guest[GUEST_MEMINFO], NULL);
	assert_int_equal(memory_breakdown_of(guest, &none, &as_booted, &b), -EPROTO);
}

static void test_names(void **state)
{
	const char *names[MEMORY_GUEST_FILES] = {NULL};
	char agent[32];

	memory_guest_files(names, agent, sizeof(agent), 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_non_null(names[i]);
	assert_string_equal(names[GUEST_AGENT], "/proc/1/smaps_rollup");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_group),
	cmocka_unit_test(test_group_of_old_kernel),
	cmocka_unit_test(test_every_page_once),
	cmocka_unit_test(test_a_size_that_changes),
	cmocka_unit_test(test_counted_twice),
	cmocka_unit_test(test_names),
};
TEST_MAIN(tests)
