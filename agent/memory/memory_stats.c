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
	STATS_FILE_COUNT,
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
};
const size_t memory_stats_file_count = ARRAY_SIZE(memory_stats_files);

struct filler {
	const struct worker_file *files;
	struct arena *arena;
	bool no_memory;
};

/* A message of the given kind, initialised, in the arena; NULL (noted) when there is no room. */
static void *new_message(struct filler *f, const ProtobufCMessageDescriptor *desc)
{
	ProtobufCMessage *msg = arena_alloc(f->arena, desc->sizeof_message);

	if (msg)
		protobuf_c_message_init(desc, msg);
	else
		f->no_memory = true;
	return msg;
}

static bool have(const struct filler *f, enum stats_file which)
{
	return f->files[which].errnum == 0;
}

/* The number in a one-line file; unlimited stands for "max"; 0 when the file is missing. */
static uint64_t number(const struct filler *f, enum stats_file which, uint64_t unlimited)
{
	uint64_t value = 0;
	char word[32];

	if (!have(f, which) || sscanf(f->files[which].text, "%31s", word) != 1)
		return 0;
	if (str_eq(word, "max"))
		return unlimited;
	parse_u64(word, &value);
	return value;
}

static uint64_t keyed(const struct filler *f, enum stats_file which, const char *key)
{
	uint64_t value = 0;

	if (have(f, which))
		parse_keyed_u64(f->files[which].text, key, &value);
	return value;
}

static Grpc__CpuStats *fill_cpu(struct filler *f)
{
	Grpc__CpuStats *cpu;
	Grpc__CpuUsage *usage;
	Grpc__ThrottlingData *throttling;

	if (!have(f, CPU_STAT))
		return NULL;
	cpu = new_message(f, &grpc__cpu_stats__descriptor);
	usage = new_message(f, &grpc__cpu_usage__descriptor);
	throttling = new_message(f, &grpc__throttling_data__descriptor);
	if (f->no_memory)
		return NULL;
	usage->total_usage = keyed(f, CPU_STAT, "usage_usec") * 1000;
	usage->usage_in_usermode = keyed(f, CPU_STAT, "user_usec") * 1000;
	usage->usage_in_kernelmode = keyed(f, CPU_STAT, "system_usec") * 1000;
	throttling->periods = keyed(f, CPU_STAT, "nr_periods");
	throttling->throttled_periods = keyed(f, CPU_STAT, "nr_throttled");
	throttling->throttled_time = keyed(f, CPU_STAT, "throttled_usec") * 1000;
	cpu->cpu_usage = usage;
	cpu->throttling_data = throttling;
	return cpu;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* Every "name number" line of memory.stat. */
static void fill_stat_map(struct filler *f, Grpc__MemoryStats *memory)
{
	const char *line = f->files[MEMORY_STAT].text;
	size_t room;

	if (!have(f, MEMORY_STAT))
		return;
	room = count_lines(line);
	memory->stats = arena_calloc(f->arena, room ? room : 1, sizeof(*memory->stats));
	if (!memory->stats) {
		f->no_memory = true;
		return;
	}
	for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
		char key[64];
		uint64_t value;
		Grpc__MemoryStats__StatsEntry *entry;

		if (sscanf(line, "%63s %" SCNu64, key, &value) != 2)
			continue;
		entry = new_message(f, &grpc__memory_stats__stats_entry__descriptor);
		if (!entry || !(entry->key = arena_strdup(f->arena, key))) {
			f->no_memory = true;
			return;
		}
		entry->value = value;
		memory->stats[memory->n_stats++] = entry;
	}
}

static Grpc__MemoryStats *fill_memory(struct filler *f)
{
	Grpc__MemoryStats *memory;
	Grpc__MemoryData *usage, *swap, *kernel;

	if (!have(f, MEMORY_CURRENT))
		return NULL;
	memory = new_message(f, &grpc__memory_stats__descriptor);
	usage = new_message(f, &grpc__memory_data__descriptor);
	swap = new_message(f, &grpc__memory_data__descriptor);
	kernel = new_message(f, &grpc__memory_data__descriptor);
	if (f->no_memory)
		return NULL;
	usage->usage = number(f, MEMORY_CURRENT, 0);
	usage->max_usage = number(f, MEMORY_PEAK, 0);
	usage->limit = number(f, MEMORY_MAX, UINT64_MAX);
	usage->failcnt = keyed(f, MEMORY_EVENTS, "max");
	swap->usage = number(f, SWAP_CURRENT, 0);
	swap->max_usage = number(f, SWAP_PEAK, 0);
	swap->limit = number(f, SWAP_MAX, 0);
	swap->failcnt = keyed(f, SWAP_EVENTS, "fail");
	kernel->limit = UINT64_MAX;
	memory->cache = keyed(f, MEMORY_STAT, "file");
	memory->usage = usage;
	memory->swap_usage = swap;
	memory->kernel_usage = kernel;
	fill_stat_map(f, memory);
	return memory;
}

static Grpc__PidsStats *fill_pids(struct filler *f)
{
	Grpc__PidsStats *pids;

	if (!have(f, PIDS_CURRENT))
		return NULL;
	pids = new_message(f, &grpc__pids_stats__descriptor);
	if (!pids)
		return NULL;
	pids->current = number(f, PIDS_CURRENT, 0);
	pids->limit = number(f, PIDS_MAX, 0);
	return pids;
}

/* io.stat: "MAJ:MIN rbytes=N wbytes=N rios=N wios=N dbytes=N dios=N" (any subset, any order; c19).
 */
static void fill_io_line(struct filler *f, Grpc__BlkioStats *blkio, const char *line, size_t room)
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
		entry = new_message(f, &grpc__blkio_stats_entry__descriptor);
		if (!entry)
			return;
		entry->major = major;
		entry->minor = minor;
		entry->op = (char *)ops[i].op;
		sscanf(at + strlen(ops[i].key), "%" SCNu64, &entry->value);
		blkio->io_service_bytes_recursive[blkio->n_io_service_bytes_recursive++] = entry;
	}
}

static Grpc__BlkioStats *fill_io(struct filler *f)
{
	Grpc__BlkioStats *blkio;
	const char *line;
	size_t room;

	if (!have(f, IO_STAT))
		return NULL;
	line = f->files[IO_STAT].text;
	room = count_lines(line) * 6;
	blkio = new_message(f, &grpc__blkio_stats__descriptor);
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

int memory_stats_fill(const struct worker_file *files, size_t count, struct arena *arena,
	Grpc__CgroupStats **ret, struct error *err)
{
	struct filler f = {.files = files, .arena = arena};
	Grpc__CgroupStats *stats = new_message(&f, &grpc__cgroup_stats__descriptor);

	if (count != STATS_FILE_COUNT)
		return error_errno(
			err, EPROTO, "read statistics: %zu files of %d", count, STATS_FILE_COUNT);
	if (stats) {
		stats->cpu_stats = fill_cpu(&f);
		stats->memory_stats = fill_memory(&f);
		stats->pids_stats = fill_pids(&f);
		stats->blkio_stats = fill_io(&f);
	}
	if (f.no_memory)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "build statistics");
	*ret = stats;
	return 0;
}
