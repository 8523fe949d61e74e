/* sizing_rules: see the header. Every number here is somebody else's: host-side.md section 1. */
#include "vm/sizing_rules.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"

#define MIB (1ull << 20)

int sizing_rules_by_name(const char *name, enum sizing_rules *ret)
{
	if (str_eq(name, "runtime-rs") || str_eq(name, "rs"))
		*ret = SIZING_RULES_RS;
	else if (str_eq(name, "go"))
		*ret = SIZING_RULES_GO;
	else
		return -EINVAL;
	return 0;
}

struct sizing_rules_config sizing_rules_shipped(enum sizing_rules rules, const char *arch)
{
	struct sizing_rules_config config = {.default_vcpus = 1, .default_memory = 2048};

	if (rules == SIZING_RULES_RS) {
		config.overhead_vcpus = 0.2f;
		config.overhead_memory = 32;
		config.static_mgmt = true;
	} else {
		config.static_mgmt = str_eq(arch, "aarch64");
	}
	return config;
}

int sizing_rules_set(
	struct sizing_rules_config *config, const char *key, const char *value, struct error *err)
{
	const struct {
		const char *key;
		float *cpus;
		uint64_t *mib;
		uint32_t *count;
	} rows[] = {
		{"default_vcpus", &config->default_vcpus, NULL, NULL},
		{"overhead_vcpus", &config->overhead_vcpus, NULL, NULL},
		{"default_memory", NULL, &config->default_memory, NULL},
		{"overhead_memory", NULL, &config->overhead_memory, NULL},
		{"default_maxmemory", NULL, &config->default_maxmemory, NULL},
		{"default_maxvcpus", NULL, NULL, &config->default_maxvcpus},
	};
	uint64_t micro, mib;
	uint32_t count;

	if (str_eq(key, "static_sandbox_resource_mgmt")) {
		if (!str_eq(value, "true") && !str_eq(value, "false"))
			return error_invalid(err, "%s is true or false, not '%s'", key, value);
		config->static_mgmt = str_eq(value, "true");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!str_eq(key, rows[i].key))
			continue;
		if (rows[i].cpus && str_eq(value, "-1"))
			*rows[i].cpus = -1;
		else if (rows[i].cpus && parse_decimal_micro(value, &micro) == 0)
			*rows[i].cpus = (float)((double)micro / 1e6);
		else if (rows[i].mib && parse_u64(value, &mib) == 0 && mib <= UINT32_MAX)
			*rows[i].mib = mib;
		else if (rows[i].count && parse_u32(value, &count) == 0)
			*rows[i].count = count;
		else
			return error_invalid(err, "%s: '%s' is not its kind of number", key, value);
		return 0;
	}
	return error_invalid(err,
		"'%s' has no say in sizing; default_vcpus, default_memory, default_maxvcpus, "
		"default_maxmemory, overhead_vcpus, overhead_memory and "
		"static_sandbox_resource_mgmt have",
		key);
}

/* ---- loading ---- */

static void load_vcpus(const struct sizing_rules_host *host, struct sizing_rules_config *c)
{
	if (host->cpus && (c->default_maxvcpus == 0 || c->default_maxvcpus > host->cpus))
		c->default_maxvcpus = host->cpus;
	if (host->cpus && (c->default_vcpus < 0 || c->default_vcpus > (float)host->cpus))
		c->default_vcpus = (float)host->cpus;
	if (c->default_vcpus <= 0)
		c->default_vcpus = 1;
}

static int load_memory_rs(
	const struct sizing_rules_host *host, struct sizing_rules_config *c, struct error *err)
{
	bool blocks = str_eq(host->arch, "ppc64le");

	if (c->default_maxvcpus && c->default_vcpus > (float)c->default_maxvcpus)
		c->default_vcpus = (float)c->default_maxvcpus;
	if (c->default_memory == 0)
		c->default_memory = 128;
	if (host->memory_mib && c->default_memory > host->memory_mib)
		c->default_memory = host->memory_mib;
	if (c->default_memory < 64)
		return error_invalid(err, "runtime-rs refuses default_memory %llu: at least 64",
			(unsigned long long)c->default_memory);
	if (!blocks)
		return 0;
	if (c->default_memory < 1024)
		return error_invalid(err,
			"runtime-rs refuses default_memory %llu on ppc64le: at least 1024",
			(unsigned long long)c->default_memory);
	/* Down, not up. */
	c->default_memory -= c->default_memory % 256;
	c->default_maxmemory -= c->default_maxmemory % 256;
	if (c->default_maxmemory && c->default_maxmemory <= c->default_memory)
		return error_invalid(err,
			"runtime-rs refuses default_maxmemory %llu: not over default_memory %llu",
			(unsigned long long)c->default_maxmemory,
			(unsigned long long)c->default_memory);
	return 0;
}

int sizing_rules_load(enum sizing_rules rules, const struct sizing_rules_host *host,
	struct sizing_rules_config *config, struct error *err)
{
	struct sizing_rules_config c = *config;
	int r = 0;

	if (host->memory_mib &&
		(c.default_maxmemory == 0 || c.default_maxmemory > host->memory_mib))
		c.default_maxmemory = host->memory_mib;
	load_vcpus(host, &c);
	if (rules == SIZING_RULES_RS) {
		r = load_memory_rs(host, &c, err);
	} else {
		if (c.default_memory < 256)
			c.default_memory = 2048;
		if (str_eq(host->arch, "ppc64le"))
			c.default_maxmemory -= c.default_maxmemory % 256;
	}
	if (r == 0)
		*config = c;
	return r;
}

/* ---- from the request to CPUs and MiB ---- */

struct sizing_workload sizing_rules_workload(
	enum sizing_rules rules, const struct sizing_ask *ask, bool sandbox)
{
	struct sizing_workload w = {0};

	if (ask->cpu_quota >= 0 && ask->cpu_period > 0)
		w.vcpus = rules == SIZING_RULES_RS
				  ? (float)((double)ask->cpu_quota / (double)ask->cpu_period)
				  : (float)ask->cpu_quota / (float)ask->cpu_period;
	else if (rules == SIZING_RULES_RS && !sandbox)
		w.vcpus = (float)ask->cpuset_cpus;
	/* The static CPU manager of Kubernetes: no quota, the CPUs are in the shares. */
	if (rules == SIZING_RULES_GO && sandbox && ask->cpu_quota < 0 && w.vcpus <= 0)
		w.vcpus = (float)(ask->cpu_shares / 1024 + (ask->cpu_shares % 1024 != 0));
	if (ask->memory_bytes > 0)
		w.memory_mib = (uint64_t)ask->memory_bytes / MIB;
	/* Kept even, for huge pages of 2 MiB. */
	if (rules == SIZING_RULES_RS)
		w.memory_mib += w.memory_mib % 2;
	return w;
}

void sizing_rules_supplement(struct sizing_workload *workload, const struct sizing_ask *annotations)
{
	struct sizing_workload more = sizing_rules_workload(SIZING_RULES_RS, annotations, true);

	if (workload->vcpus <= 0)
		workload->vcpus = more.vcpus;
	if (workload->memory_mib == 0)
		workload->memory_mib = more.memory_mib;
}

float sizing_rules_hotplug_vcpus(
	const struct sizing_ask *containers, size_t count, float default_vcpus)
{
	double quota = 0, longest = 0;
	unsigned cpuset = 0;

	for (size_t i = 0; i < count; i++) {
		if ((double)containers[i].cpu_period > longest)
			longest = (double)containers[i].cpu_period;
	}
	for (size_t i = 0; i < count; i++) {
		const struct sizing_ask *c = &containers[i];

		if (c->cpu_quota >= 0 && c->cpu_period > 0)
			quota += (double)c->cpu_quota * (longest / (double)c->cpu_period);
		/* The runtimes count the union; told apart here are only the counts. */
		if (c->cpuset_cpus > cpuset)
			cpuset = c->cpuset_cpus;
	}
	if (quota > 0)
		return (float)(quota / longest) + default_vcpus;
	if (cpuset)
		return (float)cpuset;
	return count == 0 || default_vcpus > 1 ? default_vcpus : 1;
}

/* ---- from CPUs and MiB to the VM ---- */

static unsigned round_up(float vcpus)
{
	unsigned whole;

	if (vcpus >= 1e9f)
		return 1000000000; /* nonsense was asked for; not more of it */
	whole = (unsigned)vcpus;
	return (float)whole < vcpus ? whole + 1 : whole;
}

static void predict_growing(const struct sizing_rules_config *config,
	const struct sizing_ask *containers, size_t count, struct sizing_prediction *p)
{
	uint64_t memory = 0;

	for (size_t i = 0; i < count; i++) {
		if (containers[i].memory_bytes > 0)
			memory += (uint64_t)containers[i].memory_bytes;
		memory += containers[i].hugepage_bytes;
	}
	p->grows = true;
	p->vcpus = config->default_vcpus;
	p->memory_mib = config->default_memory;
	p->maxvcpus = config->default_maxvcpus;
	p->grown_vcpus = sizing_rules_hotplug_vcpus(containers, count, config->default_vcpus);
	p->grown_mib = memory / MIB + config->default_memory;
}

static void predict_rs(const struct sizing_rules_config *config, struct sizing_prediction *p)
{
	const struct sizing_workload *w = &p->workload;

	p->vcpus = config->default_vcpus;
	p->memory_mib = config->default_memory;
	if (w->vcpus > 0 || w->memory_mib > 0) {
		p->vcpus = config->overhead_vcpus + w->vcpus;
		if (p->vcpus < 1)
			p->vcpus = 1;
		/* The defaults are not added, not even where there is no limit. */
		p->memory_mib = config->overhead_memory + w->memory_mib;
		if (w->memory_mib == 0)
			str_format(p->note, sizeof(p->note),
				"CPU limit without memory limit: the VM gets overhead_memory "
				"alone, too small for nearly everything");
	}
	p->maxvcpus = round_up(p->vcpus);
}

static void predict_go(const struct sizing_rules_config *config, struct sizing_prediction *p)
{
	p->vcpus = config->default_vcpus + p->workload.vcpus;
	p->memory_mib = config->default_memory + p->workload.memory_mib;
	p->maxvcpus = round_up(p->vcpus);
	if (p->maxvcpus == 0)
		p->maxvcpus = 1;
}

int sizing_rules_predict(enum sizing_rules rules, const struct sizing_rules_config *config,
	const struct sizing_workload *workload, const struct sizing_ask *containers, size_t count,
	struct sizing_prediction *ret, struct error *err)
{
	struct sizing_prediction p = {
		.workload = *workload, .maxmemory_mib = config->default_maxmemory};

	if (!config->static_mgmt)
		predict_growing(config, containers, count, &p);
	else if (rules == SIZING_RULES_RS)
		predict_rs(config, &p);
	else
		predict_go(config, &p);
	if (p.memory_mib == 0)
		return error_invalid(err, "the runtime refuses: the sandbox's memory comes to 0 "
					  "MiB; it wants a memory "
					  "limit, default_memory or overhead_memory");
	if (rules == SIZING_RULES_RS && config->static_mgmt && p.maxmemory_mib < p.memory_mib)
		p.maxmemory_mib = p.memory_mib;
	p.boot_vcpus = round_up(p.vcpus);
	*ret = p;
	return 0;
}
