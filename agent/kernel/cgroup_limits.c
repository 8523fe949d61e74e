/* cgroup_limits: see cgroup_limits.h. Called by sandbox/container_create and
 * container_update. */
#include "kernel/cgroup_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/strings.h"
#include "kernel/cgroup_limits_plan.h"

/* Most writes one spec can ask for, apart from its lists. */
#define FIXED_WRITES 24

static const struct group_now fresh = {true, "max", 100000, UINT64_MAX, UINT64_MAX};

void limits_add(struct limits_planner *p, const char *controller, const char *file,
	const char *value, unsigned flags)
{
	if (!value || !file || p->writes->count == p->room) {
		p->failed = true;
		return;
	}
	p->writes->list[p->writes->count++] = (struct cgroup_write){controller, file, value, flags};
}

/* ---- planning ---- */

/* "2MB" as the kernel spells it: what a limit is a multiple of. 0: not to be told. */
static uint64_t huge_page_size(const char *name)
{
	uint64_t size = 0;
	size_t digits = strspn(name, "0123456789");
	char number[16];

	if (digits == 0 || digits >= sizeof(number))
		return 0;
	memcpy(number, name, digits);
	number[digits] = '\0';
	if (parse_u64(number, &size) < 0 || size > UINT32_MAX)
		return 0;
	return str_eq(name + digits, "KB")   ? size << 10
	       : str_eq(name + digits, "MB") ? size << 20
	       : str_eq(name + digits, "GB") ? size << 30
					     : 0;
}

/* The kernel rounds down to whole pages; so do we, that what is read back is what was asked (c23).
 */
static void plan_huge_size(struct limits_planner *p, const Grpc__LinuxHugepageLimit *limit)
{
	bool v1 = cgroup_root_v1_has(p->root, "hugetlb");
	uint64_t page = huge_page_size(limit->pagesize), bytes = limit->limit;
	const char *file = arena_printf(
		p->arena, v1 ? "hugetlb.%s.limit_in_bytes" : "hugetlb.%s.max", limit->pagesize);

	if (page)
		bytes -= bytes % page;
	if (bytes > INT64_MAX)
		limits_add(p, "hugetlb", file, v1 ? "-1" : "max", 0);
	else
		limits_add(p, "hugetlb", file, limits_number(p, "%" PRIu64, bytes),
			CGROUP_WRITE_COMPARE);
}

static int plan_hugepages(
	struct limits_planner *p, const Grpc__LinuxResources *resources, struct error *err)
{
	for (size_t i = 0; i < resources->n_hugepagelimits; i++) {
		const Grpc__LinuxHugepageLimit *limit = resources->hugepagelimits[i];

		/* the size becomes part of a file name */
		for (const char *c = limit->pagesize; *c; c++)
			if (!strchr("0123456789KMGB", *c))
				return error_invalid(err,
					"Linux.Resources.HugepageLimits[%zu].Pagesize '%s'", i,
					limit->pagesize);
		plan_huge_size(p, limit);
	}
	return 0;
}

/* v2 has nothing for these; Kata's agent ignores failures with priorities too. */
static void plan_network(struct limits_planner *p, const Grpc__LinuxNetwork *network)
{
	if (network->classid && cgroup_root_v1_has(p->root, "net_cls"))
		limits_add(p, "net_cls", "net_cls.classid",
			limits_number(p, "0x%" PRIx32, network->classid), 0);
	if (!cgroup_root_v1_has(p->root, "net_prio"))
		return;
	for (size_t i = 0; i < network->n_priorities; i++)
		limits_add(p, "net_prio", "net_prio.ifpriomap",
			arena_printf(p->arena, "%s %" PRIu32, network->priorities[i]->name,
				network->priorities[i]->priority),
			CGROUP_WRITE_OPTIONAL);
}

static size_t count_writes(const Grpc__LinuxResources *r)
{
	return FIXED_WRITES + r->n_hugepagelimits + (r->blockio ? limits_count_io(r->blockio) : 0) +
	       (r->network ? r->network->n_priorities : 0);
}

static int plan_all(
	struct limits_planner *p, const Grpc__LinuxResources *resources, struct error *err)
{
	int r = resources->memory ? limits_plan_memory(p, resources->memory, err) : 0;

	if (r < 0)
		return r;
	if (resources->cpu)
		limits_plan_cpu(p, resources->cpu);
	if (resources->pids && resources->pids->limit < 0)
		limits_add(p, "pids", "pids.max", "max", 0);
	else if (resources->pids && resources->pids->limit > 0)
		limits_add(p, "pids", "pids.max",
			limits_number(p, "%" PRId64, resources->pids->limit), 0);
	if (resources->blockio)
		limits_plan_io(p, resources->blockio);
	if (resources->network)
		plan_network(p, resources->network);
	return plan_hugepages(p, resources, err);
}

static int plan(const struct cgroup_root *root, const Grpc__LinuxResources *resources,
	const struct group_now *now, struct arena *arena, struct cgroup_writes *ret,
	struct error *err)
{
	struct cgroup_writes writes = {NULL, 0};
	struct limits_planner p = {.root = root, .arena = arena, .now = now, .writes = &writes};
	int r;

	if (!resources) {
		*ret = writes;
		return 0;
	}
	p.room = count_writes(resources);
	writes.list = arena_calloc(arena, p.room, sizeof(*writes.list));
	if (!writes.list)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "plan cgroup limits");
	r = plan_all(&p, resources, err);
	if (r < 0)
		return r;
	if (p.failed)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "plan cgroup limits");
	*ret = writes;
	return 0;
}

int cgroup_limits_plan(const struct cgroup_root *root, const Grpc__LinuxResources *resources,
	struct arena *arena, struct cgroup_writes *ret, struct error *err)
{
	return plan(root, resources, &fresh, arena, ret, err);
}

int cgroup_limits_plan_update(const struct cgroup *cgroup, const Grpc__LinuxResources *resources,
	struct arena *arena, struct cgroup_writes *ret, struct error *err)
{
	struct group_now now = fresh;

	now.fresh = false;
	limits_read_memory(cgroup, &now);
	limits_read_cpu(cgroup, &now);
	return plan(cgroup->root, resources, &now, arena, ret, err);
}

/* ---- applying ---- */

static int missing_file(
	const struct cgroup *cgroup, const struct cgroup_write *w, struct error *err)
{
	char text[64];
	bool v1 = cgroup_root_v1_has(cgroup->root, w->controller);

	if (str_starts(w->file, "memory.") && strstr(w->file, "sw") &&
		cgroup_read(cgroup, "memory", v1 ? "memory.limit_in_bytes" : "memory.max", text,
			sizeof(text)) > 0)
		return error_set(err, STATUS_FAILED_PRECONDITION, ENOENT,
			"set limit %s = %s: this guest's kernel does not account swap "
			"(CONFIG_SWAP, swapaccount=1)",
			w->file, w->value);
	if (v1)
		return error_set(err, STATUS_FAILED_PRECONDITION, ENOENT,
			"set limit %s = %s: cgroup v1's %s controller has no such file", w->file,
			w->value, w->controller);
	return error_set(err, STATUS_FAILED_PRECONDITION, ENOENT,
		"set limit %s = %s: this guest has no %s controller", w->file, w->value,
		w->controller);
}

static int compare(const struct cgroup *cgroup, const struct cgroup_write *w, struct error *err)
{
	char text[64];
	ssize_t n = cgroup_read(cgroup, w->controller, w->file, text, sizeof(text));

	if (n < 0)
		return error_errno(err, (int)-n, "read back limit %s", w->file);
	text[strcspn(text, "\n")] = '\0';
	return str_eq(text, w->value)
		       ? 0
		       : error_errno(err, ERANGE, "set limit %s = %s: the kernel made it %s",
				 w->file, w->value, text);
}

static int write_one(const struct cgroup *cgroup, const struct cgroup_write *w, struct error *err)
{
	int r = cgroup_write(cgroup, w->controller, w->file, w->value);

	if (r == -ENOENT)
		return missing_file(cgroup, w, err);
	/* v1: what is in use cannot be had back (v2 kills for it) */
	if (r == -EBUSY && str_eq(w->controller, "memory"))
		return error_set(err, STATUS_FAILED_PRECONDITION, EBUSY,
			"set limit %s = %s: more is in use, and cannot be reclaimed", w->file,
			w->value);
	if (r < 0)
		return error_errno(err, -r, "set limit %s = %s", w->file, w->value);
	return w->flags & CGROUP_WRITE_COMPARE ? compare(cgroup, w, err) : 0;
}

static void log_skipped(const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	log_record(LOG_WARN, "cgroup", "a limit is not set", "error",
		error_render(err, text, sizeof(text)), NULL);
}

int cgroup_limits_apply(const struct cgroup *cgroup, const struct cgroup_writes *writes,
	size_t *set, struct error *err)
{
	for (size_t i = 0; i < writes->count; i++) {
		const struct cgroup_write *w = &writes->list[i];
		struct error own = ERROR_INIT;
		int r = write_one(cgroup, w, &own);

		if (w->flags & CGROUP_WRITE_OR_NEXT) {
			if (own.errnum == ENOENT)
				continue;
			i++;
		}
		if (r >= 0 || w->flags & CGROUP_WRITE_QUIET)
			continue;
		if (w->flags & CGROUP_WRITE_OPTIONAL) {
			log_skipped(&own);
			continue;
		}
		*err = own;
		if (set)
			*set = i;
		return r;
	}
	return 0;
}
