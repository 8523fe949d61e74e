/*
 * memory_stats_v1: the same as memory_stats.h where the memory controller is v1's: its files lie in
 * several hierarchies. Source: agent-api-containers.md 10.3; Linux Documentation/admin-guide/
 * cgroup-v1/{memory,cpuacct,blkio-controller,hugetlb}.rst.
 *
 * Limits are passed on as v1 says them: "none" is the largest multiple of a page (pids: 0). Both of
 * Kata's shims take usage less total_inactive_file of the map for the working set, which v1 has.
 */
#ifndef MEMORY_MEMORY_STATS_V1_H
#define MEMORY_MEMORY_STATS_V1_H

#include "kernel/cgroup.h"
#include "memory/memory_stats.h"

/* Absolute paths of the files to read, in the order of the fill; in the arena. 0 or -ENOMEM. */
int memory_stats_v1_names(
	const struct cgroup *cgroup, struct arena *arena, const char *const **ret, size_t *count);
/* As memory_stats_fill(). */
int memory_stats_v1_fill(const struct worker_file *files, size_t count, struct arena *arena,
	Grpc__StatsContainerResponse *response, struct error *err);

#endif
