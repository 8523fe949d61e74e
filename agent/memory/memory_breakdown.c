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
	names[GUEST_IOMEM] = "/proc/iomem";
	names[GUEST_PRESSURE] = "/proc/pressure/memory";
	names[GUEST_AGENT] = agent;
	names[GUEST_WORKER] = "/proc/self/smaps_rollup";
}

/* "Name:   123 kB" at a line's start, in bytes; 0 when it is not there. */
static uint64_t kilobytes(const struct worker_file *file, const char *name)
{
	size_t len = strlen(name);
	uint64_t value;

	if (file->errnum)
		return 0;
	for (const char *line = file->text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return sscanf(line + len + 1, "%" SCNu64, &value) == 1 ? value * 1024 : 0;
	}
	return 0;
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

/* Sum of the ranges that are System RAM. An ordinary user is shown addresses of 0: unknown. */
static uint64_t system_ram(const struct worker_file *iomem)
{
	uint64_t sum = 0, from, to;

	if (iomem->errnum)
		return 0;
	for (const char *line = iomem->text; line; line = strchr(line, '\n')) {
		char what[16] = "";

		line += *line == '\n';
		if (*line == ' ' ||
			sscanf(line, "%" SCNx64 "-%" SCNx64 " : %15[^\n]", &from, &to, what) != 3)
			continue;
		if (str_starts(what, "System RAM") && to > from)
			sum += to - from + 1;
	}
	return sum;
}

static uint64_t less(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

/* The kernel's own: the guest's figure less what it charged to containers. */
static void kernel_lines(
	const struct worker_file *meminfo, const struct memory_group *c, struct memory_breakdown *b)
{
	uint64_t stacks = kilobytes(meminfo, "KernelStack");
	uint64_t reclaimable =
		less(kilobytes(meminfo, "KReclaimable"), kilobytes(meminfo, "SReclaimable"));

	b->reserved = less(b->vm, b->total);
	b->slab = less(kilobytes(meminfo, "Slab") + reclaimable, c->slab);
	b->stack = less(stacks, c->stack);
	b->page_tables =
		less(kilobytes(meminfo, "PageTables") + kilobytes(meminfo, "SecPageTables"),
			c->page_tables);
	b->percpu = less(kilobytes(meminfo, "Percpu"), c->percpu);
	b->vmalloc = less(kilobytes(meminfo, "VmallocUsed"), stacks + c->vmalloc);
}

static void process_lines(
	const struct worker_file *files, const struct memory_group *c, struct memory_breakdown *b)
{
	const struct worker_file *meminfo = &files[GUEST_MEMINFO];
	const struct worker_file *agent = &files[GUEST_AGENT], *worker = &files[GUEST_WORKER];
	uint64_t anon = kilobytes(agent, "Pss_Anon") + kilobytes(worker, "Pss_Anon");

	b->agent = kilobytes(agent, "Pss") + kilobytes(worker, "Pss");
	b->other_processes = less(kilobytes(meminfo, "AnonPages"), c->anon + anon);
	/* The agent's program is a file in the page cache. */
	b->page_cache = less(kilobytes(meminfo, "Cached") + kilobytes(meminfo, "Buffers"),
		c->file + less(b->agent, anon));
}

int memory_breakdown_of(const struct worker_file *files, const struct memory_group *containers,
	struct memory_breakdown *ret)
{
	const struct worker_file *meminfo = &files[GUEST_MEMINFO];
	struct memory_breakdown b = {.total = kilobytes(meminfo, "MemTotal")};
	uint64_t explained;

	if (b.total == 0)
		return -EPROTO;
	b.vm = system_ram(&files[GUEST_IOMEM]);
	b.containers = memory_group_held(containers);
	b.huge_pages = kilobytes(meminfo, "Hugetlb");
	b.free = kilobytes(meminfo, "MemFree") + percpu_lists(&files[GUEST_ZONEINFO]);
	kernel_lines(meminfo, containers, &b);
	process_lines(files, containers, &b);
	memory_pressure_parse(&files[GUEST_PRESSURE], &b.pressure);
	explained = b.slab + b.stack + b.page_tables + b.percpu + b.vmalloc + b.agent +
		    b.other_processes + b.page_cache + b.containers + b.huge_pages + b.free;
	b.unexplained = (int64_t)b.total - (int64_t)explained;
	*ret = b;
	return 0;
}
