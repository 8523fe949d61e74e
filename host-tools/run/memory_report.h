/*
 * memory_report: the agent's figures in words: what a container used, and why it was killed. Pure;
 * whatever the guest says is bounded and cleaned of control characters.
 */
#ifndef RUN_MEMORY_REPORT_H
#define RUN_MEMORY_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "agent.pb-c.h"
#include "memory.pb-c.h"

/* One line without a newline; returns out. */
const char *memory_report_oom(
	const char *id, const Cradle__ListOOMRecordsResponse *records, char *out, size_t size);
/* The same from an agent that has no service cradle.Memory: what its statistics tell. */
const char *memory_report_oom_from_stats(
	const char *id, const Grpc__StatsContainerResponse *stats, char *out, size_t size);
/* When not even those could be had. limit_bytes: what we asked for. */
const char *memory_report_oom_bare(const char *id, uint64_t limit_bytes, char *out, size_t size);
/* "memory of ID: 1.2 MiB now, peak 3.4 MiB, limit 256 MiB, 0.5 MiB of it page cache". */
const char *memory_report_figures(
	const char *id, const Grpc__StatsContainerResponse *stats, char *out, size_t size);

#endif
