/*
 * sizing_ask: what a container or a pod asks for, as whoever starts it writes it down: the keys of
 * containerd's sandbox annotations, or OCI linux.resources (size/size_bundle.c reads those). Raw:
 * sizing_plan.c makes Cradle's VM of it, sizing_rules.c says what Kata's runtimes would. Pure.
 */
#ifndef VM_SIZING_ASK_H
#define VM_SIZING_ASK_H

#include <stdbool.h>
#include <stdint.h>

struct sizing_ask {
	int64_t cpu_quota;	 /* microseconds a period; 0 = not said, negative = no limit */
	uint64_t cpu_period;	 /* microseconds; 0 = not said */
	uint64_t cpu_shares;	 /* 1024 a CPU asked for; 0 = not said */
	unsigned cpuset_cpus;	 /* CPUs in cpu.cpus; 0 = not said */
	int64_t memory_bytes;	 /* limit; 0 = not said, negative = no limit */
	int64_t swap_bytes;	 /* OCI memory.swap: memory and swap together; 0 = not said */
	uint64_t hugepage_bytes; /* sum of hugepageLimits */
};

/* Period that Docker and Kubernetes use: what --cpus N is in quota and period. */
#define SIZING_CPU_PERIOD_US 100000

/*
 * One annotation of containerd's CRI plugin (io.kubernetes.cri.sandbox-memory, -cpu-quota,
 * -cpu-period, -cpu-shares; containerd internal/cri/server/podsandbox/sandbox_run_linux.go). True
 * when the key is one of them. *bad tells that its value is no number; it then counts as not said,
 * as both of Kata's runtimes take it (host-side.md 1.1).
 */
bool sizing_ask_annotation(struct sizing_ask *ask, const char *key, const char *value, bool *bad);
/* "0-3,8" -> 5. 0, or -EINVAL (no such list; *ret untouched). CPUs named twice count once. */
int sizing_cpuset_count(const char *list, unsigned *ret);

#endif
