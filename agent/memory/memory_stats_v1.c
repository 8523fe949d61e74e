/* memory_stats_v1: see memory_stats_v1.h. Called by sandbox/container_stats. */
#include "memory/memory_stats_v1.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "memory/memory_stats_parts.h"

enum v1_file {
	CPU_USAGE,
	CPU_PERCPU,
	CPU_ACCT,
	CPU_STAT,
	MEMORY_STAT,
	MEMORY_HIERARCHY,
	MEMORY_DATA, /* usage, max_usage, failcnt, limit; of memory, memsw and kmem */
	PIDS_CURRENT = MEMORY_DATA + 12,
	PIDS_MAX,
	BLKIO,		       /* eight, as in the answer */
	THROTTLE = BLKIO + 10, /* bytes and operations; bfq's before them */
	HUGETLB = THROTTLE + 2,
	NET_DEV = HUGETLB + 6,
	V1_FILES,
};

static const struct {
	const char *controller, *file;
} v1_files[V1_FILES] = {
	[CPU_USAGE] = {"cpuacct", "cpuacct.usage"},
	[CPU_PERCPU] = {"cpuacct", "cpuacct.usage_percpu"},
	[CPU_ACCT] = {"cpuacct", "cpuacct.stat"},
	[CPU_STAT] = {"cpu", "cpu.stat"},
	[MEMORY_STAT] = {"memory", "memory.stat"},
	[MEMORY_HIERARCHY] = {"memory", "memory.use_hierarchy"},
#define DATA(name)                                                                                 \
	{"memory", "memory." name "usage_in_bytes"},                                               \
		{"memory", "memory." name "max_usage_in_bytes"},                                   \
		{"memory", "memory." name "failcnt"},                                              \
	{                                                                                          \
		"memory", "memory." name "limit_in_bytes"                                          \
	}
	[MEMORY_DATA] = DATA(""),
	DATA("memsw."),
	DATA("kmem."),
	[PIDS_CURRENT] = {"pids", "pids.current"},
	[PIDS_MAX] = {"pids", "pids.max"},
	[BLKIO] = {"blkio", "blkio.io_service_bytes_recursive"},
	{"blkio", "blkio.io_serviced_recursive"},
	{"blkio", "blkio.io_queued_recursive"},
	{"blkio", "blkio.io_service_time_recursive"},
	{"blkio", "blkio.io_wait_time_recursive"},
	{"blkio", "blkio.io_merged_recursive"},
	{"blkio", "blkio.time_recursive"},
	{"blkio", "blkio.sectors_recursive"},
	{"blkio", "blkio.bfq.io_service_bytes_recursive"},
	{"blkio", "blkio.bfq.io_serviced_recursive"},
	[THROTTLE] = {"blkio", "blkio.throttle.io_service_bytes"},
	{"blkio", "blkio.throttle.io_serviced"},
#define HUGE(size)                                                                                 \
	{"hugetlb", "hugetlb." size ".usage_in_bytes"},                                            \
		{"hugetlb", "hugetlb." size ".max_usage_in_bytes"},                                \
	{                                                                                          \
		"hugetlb", "hugetlb." size ".failcnt"                                              \
	}
#if defined(__s390x__)
	[HUGETLB] = HUGE("1MB"),
	HUGE("2GB"),
#else
	[HUGETLB] = HUGE("2MB"),
	HUGE("1GB"),
#endif
	/* of the worker's network namespace: the guest's, as that of every container */
	[NET_DEV] = {"", "/proc/net/dev"},
};

int memory_stats_v1_names(
	const struct cgroup *cgroup, struct arena *arena, const char *const **ret, size_t *count)
{
	const char **names = arena_calloc(arena, V1_FILES, sizeof(*names));

	for (size_t i = 0; names && i < V1_FILES; i++) {
		char dir[PATH_MAX];

		if (i == NET_DEV)
			names[i] = v1_files[i].file;
		else if (cgroup_dir(cgroup, v1_files[i].controller, dir, sizeof(dir)) < 0)
			names[i] = "/proc/no-such-controller"; /* reads as missing */
		else
			names[i] = arena_printf(arena, "%s/%s", dir, v1_files[i].file);
		if (!names[i])
			return -ENOMEM;
	}
	*ret = names;
	*count = V1_FILES;
	return names ? 0 : -ENOMEM;
}

/* ---- cpu ---- */

static void fill_percpu(struct stats_filler *f, Grpc__CpuUsage *usage)
{
	const char *at;
	char *end;

	if (!stats_have(f, CPU_PERCPU))
		return;
	at = f->files[CPU_PERCPU].text;
	/* a number and a blank each */
	usage->percpu_usage =
		arena_calloc(f->arena, strlen(at) / 2 + 1, sizeof(*usage->percpu_usage));
	if (!usage->percpu_usage) {
		f->no_memory = true;
		return;
	}
	for (;; at = end) {
		uint64_t value = strtoull(at, &end, 10);

		if (end == at)
			return;
		usage->percpu_usage[usage->n_percpu_usage++] = value;
	}
}

static Grpc__CpuStats *fill_cpu(struct stats_filler *f)
{
	const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	Grpc__CpuStats *cpu;

	if (!stats_have(f, CPU_USAGE) && !stats_have(f, CPU_STAT))
		return NULL;
	cpu = stats_message(f, &grpc__cpu_stats__descriptor);
	if (!cpu)
		return NULL;
	cpu->cpu_usage = stats_message(f, &grpc__cpu_usage__descriptor);
	cpu->throttling_data = stats_message(f, &grpc__throttling_data__descriptor);
	if (f->no_memory)
		return NULL;
	cpu->cpu_usage->total_usage = stats_number(f, CPU_USAGE, 0);
	cpu->cpu_usage->usage_in_usermode = stats_keyed(f, CPU_ACCT, "user") * tick_ns;
	cpu->cpu_usage->usage_in_kernelmode = stats_keyed(f, CPU_ACCT, "system") * tick_ns;
	fill_percpu(f, cpu->cpu_usage);
	cpu->throttling_data->periods = stats_keyed(f, CPU_STAT, "nr_periods");
	cpu->throttling_data->throttled_periods = stats_keyed(f, CPU_STAT, "nr_throttled");
	cpu->throttling_data->throttled_time = stats_keyed(f, CPU_STAT, "throttled_time");
	return cpu;
}

/* ---- memory ---- */

static Grpc__MemoryData *fill_data(struct stats_filler *f, size_t which)
{
	Grpc__MemoryData *data = stats_message(f, &grpc__memory_data__descriptor);

	if (!data)
		return NULL;
	data->usage = stats_number(f, which, 0);
	data->max_usage = stats_number(f, which + 1, 0);
	data->failcnt = stats_number(f, which + 2, 0);
	data->limit = stats_number(f, which + 3, 0);
	return data;
}

static Grpc__MemoryStats *fill_memory(struct stats_filler *f)
{
	Grpc__MemoryStats *memory;

	if (!stats_have(f, MEMORY_DATA))
		return NULL;
	memory = stats_message(f, &grpc__memory_stats__descriptor);
	if (!memory)
		return NULL;
	memory->cache = stats_keyed(f, MEMORY_STAT, "cache");
	memory->use_hierarchy = stats_number(f, MEMORY_HIERARCHY, 0) == 1;
	memory->usage = fill_data(f, MEMORY_DATA);
	memory->swap_usage = fill_data(f, MEMORY_DATA + 4);
	memory->kernel_usage = fill_data(f, MEMORY_DATA + 8);
	stats_fill_map(f, MEMORY_STAT, 0, memory);
	return memory;
}

/* ---- block I/O: "MAJ:MIN Read N", or without a word; "Total N" at the end ---- */

static Grpc__BlkioStatsEntry *parse_io(struct stats_filler *f, const char *line)
{
	Grpc__BlkioStatsEntry *entry;
	uint64_t major, minor, value;
	char op[16] = "";

	if (sscanf(line, "%" SCNu64 ":%" SCNu64 " %15[A-Za-z] %" SCNu64, &major, &minor, op,
		    &value) != 4 &&
		(op[0] || sscanf(line, "%" SCNu64 ":%" SCNu64 " %" SCNu64, &major, &minor,
				  &value) != 3))
		return NULL;
	if (major == 0)
		return NULL;
	entry = stats_message(f, &grpc__blkio_stats_entry__descriptor);
	if (!entry)
		return NULL;
	for (char *c = op; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	entry->major = major;
	entry->minor = minor;
	entry->value = value;
	entry->op = arena_strdup(f->arena, op);
	f->no_memory = f->no_memory || !entry->op;
	return entry;
}

static void fill_list(
	struct stats_filler *f, size_t which, Grpc__BlkioStatsEntry ***list, size_t *count)
{
	const char *line = f->files[which].text;

	*count = 0;
	if (!stats_have(f, which))
		return;
	*list = arena_calloc(f->arena, stats_count_lines(line) + 1, sizeof(**list));
	if (!*list) {
		f->no_memory = true;
		return;
	}
	for (const char *end; !f->no_memory && (end = strchr(line, '\n')); line = end + 1) {
		Grpc__BlkioStatsEntry *entry = parse_io(f, line);

		if (entry)
			(*list)[(*count)++] = entry;
	}
}

/* CFQ's or bfq's where they have counted, else what the throttling layer saw. */
static Grpc__BlkioStats *fill_io(struct stats_filler *f)
{
	Grpc__BlkioStats *io;
	size_t bytes = BLKIO;

	if (!stats_have(f, BLKIO) && !stats_have(f, THROTTLE))
		return NULL;
	io = stats_message(f, &grpc__blkio_stats__descriptor);
	if (!io)
		return NULL;
#define LIST(which, name) fill_list(f, which, &io->name, &io->n_##name)
	LIST(BLKIO + 1, io_serviced_recursive);
	if (io->n_io_serviced_recursive == 0)
		LIST(bytes = BLKIO + 8, io_service_bytes_recursive);
	if (io->n_io_serviced_recursive == 0 && io->n_io_service_bytes_recursive == 0)
		bytes = THROTTLE;
	LIST(bytes, io_service_bytes_recursive);
	LIST(bytes + 1, io_serviced_recursive);
	LIST(BLKIO + 2, io_queued_recursive);
	LIST(BLKIO + 3, io_service_time_recursive);
	LIST(BLKIO + 4, io_wait_time_recursive);
	LIST(BLKIO + 5, io_merged_recursive);
	LIST(BLKIO + 6, io_time_recursive);
	LIST(BLKIO + 7, sectors_recursive);
#undef LIST
	return io;
}

static void fill_hugetlb(struct stats_filler *f, Grpc__CgroupStats *stats)
{
	stats->hugetlb_stats = arena_calloc(f->arena, 2, sizeof(*stats->hugetlb_stats));
	if (!stats->hugetlb_stats)
		f->no_memory = true;
	for (size_t i = HUGETLB; !f->no_memory && i < NET_DEV; i += 3) {
		const char *name = v1_files[i].file + strlen("hugetlb.");
		Grpc__CgroupStats__HugetlbStatsEntry *entry;

		if (!stats_have(f, i))
			continue;
		entry = stats_message(f, &grpc__cgroup_stats__hugetlb_stats_entry__descriptor);
		if (!entry)
			return;
		entry->key = arena_strndup(f->arena, name, strcspn(name, "."));
		entry->value = stats_message(f, &grpc__hugetlb_stats__descriptor);
		if (!entry->key || !entry->value) {
			f->no_memory = true;
			return;
		}
		entry->value->usage = stats_number(f, i, 0);
		entry->value->max_usage = stats_number(f, i + 1, 0);
		entry->value->failcnt = stats_number(f, i + 2, 0);
		stats->hugetlb_stats[stats->n_hugetlb_stats++] = entry;
	}
}

int memory_stats_v1_fill(const struct worker_file *files, size_t count, struct arena *arena,
	Grpc__StatsContainerResponse *response, struct error *err)
{
	static const struct stats_version version = {
		.file_count = V1_FILES,
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
