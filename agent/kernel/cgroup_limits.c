/* cgroup_limits: see cgroup_limits.h. Called by sandbox/container_create and
 * container_update. */
#include "kernel/cgroup_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/strings.h"

/* Most writes one spec can ask for, apart from its per-device lists. */
#define FIXED_WRITES 16

/* What a group has now, as far as a new value depends on it. */
struct group_now {
	char quota[24]; /* first word of cpu.max */
	uint64_t period;
	uint64_t memory_max, swap_max; /* UINT64_MAX = none */
};

static const struct group_now fresh = {"max", 100000, UINT64_MAX, UINT64_MAX};

struct planner {
	struct arena *arena;
	const struct group_now *now;
	struct cgroup_writes *writes;
	size_t room;
	bool failed;
};

static void add(struct planner *p, const char *controller, const char *file, char *value)
{
	if (!value || !file || p->writes->count == p->room) {
		p->failed = true;
		return;
	}
	p->writes->list[p->writes->count++] = (struct cgroup_write){controller, file, value};
}

#define number(p, fmt, value) arena_printf((p)->arena, fmt, (value))

/*
 * OCI counts memory plus swap, v2 swap alone (sharp edge c17): the memory is the new limit, or else
 * the one that the group has. *ret: -1 = not asked for.
 */
static int swap_alone(
	struct planner *p, const Grpc__LinuxMemory *memory, int64_t *ret, struct error *err)
{
	uint64_t limit = memory->limit > 0 ? (uint64_t)memory->limit : p->now->memory_max;

	*ret = -1;
	if (memory->swap <= 0)
		return 0;
	if (limit == UINT64_MAX)
		limit = 0;
	if ((uint64_t)memory->swap < limit)
		return error_invalid(err,
			"Linux.Resources.Memory.Swap %" PRId64
			" (memory plus swap) is below Memory.Limit %" PRIu64,
			memory->swap, limit);
	*ret = memory->swap - (int64_t)limit;
	return 0;
}

/*
 * Swap that grows comes before memory that shrinks, so that what no longer fits has somewhere to
 * go; swap that shrinks comes after it, for the same reason.
 */
static int plan_memory(struct planner *p, const Grpc__LinuxMemory *memory, struct error *err)
{
	int64_t swap;
	int r;

	if (memory->swappiness > 100)
		return error_invalid(err,
			"Linux.Resources.Memory.Swappiness %" PRIu64 " is over 100",
			memory->swappiness);
	if (memory->disableoomkiller)
		log_printf(LOG_WARN, "cgroup",
			"Memory.DisableOOMKiller does not exist on cgroup v2: ignored");
	r = swap_alone(p, memory, &swap, err);
	if (r < 0)
		return r;
	if (swap >= 0 && (uint64_t)swap > p->now->swap_max)
		add(p, "memory", "memory.swap.max", number(p, "%" PRId64, swap));
	if (memory->limit > 0)
		add(p, "memory", "memory.max", number(p, "%" PRId64, memory->limit));
	if (memory->reservation > 0)
		add(p, "memory", "memory.low", number(p, "%" PRId64, memory->reservation));
	if (swap >= 0 && (uint64_t)swap <= p->now->swap_max)
		add(p, "memory", "memory.swap.max", number(p, "%" PRId64, swap));
	return 0;
}

/* Shares 2..262144 onto weight 1..10000, as runc and crun do; outside values are clamped (c18). */
static uint64_t weight_of_shares(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static void plan_cpu(struct planner *p, const Grpc__LinuxCPU *cpu)
{
	uint64_t period = cpu->period ? cpu->period : p->now->period;

	if (cpu->realtimeruntime > 0 || cpu->realtimeperiod)
		log_printf(
			LOG_WARN, "cgroup", "CPU.Realtime* does not exist on cgroup v2: ignored");
	if (cpu->shares)
		add(p, "cpu", "cpu.weight", number(p, "%" PRIu64, weight_of_shares(cpu->shares)));
	if (cpu->quota > 0)
		add(p, "cpu", "cpu.max",
			arena_printf(p->arena, "%" PRId64 " %" PRIu64, cpu->quota, period));
	else if (cpu->period)
		add(p, "cpu", "cpu.max",
			arena_printf(p->arena, "%s %" PRIu64, p->now->quota, period));
	if (!str_empty(cpu->cpus))
		add(p, "cpuset", "cpuset.cpus", arena_strdup(p->arena, cpu->cpus));
	if (!str_empty(cpu->mems))
		add(p, "cpuset", "cpuset.mems", arena_strdup(p->arena, cpu->mems));
}

static void plan_throttle(
	struct planner *p, Grpc__LinuxThrottleDevice *const *list, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		add(p, "io", "io.max",
			arena_printf(p->arena, "%" PRId64 ":%" PRId64 " %s=%" PRIu64,
				list[i]->major, list[i]->minor, key, list[i]->rate));
}

static void plan_io(struct planner *p, const Grpc__LinuxBlockIO *io)
{
	plan_throttle(p, io->throttlereadbpsdevice, io->n_throttlereadbpsdevice, "rbps");
	plan_throttle(p, io->throttlewritebpsdevice, io->n_throttlewritebpsdevice, "wbps");
	plan_throttle(p, io->throttlereadiopsdevice, io->n_throttlereadiopsdevice, "riops");
	plan_throttle(p, io->throttlewriteiopsdevice, io->n_throttlewriteiopsdevice, "wiops");
}

static int plan_hugepages(
	struct planner *p, const Grpc__LinuxResources *resources, struct error *err)
{
	for (size_t i = 0; i < resources->n_hugepagelimits; i++) {
		const Grpc__LinuxHugepageLimit *limit = resources->hugepagelimits[i];

		/* the size becomes part of a file name */
		for (const char *c = limit->pagesize; *c; c++)
			if (!strchr("0123456789KMGB", *c))
				return error_invalid(err,
					"Linux.Resources.HugepageLimits[%zu].Pagesize '%s'", i,
					limit->pagesize);
		add(p, "hugetlb", arena_printf(p->arena, "hugetlb.%s.max", limit->pagesize),
			number(p, "%" PRIu64, limit->limit));
	}
	return 0;
}

static size_t count_writes(const Grpc__LinuxResources *r)
{
	size_t n = FIXED_WRITES + r->n_hugepagelimits;

	if (r->blockio)
		n += r->blockio->n_throttlereadbpsdevice + r->blockio->n_throttlewritebpsdevice +
		     r->blockio->n_throttlereadiopsdevice + r->blockio->n_throttlewriteiopsdevice;
	return n;
}

static int plan(const Grpc__LinuxResources *resources, const struct group_now *now,
	struct arena *arena, struct cgroup_writes *ret, struct error *err)
{
	struct cgroup_writes writes = {NULL, 0};
	struct planner p = {.arena = arena, .now = now, .writes = &writes};
	int r = 0;

	if (!resources) {
		*ret = writes;
		return 0;
	}
	p.room = count_writes(resources);
	writes.list = arena_calloc(arena, p.room, sizeof(*writes.list));
	if (!writes.list)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "plan cgroup limits");
	if (resources->memory)
		r = plan_memory(&p, resources->memory, err);
	if (r == 0 && resources->cpu)
		plan_cpu(&p, resources->cpu);
	if (r == 0 && resources->pids && resources->pids->limit > 0)
		add(&p, "pids", "pids.max", number(&p, "%" PRId64, resources->pids->limit));
	if (r == 0 && resources->blockio)
		plan_io(&p, resources->blockio);
	if (r == 0)
		r = plan_hugepages(&p, resources, err);
	if (r < 0)
		return r;
	if (p.failed)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "plan cgroup limits");
	*ret = writes;
	return 0;
}

int cgroup_limits_plan(const Grpc__LinuxResources *resources, struct arena *arena,
	struct cgroup_writes *ret, struct error *err)
{
	return plan(resources, &fresh, arena, ret, err);
}

/* A file that is not there, or says "max", leaves *ret alone. */
static void read_limit(int cgroup_fd, const char *file, uint64_t *ret)
{
	char text[64], *end;

	if (file_read_at(cgroup_fd, file, text, sizeof(text)) <= 0)
		return;
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	parse_u64(text, ret);
}

int cgroup_limits_plan_update(int cgroup_fd, const Grpc__LinuxResources *resources,
	struct arena *arena, struct cgroup_writes *ret, struct error *err)
{
	struct group_now now = fresh;
	char text[64];

	read_limit(cgroup_fd, "memory.max", &now.memory_max);
	read_limit(cgroup_fd, "memory.swap.max", &now.swap_max);
	if (file_read_at(cgroup_fd, "cpu.max", text, sizeof(text)) > 0 &&
		sscanf(text, "%23s %" SCNu64, now.quota, &now.period) != 2)
		now = (struct group_now){"max", fresh.period, now.memory_max, now.swap_max};
	return plan(resources, &now, arena, ret, err);
}

int cgroup_limits_apply(int cgroup_fd, const struct cgroup_writes *writes, struct error *err)
{
	for (size_t i = 0; i < writes->count; i++) {
		const struct cgroup_write *w = &writes->list[i];
		int r = file_write_at(cgroup_fd, w->file, w->value);

		if (r == -ENOENT)
			return error_set(err, STATUS_FAILED_PRECONDITION, ENOENT,
				"set limit %s = %s: this guest has no %s controller", w->file,
				w->value, w->controller);
		if (r < 0)
			return error_errno(err, -r, "set limit %s = %s", w->file, w->value);
	}
	return 0;
}
