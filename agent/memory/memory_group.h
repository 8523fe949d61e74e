/*
 * memory_group: the memory of one control group, as numbers. Pure: the texts come from
 * worker_process. Source: Linux Documentation/admin-guide/cgroup-v2.rst, Documentation/accounting/
 * psi.rst. Sizes in bytes.
 */
#ifndef MEMORY_MEMORY_GROUP_H
#define MEMORY_MEMORY_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/worker_process.h"

struct memory_pressure {
	bool known; /* false: a kernel without PSI */
	uint32_t some_permyriad, full_permyriad;
	uint64_t some_usec, full_usec;
};

struct memory_group {
	uint64_t current, peak, limit; /* limit: UINT64_MAX = none; peak: 0 = unknown */
	uint64_t anon, file, shmem, inactive_file, sock, swap;
	uint64_t kernel; /* all kernel memory charged; the sum of the next where the kernel does not
			    tell (before 5.18) */
	uint64_t slab, stack, page_tables, percpu, vmalloc;
	struct memory_pressure pressure;
};

/* The files memory_group_parse() expects, in order; relative to the group's directory. */
enum {
	GROUP_CURRENT,
	GROUP_PEAK,
	GROUP_MAX,
	GROUP_STAT,
	GROUP_SWAP,
	GROUP_PRESSURE,
	MEMORY_GROUP_FILES
};
extern const char *const memory_group_files[MEMORY_GROUP_FILES];

/* The same for a group in v1's memory hierarchy, in as many files. */
extern const char *const memory_group_v1_files[MEMORY_GROUP_FILES];
bool memory_group_parse_v1(const struct worker_file *files, struct memory_group *ret);

/* False: no such group (any more), or no memory controller; then *ret is all 0. */
bool memory_group_parse(const struct worker_file *files, struct memory_group *ret);
/* "some avg10=1.23 ... total=4\nfull ...\n", of a group or of the guest. */
void memory_pressure_parse(const struct worker_file *file, struct memory_pressure *ret);
/* Adds what is held, not limits, peaks or pressure. */
void memory_group_add(struct memory_group *sum, const struct memory_group *group);
/* What kubelet calls the working set: usage less inactive page cache. */
uint64_t memory_group_working_set(const struct memory_group *group);
/* What it really holds. current also counts pages that CPUs keep charged ahead of use. */
uint64_t memory_group_held(const struct memory_group *group);

#endif
