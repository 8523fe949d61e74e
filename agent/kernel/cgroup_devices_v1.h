/*
 * cgroup_devices_v1: device rules as lines for v1's devices.allow and devices.deny. Pure. Source:
 * Linux Documentation/admin-guide/cgroup-v1/devices.rst, security/device_cgroup.c.
 */
#ifndef KERNEL_CGROUP_DEVICES_V1_H
#define KERNEL_CGROUP_DEVICES_V1_H

#include "kernel/cgroup_device_rules.h"
#include "kernel/cgroup_limits.h"

/*
 * v1 keeps all or nothing and a list of exceptions from that; an exception from an exception it
 * cannot hold: FAILED_PRECONDITION naming the rule, except that a device whose opening is denied
 * may still be made (the defaults allow mknod of any).
 */
int cgroup_devices_v1_plan(const struct device_rules *rules, struct arena *arena,
	struct cgroup_writes *ret, struct error *err);

#endif
