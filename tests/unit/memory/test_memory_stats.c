/* memory_stats.c: control files as Linux 6.1 writes them -> StatsContainer's figures. */
#include "memory/memory_stats.h"

#include <errno.h>
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
	set("memory.stat", "anon 4096\nfile 8192\nkernel 100\nfile_mapped 12\n");
	set("memory.swap.current", "11\n");
	set("memory.swap.max", "max\n");
	set("memory.swap.events", "high 0\nmax 0\nfail 3\n");
	set("pids.current", "4\n");
	set("pids.max", "100\n");
	set("io.stat", "254:0 rbytes=1024 wbytes=2048 rios=3 wios=4 dbytes=5 dios=6\n"
		       "8:16 wbytes=7 rios=8\n7:0 \n");
}

static Grpc__CgroupStats *fill(struct arena *arena)
{
	struct error err = ERROR_INIT;
	Grpc__CgroupStats *stats = NULL;

	arena_init(arena, 1 << 20);
	assert_int_equal(memory_stats_fill(files, memory_stats_file_count, arena, &stats, &err), 0);
	return stats;
}

static void test_everything(void **state)
{
	struct arena arena;
	Grpc__CgroupStats *s;
	size_t found = 0;

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
	assert_int_equal(s->memory_stats->n_stats, 4);
	for (size_t i = 0; i < s->memory_stats->n_stats; i++)
		if (strcmp(s->memory_stats->stats[i]->key, "file_mapped") == 0)
			found = s->memory_stats->stats[i]->value;
	assert_int_equal(found, 12);
	assert_int_equal(s->pids_stats->current, 4);
	assert_int_equal(s->pids_stats->limit, 100);
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
	Grpc__CgroupStats *stats = NULL;
	struct arena arena;

	all_there();
	arena_init(&arena, 512);
	assert_true(memory_stats_fill(files, memory_stats_file_count, &arena, &stats, &err) < 0);
	assert_int_equal(err.status, STATUS_RESOURCE_EXHAUSTED);
	assert_null(stats);
	arena_release(&arena);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_everything),
	cmocka_unit_test(test_io),
	cmocka_unit_test(test_unlimited),
	cmocka_unit_test(test_missing),
	cmocka_unit_test(test_no_room),
};
TEST_MAIN(tests)
