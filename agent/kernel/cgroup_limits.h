/*
 * cgroup_limits: OCI LinuxResources -> writes to control files, v1's or v2's: each controller by
 * the version it is mounted as. Planning is pure; applying writes. Sources: OCI config-linux.md
 * "Control groups"; agent-api-containers.md 10.2; Linux Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1/.
 *
 * On the wire 0 is "not said" and -1 "no limit", which UpdateContainer uses to take one away (c20).
 */
#ifndef KERNEL_CGROUP_LIMITS_H
#define KERNEL_CGROUP_LIMITS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "kernel/cgroup.h"

#include "oci.pb-c.h"

enum cgroup_write_flags {
	CGROUP_WRITE_OPTIONAL = 1, /* a failure is logged and the next one written */
	CGROUP_WRITE_QUIET = 2,	   /* the same without a word */
	CGROUP_WRITE_OR_NEXT = 4,  /* of this and the next only the first whose file is there */
	CGROUP_WRITE_COMPARE = 8,  /* the kernel may round: read back, another value is a failure */
};

struct cgroup_write {
	const char *controller; /* "memory": named when the file is missing */
	const char *file;	/* "memory.max" */
	const char *value;
	unsigned flags; /* enum cgroup_write_flags */
};

struct cgroup_writes {
	struct cgroup_write *list; /* in the order of writing; in the arena */
	size_t count;
};

/*
 * root tells the versions; NULL: all v2. resources may be NULL (no writes). Values that contradict
 * each other are INVALID_ARGUMENT.
 */
int cgroup_limits_plan(const struct cgroup_root *root, const Grpc__LinuxResources *resources,
	struct arena *arena, struct cgroup_writes *ret, struct error *err);
/*
 * The same for a group that is there and may be in use: what resources do not say stays as it is
 * (the other word of cpu.max; the memory that Swap counts), and of memory and swap that is written
 * first which leaves room for the other. Reads control files; these reads do not sleep.
 */
int cgroup_limits_plan_update(const struct cgroup *cgroup, const Grpc__LinuxResources *resources,
	struct arena *arena, struct cgroup_writes *ret, struct error *err);
/*
 * Writes them. A missing control file is FAILED_PRECONDITION naming the limit and what the kernel
 * lacks; the first failure ends it, *set (may be NULL) are done then. MAY SLEEP when a memory limit
 * is lowered below usage (the kernel reclaims); on a new, empty group it does not.
 */
int cgroup_limits_apply(const struct cgroup *cgroup, const struct cgroup_writes *writes,
	size_t *set, struct error *err);

#endif
