/* host-tools/stats/plain_agent.c: a plain Kata agent's answers in our words. */
#include "stats/plain_agent.h"

#include "base/cleanup.h"
#include "lib/test_main.h"

static void test_container(void **state)
{
	Grpc__StatsContainerResponse stats = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats cgroup = GRPC__CGROUP_STATS__INIT;
	Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	Grpc__MemoryData usage = GRPC__MEMORY_DATA__INIT;
	Grpc__MemoryStats__StatsEntry rss = GRPC__MEMORY_STATS__STATS_ENTRY__INIT,
				      inactive = GRPC__MEMORY_STATS__STATS_ENTRY__INIT;
	Grpc__MemoryStats__StatsEntry *map[] = {&rss, &inactive};
	Cradle__ContainerMemory ret = CRADLE__CONTAINER_MEMORY__INIT;

	plain_container(&stats, &ret); /* no controller: no figures */
	assert_int_equal(ret.limit_bytes, 0);
	usage.usage = 1000;
	usage.max_usage = 2000;
	usage.limit = 3000;
	rss.key = (char *)"total_rss";
	rss.value = 400;
	inactive.key = (char *)"total_inactive_file";
	inactive.value = 100;
	memory.stats = map;
	memory.n_stats = ARRAY_SIZE(map);
	memory.usage = &usage;
	cgroup.memory_stats = &memory;
	stats.cgroup_stats = &cgroup;
	plain_container(&stats, &ret);
	assert_int_equal(ret.usage_bytes, 1000);
	assert_int_equal(ret.working_set_bytes, 900);
	assert_int_equal(ret.peak_bytes, 2000);
	assert_int_equal(ret.limit_bytes, 3000);
	assert_int_equal(ret.anon_bytes, 400);
	inactive.value = 5000;
	plain_container(&stats, &ret);
	assert_int_equal(ret.working_set_bytes, 0);
}

static void test_guest(void **state)
{
	Cradle__GuestMemory ret = CRADLE__GUEST_MEMORY__INIT;

	plain_guest("# HELP kata_guest_meminfo Statistics about memory usage in the system.\n"
		    "# TYPE kata_guest_meminfo gauge\n"
		    "kata_guest_meminfo{item=\"mem_free\"} 1.048576e+06\n"
		    "kata_guest_meminfo{item=\"mem_total\"} 524288000\n"
		    "kata_guest_meminfo{item=\"cached\"} 4096\n"
		    "kata_guest_meminfo{item=\"buffers\"} 512\n"
		    "kata_guest_meminfo{item=\"slab\"} nonsense",
		&ret);
	assert_int_equal(ret.total_bytes, 524288000);
	assert_int_equal(ret.free_bytes, 1048576);
	assert_int_equal(ret.page_cache_bytes, 4608);
	assert_int_equal(ret.kernel_slab_bytes, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_container),
	cmocka_unit_test(test_guest),
};
TEST_MAIN(tests)
