/* cgroup_limits_memory: memory and swap, v1 and v2. Part of cgroup_limits.h. */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/strings.h"
#include "kernel/cgroup_limits_plan.h"

/* A file that is not there, or says "max", leaves *ret alone. */
static void read_limit(const struct cgroup *cgroup, const char *file, uint64_t *ret)
{
	char text[64];

	if (cgroup_read(cgroup, "memory", file, text, sizeof(text)) <= 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	parse_u64(text, ret);
}

void limits_read_memory(const struct cgroup *cgroup, struct group_now *ret)
{
	bool v1 = cgroup_root_v1_has(cgroup->root, "memory");

	/* v1's "none" is the largest multiple of a page: larger than any limit all the same */
	read_limit(cgroup, v1 ? "memory.limit_in_bytes" : "memory.max", &ret->memory_max);
	read_limit(cgroup, v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max", &ret->swap_max);
}

static const char *limit_word(struct limits_planner *p, int64_t value, const char *none)
{
	return value < 0 ? none : limits_number(p, "%" PRId64, value);
}

static int below_limit(int64_t swap, uint64_t limit, struct error *err)
{
	return error_invalid(err,
		"Linux.Resources.Memory.Swap %" PRId64
		" (memory plus swap) is below Memory.Limit %" PRIu64,
		swap, limit);
}

/* ---- v2 ---- */

/*
 * OCI counts memory plus swap, v2 swap alone (sharp edge c17): the memory is the new limit, or else
 * the one that the group has. *ret: -1 = not asked for, INT64_MAX = no limit.
 */
static int swap_alone(
	struct limits_planner *p, const Grpc__LinuxMemory *memory, int64_t *ret, struct error *err)
{
	uint64_t limit = memory->limit > 0 ? (uint64_t)memory->limit : p->now->memory_max;

	*ret = memory->swap < 0 ? INT64_MAX : -1;
	if (memory->swap <= 0)
		return 0;
	if (limit == UINT64_MAX || memory->limit < 0)
		limit = 0;
	if ((uint64_t)memory->swap < limit)
		return below_limit(memory->swap, limit, err);
	*ret = memory->swap - (int64_t)limit;
	return 0;
}

/* No swap at all: a kernel that cannot count it (and mostly has none) gives that anyhow. */
static void add_swap_v2(struct limits_planner *p, int64_t swap)
{
	limits_add(p, "memory", "memory.swap.max",
		limit_word(p, swap == INT64_MAX ? -1 : swap, "max"),
		swap == 0 ? CGROUP_WRITE_OPTIONAL : 0);
}

/*
 * Swap that grows comes before memory that shrinks, so that what no longer fits has somewhere to
 * go; swap that shrinks comes after it, for the same reason.
 */
static int plan_v2(struct limits_planner *p, const Grpc__LinuxMemory *memory, struct error *err)
{
	int64_t swap;
	int r = swap_alone(p, memory, &swap, err);

	if (r < 0)
		return r;
	if (memory->disableoomkiller)
		log_printf(LOG_WARN, "cgroup",
			"Memory.DisableOOMKiller does not exist on cgroup v2: ignored");
	if (swap >= 0 && (uint64_t)swap > p->now->swap_max)
		add_swap_v2(p, swap);
	if (memory->limit)
		limits_add(p, "memory", "memory.max", limit_word(p, memory->limit, "max"), 0);
	/* v2's "none" is 0: no memory is protected */
	if (memory->reservation)
		limits_add(p, "memory", "memory.low", limit_word(p, memory->reservation, "0"), 0);
	if (swap >= 0 && (uint64_t)swap <= p->now->swap_max)
		add_swap_v2(p, swap);
	return 0;
}

/* ---- v1 ---- */

static void add_swap_v1(struct limits_planner *p, int64_t swap, unsigned flags)
{
	limits_add(p, "memory", "memory.memsw.limit_in_bytes", limit_word(p, swap, "-1"), flags);
}

/* What the kernel wants at every moment: limit <= limit with swap. */
static void add_limit_and_swap_v1(struct limits_planner *p, const Grpc__LinuxMemory *memory)
{
	int64_t swap = memory->swap;
	unsigned flags = swap == memory->limit ? CGROUP_WRITE_OPTIONAL : 0;
	bool swap_first;

	/* without a limit on memory, one on both would be the limit again */
	if (memory->limit < 0 && swap == 0) {
		swap = -1;
		flags = CGROUP_WRITE_QUIET;
	}
	swap_first = swap < 0 || (uint64_t)swap > p->now->swap_max;
	if (swap && swap_first)
		add_swap_v1(p, swap, flags);
	if (memory->limit)
		limits_add(p, "memory", "memory.limit_in_bytes", limit_word(p, memory->limit, "-1"),
			0);
	if (swap && !swap_first)
		add_swap_v1(p, swap, flags);
}

static int plan_v1(struct limits_planner *p, const Grpc__LinuxMemory *memory, struct error *err)
{
	static const char kmem[] = "memory.kmem.limit_in_bytes";

	if (memory->swap > 0 && memory->limit > 0 && memory->swap < memory->limit)
		return below_limit(memory->swap, (uint64_t)memory->limit, err);
	/* before Linux 4.5 kernel memory is counted from its first limit on; after 6.1 there is
	 * none
	 */
	if (p->now->fresh) {
		limits_add(p, "memory", kmem, "1", CGROUP_WRITE_QUIET);
		limits_add(p, "memory", kmem, "-1", CGROUP_WRITE_QUIET);
	}
	add_limit_and_swap_v1(p, memory);
	if (memory->reservation)
		limits_add(p, "memory", "memory.soft_limit_in_bytes",
			limit_word(p, memory->reservation, "-1"), 0);
	if (memory->kernel)
		limits_add(p, "memory", kmem, limit_word(p, memory->kernel, "-1"),
			CGROUP_WRITE_OPTIONAL);
	if (memory->kerneltcp)
		limits_add(p, "memory", "memory.kmem.tcp.limit_in_bytes",
			limit_word(p, memory->kerneltcp, "-1"), CGROUP_WRITE_OPTIONAL);
	if (memory->swappiness)
		limits_add(p, "memory", "memory.swappiness",
			limits_number(p, "%" PRIu64, memory->swappiness), 0);
	if (memory->disableoomkiller)
		limits_add(p, "memory", "memory.oom_control", "1", 0);
	return 0;
}

int limits_plan_memory(struct limits_planner *p, const Grpc__LinuxMemory *memory, struct error *err)
{
	if (memory->swappiness > 100)
		return error_invalid(err,
			"Linux.Resources.Memory.Swappiness %" PRIu64 " is over 100",
			memory->swappiness);
	return cgroup_root_v1_has(p->root, "memory") ? plan_v1(p, memory, err)
						     : plan_v2(p, memory, err);
}
