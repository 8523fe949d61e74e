/* memory_report: figures to sentences. */
#include "run/memory_report.h"

#include <stdio.h>
#include <string.h>

#include "base/strings.h"
#include "vm/sizing.h"

/* Above this the guest means "no limit" (the page counter's maximum, linux mm/page_counter). */
#define NO_LIMIT (1ull << 60)

static const char *cause_text(Cradle__OOMRecord__Cause cause)
{
	switch (cause) {
	case CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT:
		return "it reached its own memory limit";
	case CRADLE__OOMRECORD__CAUSE__CHILD_LIMIT:
		return "it reached a limit that it set on a cgroup of its own";
	case CRADLE__OOMRECORD__CAUSE__POD_LIMIT:
		return "all containers together reached what the VM has for them";
	case CRADLE__OOMRECORD__CAUSE__WHOLE_VM:
		return "the whole VM was out of memory";
	case CRADLE__OOMRECORD__CAUSE__STALL:
		return "everything in it waited for memory for too long";
	default:
		return "the cause is not known";
	}
}

/* Names come from inside the container. */
static void clean(char *out, size_t size, const char *text)
{
	str_copy(out, size, text ? text : "");
	for (; *out; out++) {
		if ((unsigned char)*out < 0x20 || (unsigned char)*out >= 0x7f)
			*out = '?';
	}
}

static const char *limit_text(uint64_t limit, char *out, size_t size)
{
	if (limit == 0 || limit >= NO_LIMIT)
		str_copy(out, size, "none");
	else
		sizing_text(limit, out, size);
	return out;
}

static void victim_text(const Cradle__OOMRecord *record, char *out, size_t size)
{
	char comm[32], anon[32];

	clean(comm, sizeof(comm), record->comm);
	if (!comm[0]) {
		str_copy(out, size, "");
		return;
	}
	str_format(out, size, "; killed: %s", comm);
	if (record->anon_bytes)
		str_format(out, size, "; killed: %s, which held %s", comm,
			sizing_text(record->anon_bytes, anon, sizeof(anon)));
}

const char *memory_report_oom(
	const char *id, const Cradle__ListOOMRecordsResponse *records, char *out, size_t size)
{
	const Cradle__OOMRecord *last;
	char limit[32], peak[32], victim[96];

	if (records->n_records == 0)
		return memory_report_oom_bare(id, 0, out, size);
	/* The last one ended the container; earlier kills may have hit other processes of it. */
	last = records->records[records->n_records - 1];
	victim_text(last, victim, sizeof(victim));
	str_format(out, size, "container %s %s: %s (limit %s, peak %s%s)", id,
		last->cause != CRADLE__OOMRECORD__CAUSE__STALL ? "was OOM-killed"
		: last->kills				       ? "was killed"
							       : "stalled",
		cause_text(last->cause), limit_text(last->limit_bytes, limit, sizeof(limit)),
		sizing_text(last->peak_bytes, peak, sizeof(peak)), victim);
	return out;
}

static const Grpc__MemoryData *usage_of(const Grpc__StatsContainerResponse *stats)
{
	static const Grpc__MemoryData none = GRPC__MEMORY_DATA__INIT;

	if (!stats->cgroup_stats || !stats->cgroup_stats->memory_stats ||
		!stats->cgroup_stats->memory_stats->usage)
		return &none;
	return stats->cgroup_stats->memory_stats->usage;
}

const char *memory_report_oom_from_stats(
	const char *id, const Grpc__StatsContainerResponse *stats, char *out, size_t size)
{
	const Grpc__MemoryData *usage = usage_of(stats);
	char limit[32], peak[32];
	bool reached = usage->limit && usage->max_usage >= usage->limit - usage->limit / 50;

	str_format(out, size, "container %s was OOM-killed: %s (limit %s, peak %s)", id,
		reached ? "it reached its own memory limit" : cause_text(0),
		limit_text(usage->limit, limit, sizeof(limit)),
		sizing_text(usage->max_usage, peak, sizeof(peak)));
	return out;
}

const char *memory_report_oom_bare(const char *id, uint64_t limit_bytes, char *out, size_t size)
{
	char limit[32];

	str_format(out, size, "container %s was OOM-killed (limit %s; the agent gave no figures)",
		id, limit_text(limit_bytes, limit, sizeof(limit)));
	return out;
}

const char *memory_report_figures(
	const char *id, const Grpc__StatsContainerResponse *stats, char *out, size_t size)
{
	const Grpc__MemoryData *usage = usage_of(stats);
	char now[32], peak[32], limit[32], cache[32];
	uint64_t cached = stats->cgroup_stats && stats->cgroup_stats->memory_stats
				  ? stats->cgroup_stats->memory_stats->cache
				  : 0;

	str_format(out, size, "memory of %s: %s at the end, peak %s, limit %s, page cache %s", id,
		sizing_text(usage->usage, now, sizeof(now)),
		sizing_text(usage->max_usage, peak, sizeof(peak)),
		limit_text(usage->limit, limit, sizeof(limit)),
		sizing_text(cached, cache, sizeof(cache)));
	return out;
}
