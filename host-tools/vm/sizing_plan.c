/* sizing_plan: see the header. */
#include "vm/sizing_plan.h"

#include <errno.h>
#include <stdarg.h>

#include "base/cleanup.h"
#include "base/strings.h"

#define MIB   (1ull << 20)
#define MICRO 1000000.0

/* Page tables for guest memory: 8 bytes a page in QEMU's, and as much in the ones KVM makes. */
#define TABLES_SHARE 256

/* More than any machine has; keeps the sums below far from their ends. */
#define ASKED_CPUS_MAX 1e6

__attribute__((format(printf, 2, 3))) static void note(struct sizing_plan *p, const char *fmt, ...)
{
	va_list args;

	if (p->note_count == SIZING_NOTES_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(p->notes[p->note_count++], sizeof(p->notes[0]), fmt, args);
	va_end(args);
}

/* ---- memory ---- */

static int add_memory(const struct sizing_plan_request *request, size_t i, struct sizing_plan *p,
	struct error *err)
{
	const struct sizing_ask *ask = &request->containers[i];
	uint64_t limit = ask->memory_bytes > 0 ? (uint64_t)ask->memory_bytes : 0;
	char text[32];

	if (limit > SIZING_MAX_MEMORY || ask->hugepage_bytes > SIZING_MAX_MEMORY)
		return error_invalid(err,
			"container %zu asks for more memory than cradle can make: %s", i + 1,
			sizing_text(SIZING_MAX_MEMORY, text, sizeof(text)));
	if (limit && limit < SIZING_MIN_MEMORY && request->count > 1)
		return error_invalid(err, "container %zu cannot start with %s: the least is %s",
			i + 1, sizing_text(limit, text, sizeof(text)), "6 MiB");
	if (!limit)
		p->unlimited++;
	p->workload_bytes += limit;
	p->hugepage_bytes += ask->hugepage_bytes;
	if (ask->swap_bytes > ask->memory_bytes && ask->memory_bytes > 0)
		note(p, "container %zu: the guest has no swap; its memory.swap gives it nothing",
			i + 1);
	return 0;
}

/* Containers that say no limit share what the pod leaves, or have the default each. */
static int sum_memory(
	const struct sizing_plan_request *request, struct sizing_plan *p, struct error *err)
{
	const struct sizing_ask *pod = request->pod;
	uint64_t pod_limit = pod && pod->memory_bytes > 0 ? (uint64_t)pod->memory_bytes : 0;
	char all[32], its[32];
	int r;

	for (size_t i = 0; i < request->count; i++) {
		r = add_memory(request, i, p, err);
		if (r < 0)
			return r;
	}
	if (pod_limit && pod_limit < p->workload_bytes)
		note(p, "the containers' limits add up to %s, over the pod's %s: the sum counts",
			sizing_text(p->workload_bytes, all, sizeof(all)),
			sizing_text(pod_limit, its, sizeof(its)));
	if (pod_limit >= p->workload_bytes && pod_limit) {
		p->workload_bytes = pod_limit;
		return 0;
	}
	if (request->count == 0)
		p->unlimited = 1;
	p->workload_bytes += p->unlimited * SIZING_DEFAULT_MEMORY;
	if (p->unlimited)
		note(p, "%zu container%s without a memory limit: %s each, cradle's default",
			p->unlimited, p->unlimited == 1 ? "" : "s",
			sizing_text(SIZING_DEFAULT_MEMORY, its, sizeof(its)));
	return 0;
}

/* ---- CPUs ---- */

/* CPUs of one request; *limited tells whether it is also a limit. 0 = it says nothing. */
static double asked_cpus(const struct sizing_ask *ask, bool pod, bool *limited)
{
	double cpus = 0;

	*limited = ask->cpu_quota > 0 && ask->cpu_period > 0;
	if (*limited)
		cpus = (double)ask->cpu_quota / (double)ask->cpu_period;
	else if (ask->cpuset_cpus)
		cpus = ask->cpuset_cpus;
	else if (pod && ask->cpu_quota < 0 && ask->cpu_shares > 2) /* 2: asks for nothing */
		cpus = (double)(ask->cpu_shares / 1024 + (ask->cpu_shares % 1024 != 0));
	return cpus < ASKED_CPUS_MAX ? cpus : ASKED_CPUS_MAX;
}

static void sum_cpus(const struct sizing_plan_request *request, struct sizing_plan *p)
{
	bool limited = false, silent = request->count == 0;
	double cpus, pod_cpus = 0;

	for (size_t i = 0; i < request->count; i++) {
		cpus = asked_cpus(&request->containers[i], false, &limited);
		p->cpus_asked += cpus;
		silent = silent || cpus <= 0;
		p->cpus_shared = p->cpus_shared || !limited;
	}
	if (request->count == 0)
		p->cpus_shared = true;
	if (request->pod)
		pod_cpus = asked_cpus(request->pod, true, &limited);
	if (pod_cpus > 0 && pod_cpus >= p->cpus_asked) {
		p->cpus_asked = pod_cpus;
		p->cpus_shared = !limited;
		return;
	}
	/* Whoever says nothing must not live on what the others were promised. */
	if (p->cpus_asked > 0 && silent) {
		p->cpus_asked += 1;
		note(p, "containers without a CPU limit get one CPU more, for all of them");
	}
}

/* ---- the host ---- */

static int check_host(const struct host_room *host, const struct sizing_plan *p, struct error *err)
{
	char need[32], has[32];

	sizing_text(p->host_bytes, need, sizeof(need));
	if (host->cgroup_bytes && p->host_bytes > host->cgroup_bytes)
		return error_invalid(err,
			"the VM and QEMU would need %s, but the host's cgroup %.200s allows only "
			"%s",
			need, host->cgroup, sizing_text(host->cgroup_bytes, has, sizeof(has)));
	if (host->memory_bytes && p->host_bytes > host->memory_bytes)
		return error_invalid(err,
			"the VM and QEMU would need %s, but this host has only %s", need,
			sizing_text(host->memory_bytes, has, sizeof(has)));
	return 0;
}

static int add_reserve(
	const struct sizing_plan_request *request, struct sizing_plan *p, struct error *err)
{
	struct sizing_request vm = {
		.arch = request->arch,
		.memory_bytes = p->workload_bytes,
		.cpus_micro = (uint64_t)(p->cpus_asked * MICRO + 0.5),
		/* All of it is memory that containers' limits must not count on. */
		.initrd_bytes = p->initrd_bytes + p->more_bytes + p->hugepage_bytes,
		.host_bytes = request->host ? request->host->memory_bytes : 0,
		.host_cpus = request->host ? request->host->cpus : 0,
	};
	int r = sizing_compute(&vm, &p->vm, err);

	if (r == 0 && p->cpus_shared)
		p->vm.cpu_quota = 0;
	return r;
}

int sizing_plan(
	const struct sizing_plan_request *request, struct sizing_plan *ret, struct error *err)
{
	struct sizing_plan p = {.containers = request->count ? request->count : 1,
		.initrd_bytes = request->initrd_bytes};
	int r;

	if (request->count > SIZING_CONTAINERS_MAX)
		return error_invalid(
			err, "%zu containers; %d at most", request->count, SIZING_CONTAINERS_MAX);
	r = sum_memory(request, &p, err);
	if (r < 0)
		return r;
	sum_cpus(request, &p);
	p.more_bytes = (p.containers - 1) * SIZING_CONTAINER_BYTES;
	r = add_reserve(request, &p, err);
	if (r < 0)
		return r;
	p.qemu_bytes = SIZING_QEMU_BYTES;
	p.tables_bytes = p.vm.vm_bytes / TABLES_SHARE;
	p.host_bytes = p.vm.vm_bytes + p.qemu_bytes + p.tables_bytes;
	r = request->host ? check_host(request->host, &p, err) : 0;
	if (r == 0)
		*ret = p;
	return r;
}
