/* memory_breakdown: see memory_breakdown.h. Called by sandbox/memory_state. */
#include "memory/memory_breakdown.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/strings.h"

void memory_guest_files(const char *names[], char *agent, size_t size, int agent_pid)
{
	str_format(agent, size, "/proc/%d/smaps_rollup", agent_pid);
	names[GUEST_MEMINFO] = "/proc/meminfo";
	names[GUEST_ZONEINFO] = "/proc/zoneinfo";
	names[GUEST_VMSTAT] = "/proc/vmstat";
	names[GUEST_IOMEM] = "/proc/iomem";
	names[GUEST_PRESSURE] = "/proc/pressure/memory";
	names[GUEST_AGENT] = agent;
	names[GUEST_WORKER] = "/proc/self/smaps_rollup";
}

/* Free pages that CPUs keep in lists of their own. */
static uint64_t percpu_lists(const struct worker_file *zoneinfo)
{
	uint64_t pages = 0, value;

	if (zoneinfo->errnum)
		return 0;
	for (const char *at = zoneinfo->text; (at = strstr(at, " count: ")); at++)
		if (sscanf(at, " count: %" SCNu64, &value) == 1)
			pages += value;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t less(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

/* The kernel's own: the guest's figure less what it charged to containers. */
static void kernel_lines(
	const struct worker_file *meminfo, const struct memory_group *c, struct memory_breakdown *b)
{
	uint64_t stacks = meminfo_bytes(meminfo, "KernelStack");
	uint64_t reclaimable = less(
		meminfo_bytes(meminfo, "KReclaimable"), meminfo_bytes(meminfo, "SReclaimable"));

	b->reserved = less(b->vm, b->total + b->size.balloon - b->size.balloon_in_total);
	b->reserved += b->size.tables;
	b->slab = less(meminfo_bytes(meminfo, "Slab") + reclaimable, c->slab);
	b->stack = less(stacks, c->stack);
	b->page_tables =
		less(meminfo_bytes(meminfo, "PageTables") + meminfo_bytes(meminfo, "SecPageTables"),
			c->page_tables);
	b->percpu = less(meminfo_bytes(meminfo, "Percpu"), c->percpu);
	b->vmalloc = less(meminfo_bytes(meminfo, "VmallocUsed"), stacks + c->vmalloc);
}

static void process_lines(
	const struct worker_file *files, const struct memory_group *c, struct memory_breakdown *b)
{
	const struct worker_file *meminfo = &files[GUEST_MEMINFO];
	const struct worker_file *agent = &files[GUEST_AGENT], *worker = &files[GUEST_WORKER];
	uint64_t anon = meminfo_bytes(agent, "Pss_Anon") + meminfo_bytes(worker, "Pss_Anon");

	b->agent = meminfo_bytes(agent, "Pss") + meminfo_bytes(worker, "Pss");
	b->other_processes = less(meminfo_bytes(meminfo, "AnonPages"), c->anon + anon);
	/* The agent's program is a file in the page cache. */
	b->page_cache = less(meminfo_bytes(meminfo, "Cached") + meminfo_bytes(meminfo, "Buffers"),
		c->file + less(b->agent, anon));
}

int memory_breakdown_of(const struct worker_file *files, const struct memory_group *containers,
	const struct guest_hints *hints, struct memory_breakdown *ret)
{
	const struct worker_file *meminfo = &files[GUEST_MEMINFO];
	struct memory_breakdown b = {0};
	uint64_t explained;

	if (guest_size_of(meminfo, &files[GUEST_VMSTAT], &files[GUEST_IOMEM], hints, &b.size) < 0)
		return -EPROTO;
	b.total = b.size.total;
	b.vm = b.size.plugged;
	b.containers = memory_group_held(containers);
	b.huge_pages = meminfo_bytes(meminfo, "Hugetlb");
	b.free = meminfo_bytes(meminfo, "MemFree") + percpu_lists(&files[GUEST_ZONEINFO]);
	kernel_lines(meminfo, containers, &b);
	process_lines(files, containers, &b);
	memory_pressure_parse(&files[GUEST_PRESSURE], &b.pressure);
	explained = b.slab + b.stack + b.page_tables + b.percpu + b.vmalloc + b.agent +
		    b.other_processes + b.page_cache + b.containers + b.huge_pages + b.free +
		    b.size.tables + b.size.balloon_in_total;
	b.unexplained = (int64_t)b.total - (int64_t)explained;
	*ret = b;
	return 0;
}
