/* oom_cause: see oom_cause.h. Called by oom_monitor. */
#include "memory/oom_cause.h"

#include <stddef.h>

#include "base/cleanup.h"

enum oom_cause oom_cause_of(const struct oom_counters *before, const struct oom_counters *after)
{
	if (after->oom_kill <= before->oom_kill)
		return OOM_CAUSE_UNKNOWN;
	if (after->local_oom > before->local_oom)
		return OOM_CAUSE_CONTAINER_LIMIT;
	if (after->oom > before->oom)
		return OOM_CAUSE_CHILD_LIMIT;
	if (after->parent_oom > before->parent_oom)
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
	};

	return (size_t)cause < ARRAY_SIZE(names) ? names[cause] : names[OOM_CAUSE_UNKNOWN];
}
