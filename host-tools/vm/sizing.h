/*
 * sizing: how large a VM must be for what its container may use. Pure.
 *
 * The size is fixed before boot: the container's limit plus a declared reserve for the guest's
 * kernel and the agent (agent/hard_limits.h). The agent is told the reserve on the kernel command
 * line (cradle.reserve=BYTES) and keeps containers below MemTotal minus that.
 */
#ifndef VM_SIZING_H
#define VM_SIZING_H

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>

/* A container without --memory gets this much. */
#define SIZING_DEFAULT_MEMORY (256ull << 20)
/* Below this limit not even a small program starts: the launch itself is charged to it. */
#define SIZING_MIN_MEMORY (6ull << 20)
/* QEMU's address space and the host's own needs end somewhere. */
#define SIZING_MAX_MEMORY (1ull << 40)
#define SIZING_MAX_CPUS	  64

/*
 * For each container after the first, beside its limit: three cgroups with their per-CPU counters, mounts
 * and namespaces in the kernel, and its part of the agent. No architecture's measurement (sizing_table.def)
 * is above it; the agent's own reserve holds the first container's.
 */
#define SIZING_CONTAINER_BYTES (1ull << 20)

struct sizing_request {
	const char *arch;      /* of the guest, as uname -m says; NULL = x86_64 */
	uint64_t memory_bytes; /* container limit; 0 = SIZING_DEFAULT_MEMORY */
	uint64_t cpus_micro;   /* millionths of a CPU; 0 = one CPU, no quota */
	uint64_t initrd_bytes; /* unpacked into the guest's memory: part of the reserve */
	uint64_t host_bytes;   /* MemTotal of the host; 0 = do not check */
	uint32_t host_cpus;    /* 0 = do not check */
};

struct sizing {
	uint64_t limit_bytes;	/* memory limit of the container */
	uint64_t kernel_bytes;	/* reserve: the guest's kernel, its page tables and modules */
	uint64_t agent_bytes;	/* reserve: the agent and what it must always be able to do */
	uint64_t initrd_bytes;	/* reserve: the initrd's files */
	uint64_t memmap_bytes;	/* reserve: the kernel's bookkeeping, which grows with the VM */
	uint64_t padding_bytes; /* rounding up to align_bytes; goes to the reserve */
	uint64_t reserve_bytes; /* sum of the five above */
	uint64_t vm_bytes;	/* limit + reserve */
	unsigned memmap_share;	/* memmap_bytes is 1/this of the VM */
	uint64_t align_bytes;	/* what QEMU's machine takes: vm_bytes is a multiple of it */
	unsigned vcpus;		/* whole CPUs of the VM */
	int64_t cpu_quota;	/* microseconds a period; 0 = none */
	uint64_t cpu_period;	/* microseconds */
};

/* 0, or negative errno: err names the value that is refused and the nearest one that is not. */
int sizing_compute(const struct sizing_request *request, struct sizing *ret, struct error *err);
/*
 * What the agent is told to keep free of containers (cradle.reserve=): only what counts in the
 * guest's MemTotal. The kernel's own part is not in it, so MemTotal minus this leaves the limit.
 */
uint64_t sizing_agent_reserve(const struct sizing *sizing);
/* What of the VM the kernel takes before it counts its memory: MemTotal is less by this at most. */
uint64_t sizing_kernel_share(const struct sizing *sizing);
/* The sum, for --explain: a line a part. */
void sizing_explain(const struct sizing *sizing, FILE *to);
/* "256 MiB", "1.5 GiB", "12 KiB". Returns out. */
const char *sizing_text(uint64_t bytes, char *out, size_t size);

#endif
