/*
 * cgroup: directories of the unified (v2) hierarchy. Source: Linux
 * Documentation/admin-guide/cgroup-v2.rst.
 *
 * One root per agent: where cgroup2 is mounted (/sys/fs/cgroup, or /sys/fs/cgroup/unified on a
 * hybrid v1 host) plus, as PID 1, one parent group under which all containers live ("Room for the
 * agent" in docs/architecture.md). Everything here touches kernel memory only and does not sleep
 * for long; what waits (a group getting empty) is an event of cgroup_events.
 */
#ifndef KERNEL_CGROUP_H
#define KERNEL_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct cgroup_root {
	char mount[128]; /* where cgroup2 is mounted */
	char base[256];	 /* directory below which containers get their groups; mount itself or a
			    group in it */
};

struct cgroup {
	char path[PATH_MAX]; /* absolute directory; "" = none */
	int fd;		     /* O_PATH|O_DIRECTORY, owned; -1 = none */
};

/*
 * Finds the hierarchy; with parent != NULL also makes that group, enables controllers down to it
 * and uses it as base. Fails when no cgroup2 is mounted.
 */
int cgroup_root_open(struct cgroup_root *root, const char *parent, struct error *err);

/*
 * OCI Linux.CgroupsPath -> absolute directory (agent-api-containers.md 10.1): empty is the
 * container id, ':' becomes '/', leading '/' dropped, ".." and over-long paths refused. Pure.
 */
int cgroup_path_for(const struct cgroup_root *root, const char *cgroups_path,
	const char *container_id, char *out, size_t size, struct error *err);

void cgroup_init(struct cgroup *cgroup); /* "none" */
/*
 * Makes the directory and its missing ancestors and enables every controller of the root on the
 * way. The last component must not exist yet (two containers must not share one). On failure what
 * was made is removed again. What may be nested inside is bounded (CGROUP_DEPTH_MAX and
 * CGROUP_DESCENDANTS_MAX of hard_limits.h), so that its removal is.
 */
int cgroup_create(
	struct cgroup *cgroup, const struct cgroup_root *root, const char *path, struct error *err);
/* SIGKILL to every process of the group and its descendants (cgroup.kill, Linux 5.14). */
int cgroup_kill(const struct cgroup *cgroup);
/*
 * cgroup.freeze (Linux 5.2): tells the group and its descendants to freeze, or to go on. Does not
 * wait until they have. 0 or negative errno.
 */
int cgroup_freeze(const struct cgroup *cgroup, bool freeze);
/* cgroup.events: is any process in it or below? 1, 0, or negative errno. */
int cgroup_populated(const struct cgroup *cgroup);
/*
 * rmdir of the group, its descendants and the ancestors that cgroup_create() made, for this group
 * or another (as far as they are empty). 0 also when it is gone already; -EBUSY while a process is
 * in it.
 */
int cgroup_remove(struct cgroup *cgroup);
void cgroup_release(struct cgroup *cgroup); /* closes fd, forgets; removes nothing */

#endif
