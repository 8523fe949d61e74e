/* memory_stats_v1.c: texts as Linux writes them -> the answer. What a live host shows is in
 * tests/rpc/test_cgroup_v1.c; block I/O, huge pages and what is missing are here. */
#include "memory/memory_stats_v1.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/test_main.h"

static const struct cgroup_root root = {.mount = "/h",
	.base = "/h",
	.v1 = {5, {{.mount = "/m", .options = "rw,memory"}, {.mount = "/b", .options = "rw,blkio"},
			  {.mount = "/c", .options = "rw,cpu,cpuacct"},
			  {.mount = "/g", .options = "rw,hugetlb"},
			  {.mount = "/p", .options = "rw,pids"}}}};

static const struct {
	const char *path, *text;
} * texts;
static size_t text_count;
static struct arena arena;

static const Grpc__CgroupStats *fill(void)
{
	static const struct cgroup group = {.path = (char *)"/h/pod/x", .root = &root};
	static Grpc__StatsContainerResponse response;
	struct worker_file files[WORKER_FILES_MAX];
	struct error err = ERROR_INIT;
	const char *const *names;
	size_t count;

	assert_int_equal(memory_stats_v1_names(&group, &arena, &names, &count), 0);
	assert_true(count <= WORKER_FILES_MAX);
	for (size_t i = 0; i < count; i++) {
		files[i] = (struct worker_file){.name = names[i], .errnum = ENOENT};
		for (size_t k = 0; k < text_count; k++)
			if (str_eq(texts[k].path, names[i]))
				files[i] = (struct worker_file){
					names[i], 0, texts[k].text, strlen(texts[k].text)};
	}
	grpc__stats_container_response__init(&response);
	if (memory_stats_v1_fill(files, count, &arena, &response, &err) < 0)
		fail_msg("%s", err.text);
	return response.cgroup_stats;
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

#define TEXTS(...)                                                                                 \
	static const struct {                                                                      \
		const char *path, *text;                                                           \
	} own[] = {__VA_ARGS__};                                                                   \
	texts = (const void *)own;                                                                 \
	text_count = ARRAY_SIZE(own)

static void test_missing_controllers(void **state)
{
	const Grpc__CgroupStats *stats;

	text_count = 0;
	stats = fill();
	assert_null(stats->cpu_stats);
	assert_null(stats->memory_stats);
	assert_null(stats->pids_stats);
	assert_null(stats->blkio_stats);
	assert_int_equal(stats->n_hugetlb_stats, 0);
}

static void test_units(void **state)
{
	TEXTS({"/c/pod/x/cpuacct.usage", "5000000000\n"},
		{"/c/pod/x/cpuacct.usage_percpu", "3000000000 2000000000 0 \n"},
		{"/c/pod/x/cpuacct.stat", "user 300\nsystem 150\n"},
		{"/c/pod/x/cpu.stat", "nr_periods 7\nnr_throttled 2\nthrottled_time 123456789\n"},
		{"/p/pod/x/pids.current", "4\n"}, {"/p/pod/x/pids.max", "max\n"});
	const Grpc__CgroupStats *stats = fill();

	assert_true(stats->cpu_stats->cpu_usage->total_usage == 5000000000u);
	assert_int_equal(stats->cpu_stats->cpu_usage->n_percpu_usage, 3);
	assert_true(stats->cpu_stats->cpu_usage->percpu_usage[0] == 3000000000u);
	/* ticks of 10 ms to ns */
	assert_true(stats->cpu_stats->cpu_usage->usage_in_usermode == 3000000000u);
	assert_true(stats->cpu_stats->cpu_usage->usage_in_kernelmode == 1500000000u);
	assert_true(stats->cpu_stats->throttling_data->throttled_time == 123456789);
	assert_true(stats->pids_stats->current == 4 && stats->pids_stats->limit == 0);
}

static void test_throttle_layer(void **state)
{
	TEXTS({"/b/pod/x/blkio.io_service_bytes_recursive", "Total 0\n"},
		{"/b/pod/x/blkio.io_serviced_recursive", "Total 0\n"},
		{"/b/pod/x/blkio.throttle.io_service_bytes",
			"8:16 Read 4096\n8:16 Write 8192\n0:5 Read 1\n8:16 Total 12288\nTotal "
			"12288\n"},
		{"/b/pod/x/blkio.throttle.io_serviced", "8:16 Read 1\nTotal 1\n"});
	const Grpc__BlkioStats *io = fill()->blkio_stats;

	/* major 0 is dropped, and the sum over all devices */
	assert_int_equal(io->n_io_service_bytes_recursive, 3);
	assert_string_equal(io->io_service_bytes_recursive[1]->op, "write");
	assert_true(io->io_service_bytes_recursive[1]->value == 8192);
	assert_true(io->io_service_bytes_recursive[1]->major == 8);
	assert_true(io->io_service_bytes_recursive[1]->minor == 16);
	assert_string_equal(io->io_service_bytes_recursive[2]->op, "total");
	assert_int_equal(io->n_io_serviced_recursive, 1);
}

static void test_cfq(void **state)
{
	TEXTS({"/b/pod/x/blkio.io_service_bytes_recursive", "8:0 Read 10\nTotal 10\n"},
		{"/b/pod/x/blkio.io_serviced_recursive", "8:0 Read 2\nTotal 2\n"},
		{"/b/pod/x/blkio.io_queued_recursive", "8:0 Async 3\n"},
		{"/b/pod/x/blkio.time_recursive", "8:0 44\n"},
		{"/b/pod/x/blkio.sectors_recursive", "8:0 55\n"},
		{"/b/pod/x/blkio.throttle.io_service_bytes", "8:0 Read 999\n"});
	const Grpc__BlkioStats *io = fill()->blkio_stats;

	assert_int_equal(io->n_io_service_bytes_recursive, 1);
	assert_true(io->io_service_bytes_recursive[0]->value == 10);
	assert_true(io->io_serviced_recursive[0]->value == 2);
	assert_string_equal(io->io_queued_recursive[0]->op, "async");
	assert_true(io->io_time_recursive[0]->value == 44);
	assert_string_equal(io->io_time_recursive[0]->op, "");
	assert_true(io->sectors_recursive[0]->value == 55);
}

static void test_bfq_and_huge_pages(void **state)
{
	TEXTS({"/b/pod/x/blkio.bfq.io_service_bytes_recursive", "8:0 Read 20\n"},
		{"/b/pod/x/blkio.bfq.io_serviced_recursive", "8:0 Read 4\n"},
		{"/b/pod/x/blkio.throttle.io_service_bytes", "8:0 Read 999\n"},
		{"/g/pod/x/hugetlb.1GB.usage_in_bytes", "1073741824\n"},
		{"/g/pod/x/hugetlb.1GB.max_usage_in_bytes", "2147483648\n"},
		{"/g/pod/x/hugetlb.1GB.failcnt", "6\n"});
	const Grpc__CgroupStats *stats = fill();

	assert_true(stats->blkio_stats->io_service_bytes_recursive[0]->value == 20);
	assert_true(stats->blkio_stats->io_serviced_recursive[0]->value == 4);
#ifdef __x86_64__
	assert_int_equal(stats->n_hugetlb_stats, 1);
	assert_string_equal(stats->hugetlb_stats[0]->key, "1GB");
	assert_true(stats->hugetlb_stats[0]->value->usage == 1073741824u);
	assert_true(stats->hugetlb_stats[0]->value->max_usage == 2147483648u);
	assert_true(stats->hugetlb_stats[0]->value->failcnt == 6);
#endif
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_missing_controllers, setup, teardown),
	cmocka_unit_test_setup_teardown(test_units, setup, teardown),
	cmocka_unit_test_setup_teardown(test_throttle_layer, setup, teardown),
	cmocka_unit_test_setup_teardown(test_cfq, setup, teardown),
	cmocka_unit_test_setup_teardown(test_bfq_and_huge_pages, setup, teardown),
};
TEST_MAIN(tests)
