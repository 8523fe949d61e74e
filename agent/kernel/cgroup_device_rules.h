/*
 * cgroup_device_rules: device rules of a spec, checked, in order, with the defaults before them and
 * the root disk behind. Pure. For cgroup_devices*.c, which make of them what the kernel takes.
 */
#ifndef KERNEL_CGROUP_DEVICE_RULES_H
#define KERNEL_CGROUP_DEVICE_RULES_H

#include <stdint.h>

#include "kernel/cgroup_devices.h"

#define DEVICE_ANY (-1)

#define DEVICE_ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

struct device_rule {
	bool allow;
	int type; /* BPF_DEVCG_DEV_*, or DEVICE_ANY */
	int64_t major, minor;
	int access; /* BPF_DEVCG_ACC_* */
};

struct device_rules {
	struct device_rule *list; /* in the arena; the last that matches decides */
	size_t count;
	bool required; /* something was denied by name */
};

/* With nodes those of Linux.Devices are allowed before the rules. */
int device_rules_make(const Grpc__Linux *linux_part, bool nodes, const struct device_denied *denied,
	struct arena *arena, struct device_rules *ret, struct error *err);
/* Every device, every access. */
bool device_rule_is_everything(const struct device_rule *rule);

#endif
