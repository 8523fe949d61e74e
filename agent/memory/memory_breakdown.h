/*
 * memory_breakdown: who holds the guest's memory; every page once, and what no line explains is
 * said. Pure: the texts come from worker_process. Sizes in bytes.
 *
 * Sources: Linux Documentation/filesystems/proc.rst (meminfo, zoneinfo, smaps_rollup),
 * mm/page_alloc.c (pages on per-CPU lists are in no counter of meminfo: zoneinfo's "count:" has
 * them), kernel/fork.c (stacks are taken from vmalloc, so VmallocUsed holds KernelStack:
 * CONFIG_VMAP_STACK, in every kernel of kernel-configs), mm/hugetlb.c (Hugetlb is the pools of all
 * sizes, used or not).
 */
#ifndef MEMORY_MEMORY_BREAKDOWN_H
#define MEMORY_MEMORY_BREAKDOWN_H

#include <stdint.h>

#include "memory/guest_size.h"
#include "memory/memory_group.h"

/* The files memory_breakdown_of() expects. */
enum {
	GUEST_MEMINFO,
	GUEST_ZONEINFO,
	GUEST_VMSTAT,
	GUEST_IOMEM,
	GUEST_PRESSURE,
	GUEST_AGENT,  /* smaps_rollup of the agent */
	GUEST_WORKER, /* and of the worker that reads */
	MEMORY_GUEST_FILES
};

struct memory_breakdown {
	uint64_t vm; /* RAM that is plugged; 0 = /proc/iomem does not tell (not root) */
	uint64_t total;
	uint64_t reserved, slab, stack, page_tables, percpu, vmalloc;
	uint64_t agent, other_processes, page_cache, containers, huge_pages, free;
	int64_t unexplained;
	struct guest_size size; /* its balloon is a line of the breakdown too */
	struct memory_pressure pressure;
};

/*
 * Fills names (room for MEMORY_GUEST_FILES) with what the worker is to read; agent is buffer for
 * one of them. All are absolute.
 */
void memory_guest_files(const char *names[], char *agent, size_t size, int agent_pid);

/*
 * containers: the group above all of them or, where the agent is no PID 1 and there is none, their
 * sum. 0, or -EPROTO without a /proc/meminfo.
 */
int memory_breakdown_of(const struct worker_file *files, const struct memory_group *containers,
	const struct guest_hints *hints, struct memory_breakdown *ret);

#endif
