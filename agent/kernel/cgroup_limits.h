/*
 * cgroup_limits: OCI LinuxResources -> writes to v2 control files. Planning is pure; applying
 * writes. Sources: OCI config-linux.md "Control groups"; agent-api-containers.md 10.2; Linux
 * Documentation/admin-guide/cgroup-v2.rst. On the wire only values > 0 are limits (10.2).
 */
#ifndef KERNEL_CGROUP_LIMITS_H
#define KERNEL_CGROUP_LIMITS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

#include "oci.pb-c.h"

struct cgroup_write {
	const char *controller; /* "memory": named when the file is missing */
	const char *file;	/* "memory.max" */
	const char *value;
};

struct cgroup_writes {
	struct cgroup_write *list; /* in the order of writing; in the arena */
	size_t count;
};

/* resources may be NULL (no writes). Values that contradict each other are INVALID_ARGUMENT. */
int cgroup_limits_plan(const Grpc__LinuxResources *resources, struct arena *arena,
	struct cgroup_writes *ret, struct error *err);
/*
 * The same for a group that is there and may be in use: what resources do not say stays as it is
 * (the other word of cpu.max; the memory that Swap counts), and memory.swap.max is written before
 * memory.max if it grows. Reads control files of cgroup_fd; these reads do not sleep.
 */
int cgroup_limits_plan_update(int cgroup_fd, const Grpc__LinuxResources *resources,
	struct arena *arena, struct cgroup_writes *ret, struct error *err);
/*
 * Writes them below the directory fd. A missing control file is FAILED_PRECONDITION naming the
 * limit and its controller; the first failure ends it. MAY SLEEP when memory.max is lowered below
 * usage (the kernel reclaims); on a new, empty group it does not.
 */
int cgroup_limits_apply(int cgroup_fd, const struct cgroup_writes *writes, struct error *err);

#endif
