/*
 * sizing_rules: what Kata's two runtimes would make of a request. A prediction for people who
 * compare or migrate (`cradle size --rules=`); Cradle's own VMs are sized by sizing_plan.c. Pure.
 *
 * The rules are those of Kata 4.1: runtime-rs crates/resource/src/cpu_mem/initial_size.rs and
 * cpu.rs, libs/kata-types/src/config/hypervisor; Go src/runtime/pkg/oci/utils.go and
 * pkg/katautils/config.go (host-side.md section 1). Numbers of CPUs are float, as in both.
 */
#ifndef VM_SIZING_RULES_H
#define VM_SIZING_RULES_H

#include "base/error.h"
#include "vm/sizing_ask.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sizing_rules { SIZING_RULES_RS, SIZING_RULES_GO };

/* The keys of Kata's configuration file that have a say. MiB; 0 in a max = what the host has. */
struct sizing_rules_config {
	float default_vcpus;
	float overhead_vcpus; /* runtime-rs only */
	uint64_t default_memory, overhead_memory;
	uint32_t default_maxvcpus;
	uint64_t default_maxmemory;
	bool static_mgmt; /* static_sandbox_resource_mgmt */
};

/* The machine the runtime would run on. */
struct sizing_rules_host {
	const char *arch;    /* as uname -m says */
	uint32_t cpus;	     /* 0 = not known: nothing is cut to it */
	uint64_t memory_mib; /* 0 = not known */
};

struct sizing_workload {
	float vcpus;
	uint64_t memory_mib;
};

struct sizing_prediction {
	struct sizing_workload workload;
	float vcpus;	     /* what the runtime computes */
	unsigned boot_vcpus; /* what QEMU gets: -smp */
	uint64_t memory_mib; /* -m */
	unsigned maxvcpus;
	uint64_t maxmemory_mib;
	bool grows; /* not static: the VM starts with the above and is hot-plugged to */
	float grown_vcpus;
	uint64_t grown_mib;
	char note[200]; /* what a user should know of this result; "" = nothing */
};

/* "runtime-rs" (also "rs") or "go": 0, or -EINVAL. */
int sizing_rules_by_name(const char *name, enum sizing_rules *ret);
/* The numbers Kata ships for QEMU on this architecture. */
struct sizing_rules_config sizing_rules_shipped(enum sizing_rules rules, const char *arch);
/* One key=value of the configuration file, by its name there. err names what is refused. */
int sizing_rules_set(
	struct sizing_rules_config *config, const char *key, const char *value, struct error *err);
/*
 * What loading the configuration file does to it: minima, maxima, alignment (host-side.md 1.5). err
 * says what the runtime refuses. The results of sizing are not checked again by either runtime.
 */
int sizing_rules_load(enum sizing_rules rules, const struct sizing_rules_host *host,
	struct sizing_rules_config *config, struct error *err);

/* The step from annotations (sandbox) or linux.resources to CPUs and MiB. */
struct sizing_workload sizing_rules_workload(
	enum sizing_rules rules, const struct sizing_ask *ask, bool sandbox);
/* runtime-rs with the Sandbox API: what the spec left at 0 comes from the annotations. */
void sizing_rules_supplement(
	struct sizing_workload *workload, const struct sizing_ask *annotations);
/* CPUs a not static VM is plugged up to for these containers. */
float sizing_rules_hotplug_vcpus(
	const struct sizing_ask *containers, size_t count, float default_vcpus);
/*
 * The whole. containers matter only when the VM is not static. -EPROTO with err: the runtime would
 * refuse.
 */
int sizing_rules_predict(enum sizing_rules rules, const struct sizing_rules_config *config,
	const struct sizing_workload *workload, const struct sizing_ask *containers, size_t count,
	struct sizing_prediction *ret, struct error *err);

#endif
