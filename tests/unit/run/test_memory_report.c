/* memory_report: the words for an OOM kill and for the figures. */
#include <string.h>

#include "lib/test_main.h"
#include "run/memory_report.h"

#define MIB (1ull << 20)

static void names_limit_peak_cause_and_victim(void **state)
{
	Cradle__OOMRecord first = CRADLE__OOMRECORD__INIT, last = CRADLE__OOMRECORD__INIT;
	Cradle__OOMRecord *list[] = {&first, &last};
	Cradle__ListOOMRecordsResponse records = CRADLE__LIST_OOMRECORDS_RESPONSE__INIT;
	char out[300];

	records.records = list;
	records.n_records = 2;
	last.cause = CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT;
	last.limit_bytes = last.peak_bytes = 64 * MIB;
	last.comm = (char *)"d\x1b"
			    "d\n";
	last.anon_bytes = 60 * MIB;
	assert_string_equal(memory_report_oom("c1", &records, out, sizeof(out)),
		"container c1 was OOM-killed: it reached its own memory limit (limit 64 MiB, peak "
		"64 MiB; killed: d?d?, which held 60 MiB)");
	last.cause = CRADLE__OOMRECORD__CAUSE__WHOLE_VM;
	last.limit_bytes = 0;
	last.comm = (char *)"";
	memory_report_oom("c1", &records, out, sizeof(out));
	assert_string_equal(out, "container c1 was OOM-killed: the whole VM was out of memory "
				 "(limit none, peak 64 MiB)");
	last.cause = CRADLE__OOMRECORD__CAUSE__STALL;
	memory_report_oom("c1", &records, out, sizeof(out));
	assert_non_null(strstr(out, "c1 stalled: everything in it waited for memory"));
	last.kills = 2;
	memory_report_oom("c1", &records, out, sizeof(out));
	assert_non_null(strstr(out, "c1 was killed: everything in it waited for memory"));
	last.cause = 99;
	assert_non_null(strstr(memory_report_oom("c1", &records, out, sizeof(out)), "not known"));
}

static Grpc__StatsContainerResponse stats_of(
	Grpc__CgroupStats *cgroup, Grpc__MemoryStats *memory, Grpc__MemoryData *usage)
{
	Grpc__StatsContainerResponse stats = GRPC__STATS_CONTAINER_RESPONSE__INIT;

	grpc__cgroup_stats__init(cgroup);
	grpc__memory_stats__init(memory);
	grpc__memory_data__init(usage);
	stats.cgroup_stats = cgroup;
	cgroup->memory_stats = memory;
	memory->usage = usage;
	return stats;
}

static void falls_back_to_statistics(void **state)
{
	Grpc__CgroupStats cgroup;
	Grpc__MemoryStats memory;
	Grpc__MemoryData usage;
	Grpc__StatsContainerResponse stats = stats_of(&cgroup, &memory, &usage), empty;
	char out[300];

	usage.limit = 64 * MIB;
	usage.max_usage = 64 * MIB - 4096;
	usage.usage = MIB;
	memory.cache = 3 * MIB / 2;
	memory_report_oom_from_stats("c1", &stats, out, sizeof(out));
	assert_non_null(strstr(out, "its own memory limit (limit 64 MiB, peak 64.0 MiB)"));
	memory_report_figures("c1", &stats, out, sizeof(out));
	assert_string_equal(out,
		"memory of c1: 1 MiB at the end, peak 64.0 MiB, limit 64 MiB, page "
		"cache 1.5 MiB");
	usage.max_usage = 10 * MIB;
	memory_report_oom_from_stats("c1", &stats, out, sizeof(out));
	assert_non_null(strstr(out, "not known"));
	grpc__stats_container_response__init(&empty);
	memory_report_figures("c1", &empty, out, sizeof(out));
	assert_non_null(strstr(out, "limit none"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(names_limit_peak_cause_and_victim),
	cmocka_unit_test(falls_back_to_statistics),
};

TEST_MAIN(tests)
