/*
 * cgroup_procs: the processes of a group and of those below it, by cgroup.procs, v1 or v2. For
 * cgroup_v1.c, which kills them, and for memory/, which counts them. Never sleeps for long.
 */
#ifndef KERNEL_CGROUP_PROCS_H
#define KERNEL_CGROUP_PROCS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Calls fn (NULL: none) for each that has a number here; *count: with those that have none (of a
 * PID namespace that we cannot see into). Processes, not threads. 0 or negative errno (as
 * cgroup_tree_walk()): then *count is of those that were found before.
 */
int cgroup_procs_for_each(int dir, void (*fn)(pid_t pid), size_t *count);

#endif
