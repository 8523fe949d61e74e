/* memory_stats: see memory_stats.h. Called by service/container_service for StatsContainer. */
#include "memory/memory_stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"
#include "memory/memory_stats_parts.h"

/*
 * Page sizes that the architecture can have, as the kernel's control files spell them (mm/hugetlb_
 * cgroup.c, mem_fmt()). One that this guest has not is a missing file, and left out of the answer.
 */
#if defined(__x86_64__)
#define HUGE_SIZES HUGE_SIZE("2MB"), HUGE_SIZE("1GB")
#elif defined(__s390x__)
#define HUGE_SIZES HUGE_SIZE("1MB"), HUGE_SIZE("2GB")
#elif defined(__powerpc64__)
#define HUGE_SIZES HUGE_SIZE("2MB"), HUGE_SIZE("16MB"), HUGE_SIZE("1GB"), HUGE_SIZE("16GB")
#else
#define HUGE_SIZES HUGE_SIZE("64KB"), HUGE_SIZE("2MB"), HUGE_SIZE("32MB"), HUGE_SIZE("1GB")
#endif

enum stats_file {
	CPU_STAT,
	MEMORY_CURRENT,
	MEMORY_PEAK,
	MEMORY_MAX,
	MEMORY_STAT,
	MEMORY_EVENTS,
	SWAP_CURRENT,
	SWAP_PEAK,
	SWAP_MAX,
	SWAP_EVENTS,
	PIDS_CURRENT,
	PIDS_MAX,
	IO_STAT,
	NET_DEV,
	HUGETLB, /* two files a page size from here on */
};

const char *const memory_stats_files[] = {
	[CPU_STAT] = "cpu.stat",
	[MEMORY_CURRENT] = "memory.current",
	[MEMORY_PEAK] = "memory.peak",
	[MEMORY_MAX] = "memory.max",
	[MEMORY_STAT] = "memory.stat",
	[MEMORY_EVENTS] = "memory.events",
	[SWAP_CURRENT] = "memory.swap.current",
	[SWAP_PEAK] = "memory.swap.peak",
	[SWAP_MAX] = "memory.swap.max",
	[SWAP_EVENTS] = "memory.swap.events",
	[PIDS_CURRENT] = "pids.current",
	[PIDS_MAX] = "pids.max",
	[IO_STAT] = "io.stat",
	/* of the worker's network namespace: the guest's, as that of every container */
	[NET_DEV] = "/proc/net/dev",
	[HUGETLB] =
#define HUGE_SIZE(name) "hugetlb." name ".current", "hugetlb." name ".events"
		HUGE_SIZES,
};
#define STATS_FILE_COUNT ARRAY_SIZE(memory_stats_files)
const size_t memory_stats_file_count = ARRAY_SIZE(memory_stats_files);

static Grpc__CpuStats *fill_cpu(struct stats_filler *f)
{
	Grpc__CpuStats *cpu;
	Grpc__CpuUsage *usage;
	Grpc__ThrottlingData *throttling;

	if (!stats_have(f, CPU_STAT))
		return NULL;
	cpu = stats_message(f, &grpc__cpu_stats__descriptor);
	usage = stats_message(f, &grpc__cpu_usage__descriptor);
	throttling = stats_message(f, &grpc__throttling_data__descriptor);
	if (f->no_memory)
		return NULL;
	usage->total_usage = stats_keyed(f, CPU_STAT, "usage_usec") * 1000;
	usage->usage_in_usermode = stats_keyed(f, CPU_STAT, "user_usec") * 1000;
	usage->usage_in_kernelmode = stats_keyed(f, CPU_STAT, "system_usec") * 1000;
	throttling->periods = stats_keyed(f, CPU_STAT, "nr_periods");
	throttling->throttled_periods = stats_keyed(f, CPU_STAT, "nr_throttled");
	throttling->throttled_time = stats_keyed(f, CPU_STAT, "throttled_usec") * 1000;
	cpu->cpu_usage = usage;
	cpu->throttling_data = throttling;
	return cpu;
}

/*
 * What cgroup v1 called the same thing. v1 has each name twice, for the group alone and ("total_")
 * with those below it; v2 knows only the latter, so both get it. Names with pg_ are how runtime-rs
 * spells them. NULL: v1's name is v2's.
 */
static const struct {
	const char *v2, *v1, *total;
} old_names[] = {
	{"file", "cache", "total_cache"}, /* both with shmem and tmpfs */
	{"anon", "rss", "total_rss"},	  /* neither with swapped out pages */
	{"anon_thp", "rss_huge", "total_rss_huge"},
	{"shmem", NULL, "total_shmem"},
	{"file_mapped", "mapped_file", "total_mapped_file"},
	{"file_dirty", "dirty", "total_dirty"},
	{"file_writeback", "writeback", "total_writeback"},
	{"pgfault", NULL, "total_pgfault"},
	{"pgmajfault", NULL, "total_pgmajfault"},
	{"pgfault", "pg_fault", "total_pg_fault"},
	{"pgmajfault", "pg_maj_fault", "total_pg_maj_fault"},
	{"inactive_anon", NULL, "total_inactive_anon"},
	{"active_anon", NULL, "total_active_anon"},
	{"inactive_file", NULL, "total_inactive_file"},
	{"active_file", NULL, "total_active_file"},
	{"unevictable", NULL, "total_unevictable"},
};

static void add_old_names(struct stats_filler *f, Grpc__MemoryStats *memory)
{
	for (size_t i = 0; i < ARRAY_SIZE(old_names); i++) {
		const Grpc__MemoryStats__StatsEntry *entry = stats_find(memory, old_names[i].v2);
		const char *v1 = old_names[i].v1;

		if (!entry)
			continue;
		if (v1)
			stats_add(memory, v1, entry->value);
		stats_add(memory, old_names[i].total, entry->value);
	}
	if (!stats_have(f, SWAP_CURRENT))
		return;
	stats_add(memory, "swap", stats_number(f, SWAP_CURRENT, 0));
	stats_add(memory, "total_swap", stats_number(f, SWAP_CURRENT, 0));
}

/* Every "name number" line of memory.stat, and the old names of those that have one. */
static void fill_stat_map(struct stats_filler *f, Grpc__MemoryStats *memory)
{
	if (stats_fill_map(f, MEMORY_STAT, 2 * ARRAY_SIZE(old_names) + 2, memory))
		add_old_names(f, memory);
}

static Grpc__MemoryStats *fill_memory(struct stats_filler *f)
{
	Grpc__MemoryStats *memory;
	Grpc__MemoryData *usage, *swap, *kernel;

	if (!stats_have(f, MEMORY_CURRENT))
		return NULL;
	memory = stats_message(f, &grpc__memory_stats__descriptor);
	usage = stats_message(f, &grpc__memory_data__descriptor);
	swap = stats_message(f, &grpc__memory_data__descriptor);
	kernel = stats_message(f, &grpc__memory_data__descriptor);
	if (f->no_memory)
		return NULL;
	usage->usage = stats_number(f, MEMORY_CURRENT, 0);
	usage->max_usage = stats_number(f, MEMORY_PEAK, 0);
	usage->limit = stats_number(f, MEMORY_MAX, UINT64_MAX);
	usage->failcnt = stats_keyed(f, MEMORY_EVENTS, "max");
	swap->usage = stats_number(f, SWAP_CURRENT, 0);
	swap->max_usage = stats_number(f, SWAP_PEAK, 0);
	swap->limit = stats_number(f, SWAP_MAX, 0);
	swap->failcnt = stats_keyed(f, SWAP_EVENTS, "fail");
	kernel->usage = stats_keyed(f, MEMORY_STAT, "kernel"); /* Linux 5.18 */
	kernel->limit = UINT64_MAX;
	memory->cache = stats_keyed(f, MEMORY_STAT, "file");
	memory->usage = usage;
	memory->swap_usage = swap;
	memory->kernel_usage = kernel;
	fill_stat_map(f, memory);
	return memory;
}

/* io.stat: "MAJ:MIN rbytes=N wbytes=N rios=N wios=N dbytes=N dios=N" (any subset, any order; c19).
 */
static void fill_io_line(
	struct stats_filler *f, Grpc__BlkioStats *blkio, const char *line, size_t room)
{
	static const struct {
		const char *key, *op;
	} ops[] = {{" rbytes=", "read"}, {" wbytes=", "write"}, {" rios=", "rios"},
		{" wios=", "wios"}, {" dbytes=", "dbytes"}, {" dios=", "dios"}};
	uint64_t major, minor;

	if (sscanf(line, "%" SCNu64 ":%" SCNu64, &major, &minor) != 2)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		const char *at = strstr(line, ops[i].key);
		Grpc__BlkioStatsEntry *entry;

		if (!at || blkio->n_io_service_bytes_recursive == room)
			continue;
		entry = stats_message(f, &grpc__blkio_stats_entry__descriptor);
		if (!entry)
			return;
		entry->major = major;
		entry->minor = minor;
		entry->op = (char *)ops[i].op;
		sscanf(at + strlen(ops[i].key), "%" SCNu64, &entry->value);
		blkio->io_service_bytes_recursive[blkio->n_io_service_bytes_recursive++] = entry;
	}
}

static Grpc__BlkioStats *fill_io(struct stats_filler *f)
{
	Grpc__BlkioStats *blkio;
	const char *line;
	size_t room;

	if (!stats_have(f, IO_STAT))
		return NULL;
	line = f->files[IO_STAT].text;
	room = stats_count_lines(line) * 6;
	blkio = stats_message(f, &grpc__blkio_stats__descriptor);
	if (!blkio || room == 0)
		return blkio;
	blkio->io_service_bytes_recursive =
		arena_calloc(f->arena, room, sizeof(*blkio->io_service_bytes_recursive));
	if (!blkio->io_service_bytes_recursive) {
		f->no_memory = true;
		return NULL;
	}
	for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
		char one[512];

		if ((size_t)(end - line) >= sizeof(one))
			continue;
		memcpy(one, line, (size_t)(end - line));
		one[end - line] = '\0';
		fill_io_line(f, blkio, one, room);
	}
	return blkio;
}

/* which is hugetlb.SIZE.current, its events come behind it. */
static void fill_hugetlb_size(struct stats_filler *f, size_t which, Grpc__CgroupStats *stats)
{
	const char *name = memory_stats_files[which] + strlen("hugetlb.");
	Grpc__CgroupStats__HugetlbStatsEntry *entry;

	if (!stats_have(f, which))
		return;
	entry = stats_message(f, &grpc__cgroup_stats__hugetlb_stats_entry__descriptor);
	if (!entry)
		return;
	entry->value = stats_message(f, &grpc__hugetlb_stats__descriptor);
	entry->key = arena_strndup(f->arena, name, strcspn(name, "."));
	if (!entry->value || !entry->key) {
		f->no_memory = true;
		return;
	}
	entry->value->usage = stats_number(f, which, 0);
	entry->value->failcnt = stats_keyed(f, which + 1, "max");
	stats->hugetlb_stats[stats->n_hugetlb_stats++] = entry;
}

static void fill_hugetlb(struct stats_filler *f, Grpc__CgroupStats *stats)
{
	stats->hugetlb_stats = arena_calloc(
		f->arena, (STATS_FILE_COUNT - HUGETLB) / 2, sizeof(*stats->hugetlb_stats));
	if (!stats->hugetlb_stats)
		f->no_memory = true;
	for (size_t i = HUGETLB; !f->no_memory && i < STATS_FILE_COUNT; i += 2)
		fill_hugetlb_size(f, i, stats);
}

int memory_stats_fill(const struct worker_file *files, size_t count, struct arena *arena,
	Grpc__StatsContainerResponse *response, struct error *err)
{
	static const struct stats_version version = {
		.file_count = STATS_FILE_COUNT,
		.pids_current = PIDS_CURRENT,
		.pids_max = PIDS_MAX,
		.net_dev = NET_DEV,
		.cpu = fill_cpu,
		.memory = fill_memory,
		.io = fill_io,
		.hugetlb = fill_hugetlb,
	};

	return stats_fill(&version, files, count, arena, response, err);
}
