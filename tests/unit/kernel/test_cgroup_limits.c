/* cgroup_limits.c: OCI resources -> writes, as a table; cgroup.c's paths; kmsg.c's lines. */
#include "kernel/cgroup_limits.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "kernel/cgroup.h"
#include "kernel/kmsg.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct arena arena;

static const char *plan(const Grpc__LinuxResources *resources)
{
	static char text[1024];
	struct cgroup_writes writes;
	struct error err = ERROR_INIT;
	size_t n = 0;

	text[0] = '\0';
	if (cgroup_limits_plan(resources, &arena, &writes, &err) < 0)
		return strcpy(text, err.text);
	for (size_t i = 0; i < writes.count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s;", writes.list[i].file,
			writes.list[i].value);
	return text;
}

static int setup(void **state)
{
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	return 0;
}

static void test_nothing(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;

	assert_string_equal(plan(NULL), "");
	assert_string_equal(plan(&r), "");
	/* c11: 0 and negative are "not set" on the wire */
	r.memory = &memory;
	r.pids = &pids;
	memory.limit = -1;
	pids.limit = -1;
	assert_string_equal(plan(&r), "");
}

/* Control files of a group, as plain files. */
static const char *plan_update(const Grpc__LinuxResources *resources, const char *memory_max,
	const char *swap_max, const char *cpu_max)
{
	static const char *const names[] = {"memory.max", "memory.swap.max", "cpu.max"};
	const char *const texts[] = {memory_max, swap_max, cpu_max};
	static char text[1024];
	struct cgroup_writes writes;
	struct error err = ERROR_INIT;
	size_t n = 0;
	int fd = open(scratch_dir(), O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unlinkat(fd, names[i], 0);
		if (texts[i])
			assert_int_equal(file_replace(scratch_path("%s", names[i]), texts[i],
						 strlen(texts[i]), 0644),
				0);
	}
	text[0] = '\0';
	if (cgroup_limits_plan_update(fd, resources, &arena, &writes, &err) < 0)
		str_copy(text, sizeof(text), err.text);
	else
		for (size_t i = 0; i < writes.count; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s;",
				writes.list[i].file, writes.list[i].value);
	close(fd);
	return text;
}

/* What an update does not say stays as it is. */
static void test_update_keeps_the_rest(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;

	r.cpu = &cpu;
	assert_string_equal(plan_update(&r, NULL, NULL, "7000 50000\n"), "");
	cpu.quota = -1;
	assert_string_equal(plan_update(&r, NULL, NULL, "7000 50000\n"), "");
	cpu.quota = 9000;
	assert_string_equal(plan_update(&r, NULL, NULL, "7000 50000\n"), "cpu.max=9000 50000;");
	cpu.quota = 0;
	cpu.period = 20000;
	assert_string_equal(plan_update(&r, NULL, NULL, "7000 50000\n"), "cpu.max=7000 20000;");
	assert_string_equal(plan_update(&r, NULL, NULL, "max 100000\n"), "cpu.max=max 20000;");
	assert_string_equal(plan_update(&r, NULL, NULL, NULL), "cpu.max=max 20000;");
}

/* Swap first when it grows, memory first when it does not. */
static void test_update_order_of_memory_and_swap(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;

	r.memory = &memory;
	memory.limit = 4096;
	memory.swap = 20480;
	assert_string_equal(plan_update(&r, "8192\n", "8192\n", NULL),
		"memory.swap.max=16384;memory.max=4096;");
	assert_string_equal(plan_update(&r, "8192\n", "32768\n", NULL),
		"memory.max=4096;memory.swap.max=16384;");
	assert_string_equal(
		plan_update(&r, "8192\n", "max\n", NULL), "memory.max=4096;memory.swap.max=16384;");
	/* alone, Swap counts the memory that the group may use already */
	memory.limit = 0;
	assert_string_equal(plan_update(&r, "8192\n", "max\n", NULL), "memory.swap.max=12288;");
	assert_string_equal(plan_update(&r, "max\n", "max\n", NULL), "memory.swap.max=20480;");
	assert_non_null(
		strstr(plan_update(&r, "40960\n", "max\n", NULL), "below Memory.Limit 40960"));
}

static void test_memory(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;

	r.memory = &memory;
	memory.limit = 67108864;
	memory.reservation = 33554432;
	/* c17: OCI's swap counts memory and swap together */
	memory.swap = 100663296;
	assert_string_equal(
		plan(&r), "memory.max=67108864;memory.low=33554432;memory.swap.max=33554432;");
	memory.swap = 67108864;
	assert_string_equal(plan(&r), "memory.max=67108864;memory.low=33554432;memory.swap.max=0;");
	memory.swap = 67108863;
	assert_non_null(strstr(plan(&r), "below Memory.Limit"));
	memory.swap = 0;
	memory.swappiness = 60; /* v2 has none: must not overwrite swap.max */
	assert_string_equal(plan(&r), "memory.max=67108864;memory.low=33554432;");
	memory.swappiness = 101;
	assert_non_null(strstr(plan(&r), "Swappiness 101"));
}

static void test_cpu_and_pids(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	static const struct {
		uint64_t shares;
		const char *weight;
	} shares[] = {{1, "cpu.weight=1;"}, {2, "cpu.weight=1;"}, {1024, "cpu.weight=39;"},
		{262144, "cpu.weight=10000;"}, {UINT64_MAX, "cpu.weight=10000;"}};

	r.cpu = &cpu;
	/* c18: clamped */
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		cpu.shares = shares[i].shares;
		assert_string_equal(plan(&r), shares[i].weight);
	}
	cpu.shares = 0;
	cpu.quota = 150000;
	assert_string_equal(plan(&r), "cpu.max=150000 100000;");
	cpu.period = 50000;
	assert_string_equal(plan(&r), "cpu.max=150000 50000;");
	cpu.quota = -1;
	assert_string_equal(plan(&r), "cpu.max=max 50000;");
	cpu.period = 0;
	cpu.cpus = (char *)"0-1";
	cpu.mems = (char *)"0";
	r.pids = &pids;
	pids.limit = 32;
	assert_string_equal(plan(&r), "cpuset.cpus=0-1;cpuset.mems=0;pids.max=32;");
}

static void test_io_and_hugepages(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxBlockIO io = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxThrottleDevice device = GRPC__LINUX_THROTTLE_DEVICE__INIT,
				  *devices[] = {&device};
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT, *huges[] = {&huge};

	device.major = 254;
	device.minor = 16;
	device.rate = 1048576;
	io.throttlewritebpsdevice = devices;
	io.n_throttlewritebpsdevice = 1;
	r.blockio = &io;
	huge.pagesize = (char *)"2MB";
	huge.limit = 4194304;
	r.hugepagelimits = huges;
	r.n_hugepagelimits = 1;
	assert_string_equal(plan(&r), "io.max=254:16 wbps=1048576;hugetlb.2MB.max=4194304;");
	huge.pagesize = (char *)"../../x";
	assert_non_null(strstr(plan(&r), "Pagesize '../../x'"));
}

static void test_paths(void **state)
{
	static const struct {
		const char *path, *expected; /* NULL: refused */
	} cases[] = {
		{"", "/sys/fs/cgroup/cradle/abc"},
		{NULL, "/sys/fs/cgroup/cradle/abc"},
		{"/pod/x", "/sys/fs/cgroup/cradle/pod/x"},
		{"kubepods.slice:cri-containerd:X",
			"/sys/fs/cgroup/cradle/kubepods.slice/cri-containerd/X"},
		{"/", NULL},
		{"..", NULL},
		{"a/../b", NULL},
		{"::", NULL},
	};
	const struct cgroup_root root = {"/sys/fs/cgroup", "/sys/fs/cgroup/cradle"};
	char out[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		int r = cgroup_path_for(&root, cases[i].path, "abc", out, sizeof(out), &err);

		if (cases[i].expected) {
			assert_int_equal(r, 0);
			assert_string_equal(out, cases[i].expected);
		} else {
			assert_true(r < 0);
			assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
		}
	}
}

static void test_kmsg(void **state)
{
	/* as Linux 6.1 wrote it */
	static const char line[] =
		"6,512,33554432,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,"
		"mems_allowed=0,oom_memcg=/cradle/hog,task_memcg=/cradle/"
		"hog,task=tail,pid=97,uid=0\n";
	struct kmsg_oom oom;

	assert_true(kmsg_parse_oom(line, &oom));
	assert_string_equal(oom.task_memcg, "/cradle/hog");
	assert_string_equal(oom.comm, "tail");
	assert_int_equal(oom.pid, 97);
	assert_false(
		kmsg_parse_oom("6,1,2,-;Memory cgroup out of memory: Killed process 97", &oom));
	assert_false(kmsg_parse_oom("oom-kill:,task=x,pid=1", &oom));
	assert_false(kmsg_parse_oom("6,1,2,-;oom-kill:,task_memcg=/a,task=x,pid=abc", &oom));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
	cmocka_unit_test_setup_teardown(test_update_keeps_the_rest, setup, teardown),
	cmocka_unit_test_setup_teardown(test_update_order_of_memory_and_swap, setup, teardown),
	cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
	cmocka_unit_test_setup_teardown(test_cpu_and_pids, setup, teardown),
	cmocka_unit_test_setup_teardown(test_io_and_hugepages, setup, teardown),
	cmocka_unit_test(test_paths),
	cmocka_unit_test(test_kmsg),
};
TEST_MAIN(tests)
