/*
 * sizing_plan: from what a container, or all containers of a pod, ask for to a VM and to what the
 * host must have for it, as a sum that can be shown. sizing.c adds the guest's reserve. Pure.
 *
 *   workload  the containers' memory limits; a container that says none gets SIZING_DEFAULT_MEMORY
 *             (so a pod that limits only its CPU gets a VM it can live in). A pod's own limit
 *             counts instead when it is larger than the sum.
 *   + huge    what hugepageLimits allow: beside the memory limits, as in the kernel
 *   + more    a share for every container after the first: its cgroups, mounts, and the agent's
 * books
 *   + reserve kernel, its tables, agent, guest image; rounding to what the machine takes
 *   = VM
 *   + host    QEMU itself and the host's page tables
 *   = what the host's cgroup must allow
 *
 * What a container writes to its root goes to the guest's memory and is charged to its limit: it
 * needs no line. The guest has no swap: memory.swap is answered with a note.
 */
#ifndef VM_SIZING_PLAN_H
#define VM_SIZING_PLAN_H

#include "base/error.h"
#include "vm/host_room.h"
#include "vm/sizing.h"
#include "vm/sizing_ask.h"

#include <stddef.h>

#define SIZING_CONTAINERS_MAX 64
#define SIZING_NOTES_MAX      8

/*
 * On the host beside the guest's memory: QEMU's own and cradle's. Measured with QEMU 7.2 under TCG,
 * idle after boot: 83 and 88 MiB anonymous (64M with one CPU, 1G with two), 24 MiB of libraries, 3
 * MiB for cradle. The rest is room for translated code, which grows with what the guest runs.
 */
#define SIZING_QEMU_BYTES (144ull << 20)

struct sizing_plan_request {
	const char *arch;		     /* of the guest */
	const struct sizing_ask *containers; /* at most SIZING_CONTAINERS_MAX */
	size_t count;			     /* 0: one container that says nothing */
	const struct sizing_ask *pod;	     /* the sandbox's annotations; NULL = none */
	uint64_t initrd_bytes;
	const struct host_room *host; /* NULL = nothing is checked */
};

struct sizing_plan {
	size_t containers;
	size_t unlimited;	 /* containers that say no memory limit */
	uint64_t workload_bytes; /* = vm.limit_bytes */
	uint64_t hugepage_bytes;
	uint64_t more_bytes;   /* for containers after the first */
	uint64_t initrd_bytes; /* of vm.initrd_bytes, which holds the two above as well */
	struct sizing vm;
	double cpus_asked;     /* quotas, cpusets and shares together; 0 = nothing was said */
	bool cpus_shared;      /* some containers have no CPU limit: there is no quota of all */
	uint64_t qemu_bytes;   /* host: QEMU beside the guest's memory */
	uint64_t tables_bytes; /* host: page tables that map the guest's memory */
	uint64_t host_bytes;   /* vm + the two above */
	char notes[SIZING_NOTES_MAX][160];
	unsigned note_count;
};

/* 0, or negative errno: err names what is refused. *ret untouched then. */
int sizing_plan(
	const struct sizing_plan_request *request, struct sizing_plan *ret, struct error *err);

#endif
