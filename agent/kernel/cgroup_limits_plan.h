/* cgroup_limits_plan: the parts of cgroup_limits' planning, one a controller. For
 * cgroup_limits*.c. */
#ifndef KERNEL_CGROUP_LIMITS_PLAN_H
#define KERNEL_CGROUP_LIMITS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/cgroup_limits.h"

/* What a group has now, as far as a new value depends on it. */
struct group_now {
	bool fresh;	/* nobody is in it yet */
	char quota[24]; /* first word of cpu.max */
	uint64_t period;
	/* UINT64_MAX = none. swap_max: v2 swap alone, v1 with memory (memory.memsw) */
	uint64_t memory_max, swap_max;
};

struct limits_planner {
	const struct cgroup_root *root; /* NULL: all v2 */
	struct arena *arena;
	const struct group_now *now;
	struct cgroup_writes *writes;
	size_t room;
	bool failed; /* no memory */
};

/* value NULL or file NULL: notes that there was no memory. */
void limits_add(struct limits_planner *p, const char *controller, const char *file,
	const char *value, unsigned flags);
#define limits_number(p, fmt, value) arena_printf((p)->arena, fmt, (value))

int limits_plan_memory(
	struct limits_planner *p, const Grpc__LinuxMemory *memory, struct error *err);
void limits_read_memory(const struct cgroup *cgroup, struct group_now *ret);

void limits_plan_cpu(struct limits_planner *p, const Grpc__LinuxCPU *cpu);
void limits_read_cpu(const struct cgroup *cgroup, struct group_now *ret);

void limits_plan_io(struct limits_planner *p, const Grpc__LinuxBlockIO *io);
size_t limits_count_io(const Grpc__LinuxBlockIO *io);

#endif
