/*
 * cgroup_hierarchies: which v1 hierarchies are mounted and where, from mountinfo. Source:
 * cgroups(7), "Cgroups version 1"; proc_pid_mountinfo(5): the controllers are among the super
 * block's options
 * ("rw,cpu,cpuacct"; "rw,xattr,name=systemd" for one without).
 */
#ifndef KERNEL_CGROUP_HIERARCHIES_H
#define KERNEL_CGROUP_HIERARCHIES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The kernel has 14 controllers (include/linux/cgroup_subsys.h); systemd adds a hierarchy. */
#define CGROUP_HIERARCHIES_MAX 16

struct cgroup_hierarchy {
	dev_t dev;
	char mount[128];
	char options[160]; /* of the super block; cut if longer */
};

struct cgroup_hierarchies {
	size_t count;
	struct cgroup_hierarchy list[CGROUP_HIERARCHIES_MAX];
};

/*
 * One entry a hierarchy, the first place it is mounted at. mountinfo NULL: /proc/self/mountinfo. 0
 * or negative errno.
 */
int cgroup_hierarchies_read(struct cgroup_hierarchies *ret, const char *mountinfo);
/* The hierarchy with this controller ("memory"), or named so ("name=systemd"); NULL: none. */
const struct cgroup_hierarchy *cgroup_hierarchies_find(
	const struct cgroup_hierarchies *hierarchies, const char *controller);

#endif
