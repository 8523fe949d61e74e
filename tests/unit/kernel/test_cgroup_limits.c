/* cgroup_limits.c: OCI resources -> writes, as a table; cgroup.c's paths; kmsg.c's lines. */
#include "kernel/cgroup_limits.h"

#include <errno.h>
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
	if (cgroup_limits_plan(NULL, resources, &arena, &writes, &err) < 0)
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
	/* c11: 0 is "not set" on the wire; c20: -1 is "no limit" */
	r.memory = &memory;
	r.pids = &pids;
	assert_string_equal(plan(&r), "");
	memory.limit = memory.swap = memory.reservation = -1;
	pids.limit = -1;
	assert_string_equal(
		plan(&r), "memory.max=max;memory.low=0;memory.swap.max=max;pids.max=max;");
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
	const struct cgroup group = {.path = (char *)scratch_dir()};

	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unlinkat(fd, names[i], 0);
		if (texts[i])
			assert_int_equal(file_replace(scratch_path("%s", names[i]), texts[i],
						 strlen(texts[i]), 0644),
				0);
	}
	text[0] = '\0';
	if (cgroup_limits_plan_update(&group, resources, &arena, &writes, &err) < 0)
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
	cpu.quota = -1; /* c20 */
	assert_string_equal(plan_update(&r, NULL, NULL, "7000 50000\n"), "cpu.max=max 50000;");
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
	cpu.quota = 0;
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

/* c21: a device's weight is its own; both files that may take it are planned, one is written. */
static void test_io_weights(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxBlockIO io = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxWeightDevice device = GRPC__LINUX_WEIGHT_DEVICE__INIT, *devices[] = {&device};
	Grpc__LinuxThrottleDevice none = GRPC__LINUX_THROTTLE_DEVICE__INIT, *throttles[] = {&none};

	io.weight = 1000;
	device.major = 254;
	device.weight = 10;
	io.weightdevice = devices;
	io.n_weightdevice = 1;
	/* a rate of 0 takes the throttle away */
	io.throttlereadiopsdevice = throttles;
	io.n_throttlereadiopsdevice = 1;
	r.blockio = &io;
	assert_string_equal(plan(&r), "io.bfq.weight=1000;io.weight=default 10000;"
				      "io.bfq.weight=254:0 10;io.weight=254:0 1;"
				      "io.max=0:0 riops=max;");
}

/* What the kernel would round is rounded before (c23); the largest number is no limit. */
static void test_huge_pages_are_whole(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT, *huges[] = {&huge};

	huge.pagesize = (char *)"2MB";
	huge.limit = 5000000;
	r.hugepagelimits = huges;
	r.n_hugepagelimits = 1;
	assert_string_equal(plan(&r), "hugetlb.2MB.max=4194304;");
	huge.limit = UINT64_MAX;
	assert_string_equal(plan(&r), "hugetlb.2MB.max=max;");
	huge.pagesize = (char *)"64KB";
	huge.limit = 65535;
	assert_string_equal(plan(&r), "hugetlb.64KB.max=0;");
}

/* ---- the same for v1 ---- */

static const char mountinfo[] =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /cg/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	"34 31 0:31 / /cg/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
	"35 31 0:32 / /cg/memory rw,relatime - cgroup cgroup rw,memory\n"
	"36 31 0:32 / /elsewhere/memory rw,relatime - cgroup cgroup rw,memory\n"
	"37 31 0:35 / /cg/blkio rw,relatime - cgroup cgroup rw,blkio\n"
	"38 31 0:36 / /cg/hugetlb rw,relatime - cgroup cgroup rw,hugetlb\n"
	"39 31 0:37 / /cg/net rw,relatime - cgroup cgroup rw,net_cls,net_prio\n"
	"40 31 0:38 / /cg/systemd rw - cgroup cgroup rw,xattr,release_agent=/x/pids,name=systemd\n"
	"41 31 0:39 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

static struct cgroup_root v1_root;

static const char *plan_v1(const Grpc__LinuxResources *resources)
{
	static char text[2048];
	struct cgroup_writes writes;
	struct error err = ERROR_INIT;
	size_t n = 0;

	text[0] = '\0';
	if (cgroup_limits_plan(&v1_root, resources, &arena, &writes, &err) < 0)
		return strcpy(text, err.text);
	for (size_t i = 0; i < writes.count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s;", writes.list[i].file,
			writes.list[i].value);
	return text;
}

static int setup_v1(void **state)
{
	const char *path = scratch_path("mountinfo");

	memset(&v1_root, 0, sizeof(v1_root));
	assert_int_equal(file_replace(path, mountinfo, strlen(mountinfo), 0644), 0);
	assert_int_equal(cgroup_hierarchies_read(&v1_root.v1, path), 0);
	str_copy(v1_root.mount, sizeof(v1_root.mount), "/cg/memory");
	str_copy(v1_root.base, sizeof(v1_root.base), "/cg/memory");
	v1_root.v1_only = true;
	return setup(state);
}

static void test_v1_hierarchies(void **state)
{
	const struct cgroup group = {.path = (char *)"/cg/memory/pod/x", .root = &v1_root};
	char dir[PATH_MAX];

	assert_int_equal(v1_root.v1.count, 7);
	assert_int_equal(cgroup_dir(&group, "cpuacct", dir, sizeof(dir)), 0);
	assert_string_equal(dir, "/cg/cpu,cpuacct/pod/x");
	assert_int_equal(cgroup_dir(&group, "memory", dir, sizeof(dir)), 0);
	assert_string_equal(dir, "/cg/memory/pod/x");
	assert_int_equal(cgroup_dir(&group, "net_prio", dir, sizeof(dir)), 0);
	assert_string_equal(dir, "/cg/net/pod/x");
	assert_int_equal(cgroup_dir(&group, "name=systemd", dir, sizeof(dir)), 0);
	/* a word inside another word is none */
	assert_int_equal(cgroup_dir(&group, "pids", dir, sizeof(dir)), -ENOENT);
	assert_int_equal(cgroup_dir(&group, "set", dir, sizeof(dir)), -ENOENT);
}

static void test_v1_memory(void **state)
{
	static const char kmem[] = "memory.kmem.limit_in_bytes=1;memory.kmem.limit_in_bytes=-1;";
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	char expected[512];

	r.memory = &memory;
	memory.limit = 67108864;
	memory.swap = 100663296; /* with the memory, as v1 counts it */
	memory.reservation = 33554432;
	memory.kernel = 1048576;
	memory.kerneltcp = 2097152;
	memory.swappiness = 60;
	memory.disableoomkiller = true;
	str_format(expected, sizeof(expected),
		"%smemory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes=100663296;"
		"memory.soft_limit_in_bytes=33554432;memory.kmem.limit_in_bytes=1048576;"
		"memory.kmem.tcp.limit_in_bytes=2097152;memory.swappiness=60;"
		"memory.oom_control=1;",
		kmem);
	assert_string_equal(plan_v1(&r), expected);
	memory.swap = 67108863;
	assert_non_null(strstr(plan_v1(&r), "below Memory.Limit"));
}

static const char *update_v1(
	int64_t limit, int64_t swap, const char *limit_now, const char *memsw_now)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	struct cgroup group = {.root = &v1_root};
	struct cgroup_writes writes;
	struct error err = ERROR_INIT;
	static char text[512];
	size_t n = 0;

	/* a hierarchy in the scratch folder */
	str_copy(v1_root.v1.list[2].mount, sizeof(v1_root.v1.list[2].mount), scratch_dir());
	str_copy(v1_root.mount, sizeof(v1_root.mount), scratch_dir());
	group.path = (char *)scratch_dir();
	assert_int_equal(file_replace(scratch_path("memory.limit_in_bytes"), limit_now,
				 strlen(limit_now), 0644),
		0);
	assert_int_equal(file_replace(scratch_path("memory.memsw.limit_in_bytes"), memsw_now,
				 strlen(memsw_now), 0644),
		0);
	r.memory = &memory;
	memory.limit = limit;
	memory.swap = swap;
	assert_int_equal(cgroup_limits_plan_update(&group, &r, &arena, &writes, &err), 0);
	for (size_t i = 0; i < writes.count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s;",
			writes.list[i].file + strlen("memory."), writes.list[i].value);
	return text;
}

/* At every moment the limit is at most the one with swap. */
static void test_v1_order_of_memory_and_swap(void **state)
{
	assert_string_equal(update_v1(8192, 16384, "4096\n", "8192\n"),
		"memsw.limit_in_bytes=16384;limit_in_bytes=8192;");
	assert_string_equal(update_v1(4096, 8192, "16384\n", "32768\n"),
		"limit_in_bytes=4096;memsw.limit_in_bytes=8192;");
	/* c20: none, and then none with swap either */
	assert_string_equal(
		update_v1(-1, 0, "4096\n", "4096\n"), "memsw.limit_in_bytes=-1;limit_in_bytes=-1;");
	assert_string_equal(update_v1(8192, -1, "4096\n", "4096\n"),
		"memsw.limit_in_bytes=-1;limit_in_bytes=8192;");
	assert_string_equal(update_v1(8192, 0, "4096\n", "16384\n"), "limit_in_bytes=8192;");
}

static void test_v1_cpu_io_net(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxBlockIO io = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxWeightDevice weight = GRPC__LINUX_WEIGHT_DEVICE__INIT, *weights[] = {&weight};
	Grpc__LinuxThrottleDevice device = GRPC__LINUX_THROTTLE_DEVICE__INIT,
				  *devices[] = {&device};
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT, *huges[] = {&huge};
	Grpc__LinuxNetwork network = GRPC__LINUX_NETWORK__INIT;
	Grpc__LinuxInterfacePriority lo = GRPC__LINUX_INTERFACE_PRIORITY__INIT, *los[] = {&lo};

	r.cpu = &cpu;
	cpu.shares = 1; /* c18 */
	cpu.quota = 50000;
	cpu.period = 200000;
	cpu.realtimeruntime = 1000;
	cpu.realtimeperiod = 2000;
	cpu.cpus = (char *)"0";
	assert_string_equal(plan_v1(&r),
		"cpu.shares=2;cpu.cfs_quota_us=50000;cpu.cfs_period_us=200000;"
		"cpu.rt_period_us=2000;cpu.rt_runtime_us=1000;cpuset.cpus=0;");
	r.cpu = NULL;
	io.weight = 500;
	io.leafweight = 400;
	weight.major = 8;
	weight.weight = 300; /* c21 */
	weight.leafweight = 200;
	io.weightdevice = weights;
	io.n_weightdevice = 1;
	device.major = 8;
	device.minor = 16;
	device.rate = 77;
	io.throttlewriteiopsdevice = devices;
	io.n_throttlewriteiopsdevice = 1;
	r.blockio = &io;
	assert_string_equal(plan_v1(&r),
		"blkio.weight=500;blkio.bfq.weight=500;blkio.leaf_weight=400;"
		"blkio.weight_device=8:0 300;blkio.bfq.weight_device=8:0 300;"
		"blkio.leaf_weight_device=8:0 200;"
		"blkio.throttle.write_iops_device=8:16 77;");
	r.blockio = NULL;
	network.classid = 0x100001;
	lo.name = (char *)"lo";
	lo.priority = 7;
	network.priorities = los;
	network.n_priorities = 1;
	r.network = &network;
	huge.pagesize = (char *)"2MB";
	huge.limit = 4194304;
	r.hugepagelimits = huges;
	r.n_hugepagelimits = 1;
	assert_string_equal(plan_v1(&r), "net_cls.classid=0x100001;net_prio.ifpriomap=lo 7;"
					 "hugetlb.2MB.limit_in_bytes=4194304;");
}

/* ---- writing ---- */

static int apply(const struct cgroup_write *list, size_t count, struct error *err)
{
	const struct cgroup group = {.path = (char *)scratch_dir()};
	struct cgroup_writes writes = {(struct cgroup_write *)list, count};
	size_t set = 0;
	int r = cgroup_limits_apply(&group, &writes, &set, err);

	return r < 0 ? -(int)set - 1 : 0;
}

static const char *now(const char *file)
{
	static char text[64];

	if (file_read(scratch_path("%s", file), text, sizeof(text)) < 0)
		return "none";
	return text;
}

static void test_apply(void **state)
{
	static const struct cgroup_write either[] = {
		{"io", "io.bfq.weight", "500", CGROUP_WRITE_OR_NEXT | CGROUP_WRITE_OPTIONAL},
		{"io", "io.weight", "default 5000", CGROUP_WRITE_OPTIONAL},
		{"pids", "pids.max", "7", 0}};
	static const struct cgroup_write swap[] = {
		{"memory", "memory.max", "4096", 0}, {"memory", "memory.swap.max", "1", 0}};
	static const struct cgroup_write huge[] = {
		{"hugetlb", "hugetlb.2MB.max", "2097152", CGROUP_WRITE_COMPARE}};
	struct error err = ERROR_INIT;

	for (const char *const *f = (const char *const[]){"io.bfq.weight", "io.weight",
		     "memory.max", "memory.swap.max", NULL};
		*f; f++)
		unlink(scratch_path("%s", *f));
	assert_int_equal(file_replace(scratch_path("pids.max"), "", 0, 0644), 0);
	/* neither is there: logged, and the rest is set */
	assert_int_equal(apply(either, 3, &err), 0);
	assert_string_equal(now("pids.max"), "7");
	assert_int_equal(file_replace(scratch_path("io.weight"), "", 0, 0644), 0);
	assert_int_equal(apply(either, 3, &err), 0);
	assert_string_equal(now("io.weight"), "default 5000");
	assert_int_equal(file_replace(scratch_path("io.weight"), "", 0, 0644), 0);
	assert_int_equal(file_replace(scratch_path("io.bfq.weight"), "", 0, 0644), 0);
	assert_int_equal(apply(either, 3, &err), 0);
	assert_string_equal(now("io.bfq.weight"), "500");
	assert_string_equal(now("io.weight"), "");
	/* a kernel that does not account swap is not one without memory controller */
	assert_int_equal(apply(swap, 2, &err), -1);
	assert_non_null(strstr(err.text, "no memory controller"));
	assert_int_equal(file_replace(scratch_path("memory.max"), "max\n", 4, 0644), 0);
	assert_int_equal(apply(swap, 2, &err), -2);
	assert_non_null(strstr(err.text, "memory.swap.max = 1: this guest's kernel does not "
					 "account swap"));
	/* c23: what the kernel made of it is looked at */
	assert_int_equal(file_replace(scratch_path("hugetlb.2MB.max"), "", 0, 0644), 0);
	assert_int_equal(apply(huge, 1, &err), 0);
	unlink(scratch_path("hugetlb.2MB.max"));
	assert_int_equal(symlink("/dev/null", scratch_path("hugetlb.2MB.max")), 0);
	assert_int_equal(apply(huge, 1, &err), -1);
	assert_non_null(strstr(err.text, "hugetlb.2MB.max = 2097152: the kernel made it"));
	unlink(scratch_path("hugetlb.2MB.max"));
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
	const struct cgroup_root root = {
		.mount = "/sys/fs/cgroup", .base = "/sys/fs/cgroup/cradle"};
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
	cmocka_unit_test_setup_teardown(test_io_weights, setup, teardown),
	cmocka_unit_test_setup_teardown(test_huge_pages_are_whole, setup, teardown),
	cmocka_unit_test_setup_teardown(test_v1_hierarchies, setup_v1, teardown),
	cmocka_unit_test_setup_teardown(test_v1_memory, setup_v1, teardown),
	cmocka_unit_test_setup_teardown(test_v1_order_of_memory_and_swap, setup_v1, teardown),
	cmocka_unit_test_setup_teardown(test_v1_cpu_io_net, setup_v1, teardown),
	cmocka_unit_test(test_apply),
	cmocka_unit_test(test_paths),
	cmocka_unit_test(test_kmsg),
};
TEST_MAIN(tests)
