/* oom_cause: see oom_cause.h. Called by oom_monitor. */
#include "memory/oom_cause.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

static uint64_t risen(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

struct oom_credit oom_credit_of(const struct oom_counters *spent, const struct oom_counters *now)
{
	struct oom_credit credit = {.own = risen(spent->local_oom, now->local_oom)};
	const uint64_t all = risen(spent->oom, now->oom);

	credit.child = all > credit.own ? all - credit.own : 0;
	return credit;
}

static bool take(uint64_t *credit)
{
	return *credit > 0 && (--*credit, true);
}

enum oom_cause oom_cause_next(struct oom_credit *credit)
{
	if (take(&credit->own))
		return OOM_CAUSE_CONTAINER_LIMIT;
	if (take(&credit->child))
		return OOM_CAUSE_CHILD_LIMIT;
	if (take(&credit->pod))
		return OOM_CAUSE_POD_LIMIT;
	return OOM_CAUSE_WHOLE_VM;
}

const char *oom_cause_name(enum oom_cause cause)
{
	static const char *const names[] = {
		[OOM_CAUSE_UNKNOWN] = "unknown",
		[OOM_CAUSE_CONTAINER_LIMIT] = "container limit",
		[OOM_CAUSE_CHILD_LIMIT] = "limit of a group inside the container",
		[OOM_CAUSE_POD_LIMIT] = "pod limit",
		[OOM_CAUSE_WHOLE_VM] = "whole VM out of memory",
		[OOM_CAUSE_STALL] = "stalled by memory pressure",
	};

	return (size_t)cause < ARRAY_SIZE(names) ? names[cause] : names[OOM_CAUSE_UNKNOWN];
}
