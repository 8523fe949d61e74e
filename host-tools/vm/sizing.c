/* sizing: container limit + declared reserve = size of the VM. Pure arithmetic. */
#include "vm/sizing.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "hard_limits.h"

#define MIB (1ull << 20)

/* cpu.max period that runtimes use unless told otherwise (Docker, Kubernetes): 100 ms. */
#define CPU_PERIOD_US 100000

/*
 * Taken before MemTotal is counted: text, data and firmware, and a share that grows with the VM:
 * the kernel's struct page for each page and its hash tables. A line that no measurement exceeds.
 */
static const struct arch_row {
	const char *arch;
	unsigned kernel_mib, memmap_share, align_mib, least_mib, container_kib;
} arch_rows[] = {
#define SIZING_ARCH(arch, ...) {#arch, __VA_ARGS__},
#define SIZING_POINT(arch, ...)
#include "vm/sizing_table.def"
};

static const struct arch_row *find_arch(const char *arch)
{
	for (size_t i = 0; arch && i < ARRAY_SIZE(arch_rows); i++) {
		if (str_eq(arch, arch_rows[i].arch))
			return &arch_rows[i];
	}
	return &arch_rows[0];
}

const char *sizing_text(uint64_t bytes, char *out, size_t size)
{
	static const struct {
		uint64_t unit;
		const char *name;
	} units[] = {{1ull << 30, "GiB"}, {MIB, "MiB"}, {1ull << 10, "KiB"}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (bytes < units[i].unit)
			continue;
		if (bytes % units[i].unit == 0)
			str_format(out, size, "%llu %s",
				(unsigned long long)(bytes / units[i].unit), units[i].name);
		else
			str_format(out, size, "%.1f %s", (double)bytes / (double)units[i].unit,
				units[i].name);
		return out;
	}
	str_format(out, size, "%llu bytes", (unsigned long long)bytes);
	return out;
}

static int check_memory(uint64_t limit, struct error *err)
{
	char given[32], bound[32];

	if (limit < SIZING_MIN_MEMORY)
		return error_invalid(err,
			"a container with %s cannot start: its launch alone needs more; the least "
			"is "
			"--memory %lluM",
			sizing_text(limit, given, sizeof(given)),
			(unsigned long long)(SIZING_MIN_MEMORY / MIB));
	if (limit > SIZING_MAX_MEMORY)
		return error_invalid(err, "a container with %s is more than cradle can make: %s",
			sizing_text(limit, given, sizeof(given)),
			sizing_text(SIZING_MAX_MEMORY, bound, sizeof(bound)));
	return 0;
}

static int size_memory(const struct sizing_request *request, struct sizing *s, struct error *err)
{
	uint64_t limit = request->memory_bytes ? request->memory_bytes : SIZING_DEFAULT_MEMORY;
	const struct arch_row *row = find_arch(request->arch);
	char vm[32], host[32];
	uint64_t fixed, sum;
	int r = check_memory(limit, err);

	if (r < 0)
		return r;
	s->limit_bytes = limit;
	s->agent_bytes = AGENT_RESERVE_BYTES;
	s->initrd_bytes = request->initrd_bytes;
	s->kernel_bytes = row->kernel_mib * MIB;
	s->memmap_share = row->memmap_share;
	fixed = limit + s->agent_bytes + s->initrd_bytes + s->kernel_bytes;
	/* The share is of the whole VM, itself included: fixed / (1 - 1/share) - fixed. */
	s->memmap_bytes = fixed / (s->memmap_share - 1) + 1;
	sum = fixed + s->memmap_bytes;
	s->align_bytes = row->align_mib * MIB;
	s->padding_bytes = (s->align_bytes - sum % s->align_bytes) % s->align_bytes;
	s->vm_bytes = sum + s->padding_bytes;
	s->reserve_bytes = s->vm_bytes - limit;
	if (request->host_bytes && s->vm_bytes > request->host_bytes)
		return error_invalid(err, "the VM would need %s, but this host has only %s",
			sizing_text(s->vm_bytes, vm, sizeof(vm)),
			sizing_text(request->host_bytes, host, sizeof(host)));
	return 0;
}

static int size_cpus(const struct sizing_request *request, struct sizing *s, struct error *err)
{
	uint64_t micro = request->cpus_micro, whole = (micro + 999999) / 1000000;
	unsigned most = SIZING_MAX_CPUS;

	s->cpu_period = CPU_PERIOD_US;
	s->vcpus = 1;
	if (micro == 0)
		return 0;
	if (request->host_cpus && request->host_cpus < most)
		most = request->host_cpus;
	if (whole > most)
		return error_invalid(err, "--cpus %.2f is more than the %u that can be given here",
			(double)micro / 1e6, most);
	s->vcpus = (unsigned)whole;
	s->cpu_quota = (int64_t)(micro * CPU_PERIOD_US / 1000000);
	/* The kernel's least quota is 1 ms (linux, kernel/sched/core.c, min_cfs_quota_period). */
	if (s->cpu_quota < 1000)
		return error_invalid(err,
			"--cpus %.6f is less than the kernel can measure: at least 0.01",
			(double)micro / 1e6);
	return 0;
}

int sizing_compute(const struct sizing_request *request, struct sizing *ret, struct error *err)
{
	struct sizing s = {0};
	int r = size_memory(request, &s, err);

	if (r == 0)
		r = size_cpus(request, &s, err);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

uint64_t sizing_agent_reserve(const struct sizing *s)
{
	return s->agent_bytes + s->initrd_bytes;
}

uint64_t sizing_kernel_share(const struct sizing *s)
{
	return s->kernel_bytes + s->memmap_bytes;
}

static void explain_line(FILE *to, const char *sign, uint64_t bytes, const char *what)
{
	fprintf(to, "  %s %9.1f MiB  %s\n", sign, (double)bytes / (double)MIB, what);
}

void sizing_explain(const struct sizing *s, FILE *to)
{
	char what[80], align[32];

	fprintf(to, "The VM's size is fixed before it boots:\n");
	explain_line(to, " ", s->limit_bytes, "the container's limit (--memory)");
	explain_line(to, "+", s->kernel_bytes, "reserve: the guest's kernel itself");
	str_format(what, sizeof(what), "reserve: its tables of all memory (1/%u)", s->memmap_share);
	explain_line(to, "+", s->memmap_bytes, what);
	explain_line(to, "+", s->agent_bytes, "reserve: the agent, and the kernel's work for it");
	explain_line(to, "+", s->initrd_bytes, "reserve: the guest image, unpacked in memory");
	str_format(what, sizeof(what), "rounding up to a multiple of %s",
		sizing_text(s->align_bytes, align, sizeof(align)));
	explain_line(to, "+", s->padding_bytes, what);
	explain_line(to, "=", s->vm_bytes, "the VM");
	if (s->cpu_quota)
		fprintf(to, "CPUs: %u in the VM; the container may use %.2f of them.\n", s->vcpus,
			(double)s->cpu_quota / (double)s->cpu_period);
	else
		fprintf(to, "CPUs: %u in the VM; no limit for the container (--cpus).\n", s->vcpus);
}
