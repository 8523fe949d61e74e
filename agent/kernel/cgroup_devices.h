/*
 * cgroup_devices: which devices a container may open or make: OCI Linux.Resources.Devices -> a BPF
 * program of type cgroup_device on its cgroup, which is how v2 controls devices, and a hybrid
 * machine can too; where there is only v1, lines of its devices controller. Building is pure;
 * attaching is bpf(2) and does not sleep. Sources: OCI config-linux.md "Allowed Device list";
 * agent-api-containers.md 10.2 and sharp edges c22, c30; linux/bpf.h; Linux
 * Documentation/admin-guide/cgroup-v2.rst "Device controller".
 *
 * Rules are taken in order and the last one that matches decides, for each of r, w, m by itself.
 * Before them stands the default set (what runc gives every container, and /dev/net/tun). A rule
 * that denies everything leaves the default set; one that allows everything does that. The guest's
 * own root disk is denied last, whatever is asked.
 */
#ifndef KERNEL_CGROUP_DEVICES_H
#define KERNEL_CGROUP_DEVICES_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_limits.h"

#include "oci.pb-c.h"

struct device_program {
	struct bpf_insn *insns; /* in the arena */
	size_t count;
	struct cgroup_writes v1; /* instead, where there is no cgroup2: devices.allow, .deny */
	bool required; /* something was denied by name: without the program nothing may start */
};

/* Block devices that no container gets. */
#define DEVICE_DENIED_MAX 64
struct device_denied {
	dev_t list[DEVICE_DENIED_MAX];
	size_t count;
};

/*
 * The block device "/" is on, the disk it is a partition of with all partitions, and what it is
 * made of (device mapper). Nothing when "/" is in memory. Reads sysfs; what cannot be read is left
 * out.
 */
void device_denied_root(struct device_denied *ret);
/*
 * Pure. linux_part may be NULL; root NULL: v2. nodes: those of Linux.Devices are allowed too, which
 * is for specs without rules (Kata's runtimes strip them). On the wire -1 is "any"; so is a major
 * of 0, which no device has and which is how Go sends "not said", and then a minor of 0. On v1 what
 * its lists cannot say is FAILED_PRECONDITION.
 */
int cgroup_devices_plan(const struct cgroup_root *root, const Grpc__Linux *linux_part, bool nodes,
	const struct device_denied *denied, struct arena *arena, struct device_program *ret,
	struct error *err);
/*
 * Loads and attaches, to a new group. A kernel that cannot: FAILED_PRECONDITION if the program is
 * required, else logged once per agent and 0. Programs that a container attaches below add to it.
 */
int cgroup_devices_attach(
	const struct cgroup *cgroup, const struct device_program *program, struct error *err);
/* The same for a group that has one of ours, which it replaces; a kernel that cannot is a failure.
 */
int cgroup_devices_replace(
	const struct cgroup *cgroup, const struct device_program *program, struct error *err);

#endif
