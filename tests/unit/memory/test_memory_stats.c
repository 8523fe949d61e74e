/* memory_stats.c: control files as Linux 6.1 writes them -> StatsContainer's figures. */
#include "memory/memory_stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

static struct worker_file files[WORKER_FILES_MAX];

static void set(const char *name, const char *text)
{
	for (size_t i = 0; i < memory_stats_file_count; i++) {
		if (strcmp(memory_stats_files[i], name) != 0)
			continue;
		files[i] = (struct worker_file){
			name, text ? 0 : ENOENT, text ? text : "", text ? strlen(text) : 0};
		return;
	}
	fail_msg("no file %s", name);
}

static void all_missing(void)
{
	assert_true(memory_stats_file_count <= WORKER_FILES_MAX);
	for (size_t i = 0; i < memory_stats_file_count; i++)
		set(memory_stats_files[i], NULL);
}

static void all_there(void)
{
	all_missing();
	set("cpu.stat", "usage_usec 7000\nuser_usec 4000\nsystem_usec 3000\nnr_periods 10\n"
			"nr_throttled 4\nthrottled_usec 123\n");
	set("memory.current", "1048576\n");
	set("memory.peak", "2097152\n");
	set("memory.max", "67108864\n");
	set("memory.events", "low 0\nhigh 0\nmax 17\noom 2\noom_kill 1\n");
	set("memory.stat",
		"anon 4096\nfile 8192\nkernel 100\nfile_mapped 12\nshmem 64\n"
		"file_dirty 3\nanon_thp 5\ninactive_file 6000\npgfault 77\npgmajfault 8\n");
	set("memory.swap.current", "11\n");
	set("memory.swap.max", "max\n");
	set("memory.swap.events", "high 0\nmax 0\nfail 3\n");
	set("pids.current", "4\n");
	set("pids.max", "100\n");
	set("io.stat", "254:0 rbytes=1024 wbytes=2048 rios=3 wios=4 dbytes=5 dios=6\n"
		       "8:16 wbytes=7 rios=8\n7:0 \n");
	set("/proc/net/dev", "Inter-|   Receive\n face |bytes packets\n"
			     "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
			     "  eth0: 101 102 103 104 0 0 0 0 105 106 107 108 0 0 0 0\n");
}

static Grpc__StatsContainerResponse response;

static Grpc__CgroupStats *fill(struct arena *arena)
{
	struct error err = ERROR_INIT;

	arena_init(arena, 1 << 20);
	grpc__stats_container_response__init(&response);
	assert_int_equal(
		memory_stats_fill(files, memory_stats_file_count, arena, &response, &err), 0);
	return response.cgroup_stats;
}

/* A name's value in the map; fails when it is there twice. */
static bool find(const Grpc__MemoryStats *memory, const char *name, uint64_t *ret)
{
	bool found = false;

	*ret = 0;
	for (size_t i = 0; i < memory->n_stats; i++) {
		if (strcmp(memory->stats[i]->key, name) != 0)
			continue;
		assert_false(found);
		*ret = memory->stats[i]->value;
		found = true;
	}
	return found;
}

static uint64_t stat_of(const Grpc__MemoryStats *memory, const char *name)
{
	uint64_t value;

	if (!find(memory, name, &value))
		fail_msg("the map has no %s", name);
	return value;
}

static void test_everything(void **state)
{
	struct arena arena;
	Grpc__CgroupStats *s;

	all_there();
	s = fill(&arena);
	assert_int_equal(s->cpu_stats->cpu_usage->total_usage, 7000000);
	assert_int_equal(s->cpu_stats->cpu_usage->usage_in_usermode, 4000000);
	assert_int_equal(s->cpu_stats->cpu_usage->usage_in_kernelmode, 3000000);
	/* c19: not 0 */
	assert_int_equal(s->cpu_stats->throttling_data->throttled_time, 123000);
	assert_int_equal(s->cpu_stats->throttling_data->periods, 10);
	assert_int_equal(s->cpu_stats->throttling_data->throttled_periods, 4);
	assert_int_equal(s->memory_stats->usage->usage, 1048576);
	assert_int_equal(s->memory_stats->usage->max_usage, 2097152);
	assert_int_equal(s->memory_stats->usage->limit, 67108864);
	assert_int_equal(s->memory_stats->usage->failcnt, 17);
	assert_int_equal(s->memory_stats->cache, 8192);
	assert_int_equal(s->memory_stats->swap_usage->usage, 11);
	assert_int_equal(s->memory_stats->swap_usage->limit, 0);
	assert_int_equal(s->memory_stats->swap_usage->failcnt, 3);
	assert_int_equal(s->memory_stats->kernel_usage->usage, 100);
	assert_true(s->memory_stats->kernel_usage->limit == UINT64_MAX);
	assert_false(s->memory_stats->use_hierarchy);
	assert_int_equal(stat_of(s->memory_stats, "file_mapped"), 12);
	assert_int_equal(s->pids_stats->current, 4);
	assert_int_equal(s->pids_stats->limit, 100);
	arena_release(&arena);
}

/*
 * The three ways in which a shim turns our answer into what kubelet and `crictl stats` show. usage
 * is 1048576, of which 6000 are inactive page cache: the working set is 1042576 in each.
 *
 * Kata's Go shim on a v1 host (containerd-shim-v2/metrics.go, setMemoryStatsV1): Cache, RSS and
 * MappedFile from total_* with use_hierarchy, else from the bare names; TotalInactiveFile from
 * total_inactive_file. Kata's Go shim on a v2 host (setMemoryStatsV2): v2's names. runtime-rs
 * (trans_from_agent.rs): always v1, cache from its own field. containerd's CRI then computes
 *   v1: Usage.Usage - TotalInactiveFile     v2: Usage - InactiveFile     (0 when that is negative)
 */
static void test_working_set_of_shims(void **state)
{
	struct arena arena;
	const Grpc__MemoryStats *m;
	const char *prefix;
	char name[64];

	all_there();
	m = fill(&arena)->memory_stats;
	assert_int_equal(m->usage->usage - stat_of(m, "total_inactive_file"), 1042576);
	assert_int_equal(m->usage->usage - stat_of(m, "inactive_file"), 1042576);
	prefix = m->use_hierarchy ? "total_" : "";
	snprintf(name, sizeof(name), "%scache", prefix);
	assert_int_equal(stat_of(m, name), 8192);
	snprintf(name, sizeof(name), "%srss", prefix);
	assert_int_equal(stat_of(m, name), 4096);
	snprintf(name, sizeof(name), "%smapped_file", prefix);
	assert_int_equal(stat_of(m, name), 12);
	assert_int_equal(m->cache, stat_of(m, "total_cache"));
	arena_release(&arena);
}

/* Every v1 name that either shim reads, with its value; each once. */
static void test_old_names(void **state)
{
	static const struct {
		const char *name;
		uint64_t value;
	} expected[] = {{"cache", 8192}, {"total_cache", 8192}, {"rss", 4096}, {"total_rss", 4096},
		{"rss_huge", 5}, {"total_rss_huge", 5}, {"mapped_file", 12},
		{"total_mapped_file", 12}, {"dirty", 3}, {"total_dirty", 3}, {"shmem", 64},
		{"total_shmem", 64}, {"swap", 11}, {"total_swap", 11}, {"pgfault", 77},
		{"total_pgfault", 77}, {"pg_fault", 77}, {"total_pg_fault", 77}, {"pgmajfault", 8},
		{"pg_maj_fault", 8}, {"total_pg_maj_fault", 8}};
	struct arena arena;
	const Grpc__MemoryStats *m;
	uint64_t value;

	all_there();
	m = fill(&arena)->memory_stats;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(stat_of(m, expected[i].name), expected[i].value);
	/* the kernel said nothing about these: absent, not 0 */
	assert_false(find(m, "total_unevictable", &value));
	assert_false(find(m, "writeback", &value));
	arena_release(&arena);
	set("memory.swap.current", NULL);
	m = fill(&arena)->memory_stats;
	assert_false(find(m, "total_swap", &value));
	arena_release(&arena);
}

static void test_network(void **state)
{
	struct arena arena;
	const Grpc__NetworkStats *n;

	all_there();
	fill(&arena);
	assert_int_equal(response.n_network_stats, 2);
	n = response.network_stats[1];
	assert_string_equal(n->name, "eth0");
	assert_int_equal(n->rx_bytes, 101);
	assert_int_equal(n->rx_packets, 102);
	assert_int_equal(n->rx_errors, 103);
	assert_int_equal(n->rx_dropped, 104);
	assert_int_equal(n->tx_bytes, 105);
	assert_int_equal(n->tx_packets, 106);
	assert_int_equal(n->tx_errors, 107);
	assert_int_equal(n->tx_dropped, 108);
	arena_release(&arena);
}

/* Sizes differ by architecture: whatever the last one of ours is. */
static void test_hugetlb(void **state)
{
	const char *current = memory_stats_files[memory_stats_file_count - 2];
	const char *events = memory_stats_files[memory_stats_file_count - 1];
	const Grpc__CgroupStats *s;
	struct arena arena;
	char expected[64];

	all_there();
	assert_int_equal(fill(&arena)->n_hugetlb_stats, 0);
	arena_release(&arena);
	set(current, "2147483648\n");
	set(events, "max 9\n");
	s = fill(&arena);
	assert_int_equal(s->n_hugetlb_stats, 1);
	snprintf(expected, sizeof(expected), "hugetlb.%s.current", s->hugetlb_stats[0]->key);
	assert_string_equal(current, expected);
	assert_true(s->hugetlb_stats[0]->value->usage == 2147483648u);
	assert_int_equal(s->hugetlb_stats[0]->value->failcnt, 9);
	arena_release(&arena);
}

/* c19: any subset of keys, in any order, every device. */
static void test_io(void **state)
{
	static const struct {
		uint64_t major, minor, value;
		const char *op;
	} expected[] = {{254, 0, 1024, "read"}, {254, 0, 2048, "write"}, {254, 0, 3, "rios"},
		{254, 0, 4, "wios"}, {254, 0, 5, "dbytes"}, {254, 0, 6, "dios"},
		{8, 16, 7, "write"}, {8, 16, 8, "rios"}};
	struct arena arena;
	Grpc__CgroupStats *s;

	all_there();
	s = fill(&arena);
	assert_int_equal(s->blkio_stats->n_io_service_bytes_recursive, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const Grpc__BlkioStatsEntry *e = s->blkio_stats->io_service_bytes_recursive[i];

		assert_int_equal(e->major, expected[i].major);
		assert_int_equal(e->minor, expected[i].minor);
		assert_int_equal(e->value, expected[i].value);
		assert_string_equal(e->op, expected[i].op);
	}
	arena_release(&arena);
}

static void test_unlimited(void **state)
{
	struct arena arena;
	Grpc__CgroupStats *s;

	all_there();
	set("memory.max", "max\n");
	set("pids.max", "max\n");
	s = fill(&arena);
	assert_true(s->memory_stats->usage->limit == UINT64_MAX);
	assert_int_equal(s->pids_stats->limit, 0);
	arena_release(&arena);
}

/* A missing controller leaves its message out; a missing file alone gives 0. */
static void test_missing(void **state)
{
	struct arena arena;
	Grpc__CgroupStats *s;

	all_missing();
	s = fill(&arena);
	assert_null(s->cpu_stats);
	assert_null(s->memory_stats);
	assert_null(s->pids_stats);
	assert_null(s->blkio_stats);
	arena_release(&arena);
	all_there();
	set("memory.peak", NULL);
	set("memory.stat", NULL);
	s = fill(&arena);
	assert_int_equal(s->memory_stats->usage->max_usage, 0);
	assert_int_equal(s->memory_stats->usage->usage, 1048576);
	assert_int_equal(s->memory_stats->n_stats, 0);
	arena_release(&arena);
}

static void test_no_room(void **state)
{
	struct error err = ERROR_INIT;
	struct arena arena;

	all_there();
	arena_init(&arena, 512);
	grpc__stats_container_response__init(&response);
	assert_true(memory_stats_fill(files, memory_stats_file_count, &arena, &response, &err) < 0);
	assert_int_equal(err.status, STATUS_RESOURCE_EXHAUSTED);
	assert_null(response.cgroup_stats);
	assert_null(response.network_stats);
	arena_release(&arena);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_everything),
	cmocka_unit_test(test_working_set_of_shims),
	cmocka_unit_test(test_old_names),
	cmocka_unit_test(test_network),
	cmocka_unit_test(test_hugetlb),
	cmocka_unit_test(test_io),
	cmocka_unit_test(test_unlimited),
	cmocka_unit_test(test_missing),
	cmocka_unit_test(test_no_room),
};
TEST_MAIN(tests)
