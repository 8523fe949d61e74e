/* metrics_text.c: GetMetrics' text through a strict parser of the Prometheus format 0.0.4. */
#include "memory/metrics_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

static struct worker_file files[METRICS_FILES];
static Cradle__ContainerMemory one = CRADLE__CONTAINER_MEMORY__INIT;
static Cradle__ContainerMemory *containers[] = {&one};
static Cradle__GuestMemory guest = CRADLE__GUEST_MEMORY__INIT;
static Cradle__MemoryState memory = CRADLE__MEMORY_STATE__INIT;
static struct filesystem_use filesystem = {"/run/a \"b\"\\c", "vda", {1000, 600, 400}, {10, 6, 4}};
static struct buffer out;

static void set(size_t file, const char *text)
{
	files[file] = (struct worker_file){
		"", text ? 0 : ENOENT, text ? text : "", text ? strlen(text) : 0};
}

static void set_all(void)
{
	set(METRICS_AGENT_STAT,
		"1 (a ) b) S 0 1 1 0 -1 4194560 300 0 0 0 150 60 7 8 20 0 1 0 50 4096000 250 "
		"18446744073709551615\n");
	set(METRICS_AGENT_STATUS, "Name:\tinit\nVmPeak:\t    4000 kB\nVmRSS:\t    1000 kB\n"
				  "voluntary_ctxt_switches:\t77\n");
	set(METRICS_AGENT_IO, "rchar: 100\nwchar: 200\ncancelled_write_bytes: 3\n");
	set(METRICS_LOADAVG, "0.01 0.02 1.30 1/60 1234\n");
	set(METRICS_VMSTAT, "nr_free_pages 5000\npgfault 12\n");
	set(METRICS_MEMINFO, "MemTotal:  1000 kB\nActive(anon):  5 kB\nHugePages_Total:   3\n");
	set(METRICS_STAT, "cpu  10 0 20 300 4 0 1 0 0 0\ncpu0 10 0 20 300 4 0 1 0 0 0\nintr 1 2\n");
	set(METRICS_DISKSTATS, " 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
	set(METRICS_NET_DEV, "head|\n  lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
	one.container_id = (char *)"c1";
	one.limit_bytes = 64;
	one.usage_bytes = 33;
	one.oom_kills = 2;
	guest.unexplained_bytes = -5;
	guest.vm_bytes = 300;
	memory.containers = containers;
	memory.n_containers = 1;
	memory.guest = &guest;
}

static const char *text(void)
{
	static const uint64_t kills[OOM_CAUSES] = {[OOM_CAUSE_POD_LIMIT] = 3};
	static const struct oom_record old = {.container_id = "c1", .limit = 1},
				       latest = {.container_id = "c1",
					       .limit = 64,
					       .time_unix_ns = 1700000000123456789},
				       sized = {.container_id = "c2",
					       .sized = true,
					       .victim_anon = 77};
	static const struct oom_record *const records[] = {&old, &sized, &latest};
	const struct metrics_input in = {files, &memory, &filesystem, 1,
		{.kernel_us = 900000, .modules_us = 70000, .agent_us = 8000}, 9, 4, kills, records,
		3};

	buffer_init(&out, 1 << 20);
	assert_int_equal(metrics_text(&in, &out), 0);
	return (char *)out.data;
}

/* ---- the parser: anything it does not know fails --------------------------------------------- */

static const char *word(const char *at)
{
	assert_true(isalpha((unsigned char)*at) || *at == '_');
	while (isalnum((unsigned char)*at) || *at == '_')
		at++;
	return at;
}

static const char *label_value(const char *at)
{
	assert_int_equal(*at++, '"');
	for (; *at != '"'; at++) {
		assert_true(*at != '\0' && *at != '\n');
		if (*at == '\\')
			assert_non_null(strchr("\\\"n", *++at));
	}
	return at + 1;
}

static const char *labels(const char *at)
{
	do {
		at = word(at + 1);
		assert_int_equal(*at++, '=');
		at = label_value(at);
	} while (*at == ',');
	assert_int_equal(*at, '}');
	return at + 1;
}

/* "# HELP name text", "# TYPE name counter|gauge", then samples of that name only. */
static const char *family(const char *at, char *name, size_t size)
{
	const char *begin = at + strlen("# HELP "), *after;

	assert_int_equal(strncmp(at, "# HELP ", 7), 0);
	after = word(begin);
	assert_true((size_t)(after - begin) < size);
	memcpy(name, begin, (size_t)(after - begin));
	name[after - begin] = '\0';
	at = strchr(at, '\n') + 1;
	assert_int_equal(strncmp(at, "# TYPE ", 7), 0);
	assert_int_equal(strncmp(at + 7, name, strlen(name)), 0);
	at += 7 + strlen(name);
	assert_true(strncmp(at, " gauge\n", 7) == 0 || strncmp(at, " counter\n", 9) == 0);
	at = strchr(at, '\n') + 1;
	while (*at && *at != '#') {
		char *end;

		after = word(at);
		assert_int_equal((size_t)(after - at), strlen(name));
		assert_int_equal(strncmp(at, name, strlen(name)), 0);
		at = *after == '{' ? labels(after) : after;
		assert_int_equal(*at++, ' ');
		strtod(at, &end);
		assert_true(end > at && *end == '\n');
		at = end + 1;
	}
	return at;
}

static void test_every_family_sorted(void **state)
{
	static const char *const expected[] = {"cradle_boot_microseconds",
		"cradle_container_memory_bytes", "cradle_container_oom_kills_total",
		"cradle_containers", "cradle_guest_memory_bytes", "cradle_oom_events_dropped_total",
		"cradle_oom_kills_total", "cradle_oom_last_bytes", "cradle_oom_last_time_seconds",
		"kata_agent_io_stat", "kata_agent_proc_stat", "kata_agent_proc_status",
		"kata_agent_scrape_count", "kata_agent_threads", "kata_agent_total_rss",
		"kata_agent_total_time", "kata_agent_total_vm", "kata_guest_cpu_time",
		"kata_guest_diskstat", "kata_guest_filesystem_bytes",
		"kata_guest_filesystem_inodes", "kata_guest_load", "kata_guest_meminfo",
		"kata_guest_netdev_stat", "kata_guest_tasks", "kata_guest_vm_stat"};
	const char *at;
	char name[64];
	size_t n = 0;

	set_all();
	for (at = text(); *at; n++) {
		at = family(at, name, sizeof(name));
		assert_true(n < ARRAY_SIZE(expected));
		assert_string_equal(name, expected[n]);
		assert_true(n == 0 || strcmp(expected[n - 1], expected[n]) < 0);
	}
	assert_int_equal(n, ARRAY_SIZE(expected));
	buffer_release(&out);
}

static void test_values(void **state)
{
	static const char *const lines[] = {"cradle_boot_microseconds{item=\"agent\"} 8000\n",
		"cradle_boot_microseconds{item=\"kernel\"} 900000\n",
		"cradle_boot_microseconds{item=\"modules\"} 70000\n",
		"cradle_container_memory_bytes{container_id=\"c1\",item=\"usage\"} 33\n",
		"cradle_container_oom_kills_total{container_id=\"c1\"} 2\n",
		"cradle_guest_memory_bytes{item=\"unexplained\"} -5\n",
		"cradle_guest_memory_bytes{item=\"vm\"} 300\n", "cradle_containers 1\n",
		"cradle_oom_events_dropped_total 4\n",
		"cradle_oom_kills_total{cause=\"pod limit\"} 3\n",
		"cradle_oom_last_bytes{container_id=\"c1\",item=\"limit\"} 64\n",
		"cradle_oom_last_bytes{container_id=\"c2\",item=\"victim_anon\"} 77\n",
		"cradle_oom_last_time_seconds{container_id=\"c1\"} 1700000000.123\n",
		"kata_agent_io_stat{item=\"wchar\"} 200\n",
		"kata_agent_proc_stat{item=\"utime\"} 150\n",
		"kata_agent_proc_stat{item=\"stime\"} 60\n",
		"kata_agent_proc_stat{item=\"cstime\"} 8\n", "kata_agent_threads 1\n",
		"kata_agent_total_vm 4096000\n", "kata_agent_total_time 2.10\n",
		"kata_agent_proc_status{item=\"vmrss\"} 1000\n",
		"kata_agent_proc_status{item=\"voluntary_ctxt_switches\"} 77\n",
		"kata_agent_scrape_count 9\n",
		"kata_guest_cpu_time{cpu=\"total\",item=\"system\"} 200\n",
		"kata_guest_cpu_time{cpu=\"0\",item=\"idle\"} 3000\n",
		"kata_guest_diskstat{disk=\"vda\",item=\"time_flushing\"} 17\n",
		"kata_guest_filesystem_bytes{mount=\"/run/a \\\"b\\\"\\\\c\",device=\"vda\",item="
		"\"used\"} 600\n",
		"kata_guest_load{item=\"load15\"} 1.30\n",
		"kata_guest_meminfo{item=\"mem_total\"} 1024000\n",
		"kata_guest_meminfo{item=\"active_anon\"} 5120\n",
		"kata_guest_meminfo{item=\"hugepages_total\"} 3\n",
		"kata_guest_meminfo{item=\"quicklists\"} 0\n",
		"kata_guest_netdev_stat{interface=\"lo\",item=\"sent_carrier\"} 15\n",
		"kata_guest_tasks{item=\"max\"} 60\n",
		"kata_guest_vm_stat{item=\"nr_free_pages\"} 5000\n"};
	const char *all;

	set_all();
	all = text();
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(all, lines[i]))
			fail_msg("not there: %s", lines[i]);
	assert_null(strstr(all, "cradle_oom_last_bytes{container_id=\"c1\",item=\"limit\"} 1\n"));
	assert_null(strstr(all, "container_id=\"c1\",item=\"victim_anon\""));
	buffer_release(&out);
}

/* Nothing could be read: still a text that parses. And one that does not fit is an error. */
static void test_nothing_there(void **state)
{
	struct metrics_input in = {.files = files, .memory = &memory, .scrapes = 1};
	const char *at;
	char name[64];

	set_all();
	for (size_t i = 0; i < METRICS_FILES; i++)
		set(i, NULL);
	memory.n_containers = 0;
	memory.guest = NULL;
	assert_false(strstr(text(), "cradle_boot") == NULL);
	buffer_release(&out);
	buffer_init(&out, 1 << 20);
	assert_int_equal(metrics_text(&in, &out), 0);
	assert_null(strstr((char *)out.data, "cradle_boot"));
	buffer_release(&out);
	for (at = text(); *at;)
		at = family(at, name, sizeof(name));
	buffer_release(&out);
	buffer_init(&out, 500);
	assert_int_equal(metrics_text(&in, &out), -EMSGSIZE);
	buffer_release(&out);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_family_sorted),
	cmocka_unit_test(test_values),
	cmocka_unit_test(test_nothing_there),
};
TEST_MAIN(tests)
