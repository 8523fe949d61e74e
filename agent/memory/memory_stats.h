/*
 * memory_stats: one container's control files -> the figures of StatsContainer (and the guest's
 * /proc/meminfo numbers the sandbox needs). Which file gives which field:
 * agent-api-containers.md 10.3. Pure: the texts come from worker_process. v2 here; v1 proper is the
 * container engine's issue.
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
 * Builds *ret in the arena. A missing file gives 0, a missing controller leaves its sub-message
 * out; "max" is 2^64-1 for memory, 0 for swap and pids.
 */
int memory_stats_fill(const struct worker_file *files, size_t count, struct arena *arena,
	Grpc__CgroupStats **ret, struct error *err);

#endif
