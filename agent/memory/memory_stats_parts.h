/*
 * memory_stats_parts: what v1's and v2's statistics are filled with alike. For memory_stats*.c.
 */
#ifndef MEMORY_MEMORY_STATS_PARTS_H
#define MEMORY_MEMORY_STATS_PARTS_H

#include <stdbool.h>

#include "memory/memory_stats.h"

struct stats_filler {
	const struct worker_file *files;
	struct arena *arena;
	bool no_memory;
};

/* A message of the given kind, initialised, in the arena; NULL (noted) when there is no room. */
void *stats_message(struct stats_filler *f, const ProtobufCMessageDescriptor *desc);
bool stats_have(const struct stats_filler *f, size_t which);
/* The number in a one-line file; unlimited stands for "max"; 0 when the file is missing. */
uint64_t stats_number(const struct stats_filler *f, size_t which, uint64_t unlimited);
/* "key number" in the file; 0 when it is not there. */
uint64_t stats_keyed(const struct stats_filler *f, size_t which, const char *key);
size_t stats_count_lines(const char *text);
/*
 * The map of a "word number" file, with room for so many entries more. False: no such file, or
 * no memory (noted).
 */
bool stats_fill_map(struct stats_filler *f, size_t which, size_t more, Grpc__MemoryStats *memory);
/* One entry more; key is not copied. */
void stats_add(Grpc__MemoryStats *memory, const char *key, uint64_t value);
/* The entry of that name; NULL when there is none. */
const Grpc__MemoryStats__StatsEntry *stats_find(const Grpc__MemoryStats *memory, const char *key);
Grpc__PidsStats *stats_fill_pids(struct stats_filler *f, size_t current, size_t max);
/* which is /proc/net/dev. */
void stats_fill_network(
	struct stats_filler *f, size_t which, Grpc__StatsContainerResponse *response);

/* How a cgroup version's files become an answer: which of them it is for what both read alike. */
struct stats_version {
	size_t file_count, pids_current, pids_max, net_dev;
	/* NULL: not there, or no memory (noted) */
	Grpc__CpuStats *(*cpu)(struct stats_filler *f);
	Grpc__MemoryStats *(*memory)(struct stats_filler *f);
	Grpc__BlkioStats *(*io)(struct stats_filler *f);
	void (*hugetlb)(struct stats_filler *f, Grpc__CgroupStats *stats);
};

/* 0, or negative with err: then *response is untouched. What it points to is in the arena. */
int stats_fill(const struct stats_version *version, const struct worker_file *files, size_t count,
	struct arena *arena, Grpc__StatsContainerResponse *response, struct error *err);

#endif
