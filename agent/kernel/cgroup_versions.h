/*
 * cgroup_versions: what only cgroup v1, or only v2, can do, for cgroup.c. Each takes the directory
 * of the group in the home hierarchy, which is of that version.
 */
#ifndef KERNEL_CGROUP_VERSIONS_H
#define KERNEL_CGROUP_VERSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cgroup;

/* ---- v2 (cgroup_v2.c) ---- */

bool cgroup_v2_mounted_at(const char *path);
/* Every controller of the mount, in dir's cgroup.subtree_control; what is refused is left out. */
void cgroup_v2_enable(const char *mount, const char *dir);
void cgroup_v2_bound_nesting(int fd);
int cgroup_v2_populated(int fd);

/* ---- v1 (cgroup_v1.c) ---- */

/* A new cpuset may hold no process before it has CPUs and memory nodes: its parent's. */
void cgroup_v1_fill_cpuset(const char *dir);
/* Any process, here or below; 1, 0, or negative errno. */
int cgroup_v1_populated(int fd);
/* freezer.state of the group in the freezer's hierarchy; -ENODEV without one. */
int cgroup_v1_freeze(const struct cgroup *cgroup, bool freeze);
int cgroup_v1_kill(const struct cgroup *cgroup);

#endif
