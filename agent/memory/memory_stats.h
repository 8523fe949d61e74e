/*
 * memory_stats: one container's control files -> the figures of StatsContainer. Which file gives
 * which field: agent-api-containers.md 10.3. Pure: the texts come from worker_process. v2 here,
 * v1 in memory_stats_v1.h.
 *
 * "No limit" in an answer, and nowhere else:
 *   memory (usage.limit), kernel memory      2^64-1   memory.max says "max"
 *   swap (swap_usage.limit), pids            0        memory.swap.max, pids.max say "max"
 * which is what both of Kata's shims pass on to containerd unchanged. A swap limit of 0 bytes can
 * so not be told from none; swap_usage.failcnt counts what it refused.
 *
 * The map memory_stats.stats has every name of memory.stat and v1's names for the same figures
 * ("cache", "total_rss", "total_inactive_file"...), so that every shim finds what it reads,
 * whatever version its host has. A name that the guest's kernel does not know is left out, never 0.
 */
#ifndef MEMORY_MEMORY_STATS_H
#define MEMORY_MEMORY_STATS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/worker_process.h"

#include "agent.pb-c.h"

/* The files to read, in the order memory_stats_fill() expects them. */
extern const char *const memory_stats_files[];
extern const size_t memory_stats_file_count;

/*
 * Fills the response from the arena. A missing file gives 0, a missing controller leaves its
 * sub-message out. On failure the response is as it was.
 */
int memory_stats_fill(const struct worker_file *files, size_t count, struct arena *arena,
	Grpc__StatsContainerResponse *response, struct error *err);

#endif
