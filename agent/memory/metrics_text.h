/*
 * metrics_text: GetMetrics' answer, Prometheus text (format 0.0.4): every family of Kata's contract
 * (agent-api-containers.md 2, GetMetrics) and ours, sorted by name. Pure: the texts come from
 * worker_process, the figures from memory_state. What the kernel does not have is left out, except
 * in kata_guest_meminfo, where the contract wants 0.
 */
#ifndef MEMORY_METRICS_TEXT_H
#define MEMORY_METRICS_TEXT_H

#include "base/buffer.h"
#include "base/worker_process.h"
#include "memory/oom_record.h"

#include "memory.pb-c.h"

/* The files metrics_text() expects, in order, relative to /proc. */
enum {
	METRICS_AGENT_STAT,
	METRICS_AGENT_STATUS,
	METRICS_AGENT_IO,
	METRICS_LOADAVG,
	METRICS_VMSTAT,
	METRICS_MEMINFO,
	METRICS_STAT,
	METRICS_DISKSTATS,
	METRICS_NET_DEV,
	METRICS_FILES
};

/* Process 1's way from the kernel to its listening socket. */
struct metrics_boot {
	uint64_t kernel_us; /* of the guest's clock, when the agent began; 0 = not process 1 */
	uint64_t
		modules_us; /* loading the initrd's modules: the kernel's work, for the most part */
	uint64_t agent_us;  /* all the rest */
};

#define FILESYSTEMS_MAX 64

/* One mounted file system, as statfs(2) tells. */
struct filesystem_use {
	char mount[128], device[64];
	uint64_t bytes[3], inodes[3]; /* total, used, available */
};

struct metrics_input {
	const struct worker_file *files;
	const Cradle__MemoryState *memory;
	const struct filesystem_use *filesystems;
	size_t filesystem_count;
	struct metrics_boot boot;
	uint64_t scrapes, oom_events_dropped;
	const uint64_t *oom_kills;		 /* by cause: OOM_CAUSES of them; NULL = all 0 */
	const struct oom_record *const *records; /* oldest first */
	size_t record_count;
};

/* 0; -EMSGSIZE past the buffer's maximum, -ENOMEM. */
int metrics_text(const struct metrics_input *in, struct buffer *out);

#endif
