/*
 * cgroup: a container's control groups. Sources: Linux Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1/; agent-api-containers.md section 10.
 *
 * Three kinds of machine, found out at start (cgroup_root_open):
 *   unified   cgroup2 at /sys/fs/cgroup: every guest of ours. One directory a container.
 *   hybrid    v1 hierarchies that have the controllers, and a cgroup2 beside them: a directory in
 *             each; limits and figures are v1's, the cgroup2 says who belongs to the container, and
 *             is what kills and freezes it.
 *   v1        no cgroup2: a directory in each hierarchy, one of which ("home") tells who belongs.
 * What all have in common is in cgroup.c; what only one can do is in cgroup_v1.c and cgroup_v2.c.
 *
 * As PID 1 one parent group holds all containers ("Room for the agent" in docs/architecture.md).
 * Everything here touches kernel memory only and does not sleep for long; what waits (a group
 * getting empty) is an event of cgroup_events, or on v1 looked at again.
 */
#ifndef KERNEL_CGROUP_H
#define KERNEL_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "kernel/cgroup_hierarchies.h"

struct cgroup_root {
	char mount[128]; /* of the home hierarchy */
	char base[256];	 /* directory below which containers get their groups; mount itself or a
			    group in it */
	bool v1_only;	 /* home is a v1 hierarchy */
	struct cgroup_hierarchies v1; /* mounted v1 hierarchies, home among them when v1_only */
};

/*
 * No descriptor is held: with a thousand containers alive they would be a thousand. The path stays
 * true, for only we make and remove the directory.
 */
struct cgroup {
	char *path; /* absolute directory in the home hierarchy, owned; NULL = none */
	const struct cgroup_root *root;
};

/*
 * Finds the hierarchies; with parent != NULL also makes that group in the home hierarchy, enables
 * controllers down to it and uses it as base. Fails when no cgroup file system is mounted.
 */
int cgroup_root_open(struct cgroup_root *root, const char *parent, struct error *err);

/*
 * OCI Linux.CgroupsPath -> absolute directory (agent-api-containers.md 10.1): empty is the
 * container id, ':' becomes '/', leading '/' dropped, ".." and over-long paths refused. Pure.
 */
int cgroup_path_for(const struct cgroup_root *root, const char *cgroups_path,
	const char *container_id, char *out, size_t size, struct error *err);
/* Is this controller in a v1 hierarchy? root may be NULL: no. Pure. */
bool cgroup_root_v1_has(const struct cgroup_root *root, const char *controller);

void cgroup_init(struct cgroup *cgroup); /* "none" */
bool cgroup_exists(const struct cgroup *cgroup);
/* The directory, O_DIRECTORY, the caller's; or negative errno (-EBADF: there is none). */
int cgroup_open(const struct cgroup *cgroup);
/*
 * Makes the directories and their missing ancestors in every hierarchy; v2: enables every
 * controller of the root on the way; v1: fills new cpusets from their parents. The last component
 * must not exist yet (two containers must not share one). On failure what was made is removed
 * again. What may be nested inside is bounded (CGROUP_DEPTH_MAX and CGROUP_DESCENDANTS_MAX of
 * hard_limits.h) where the kernel can, so that its removal is.
 */
int cgroup_create(
	struct cgroup *cgroup, const struct cgroup_root *root, const char *path, struct error *err);

/*
 * The directory with the controller's files. 0; -ENOENT when neither a v1 hierarchy has the
 * controller nor there is a cgroup2 that might. Pure.
 */
int cgroup_dir(const struct cgroup *cgroup, const char *controller, char *out, size_t size);
/* One control file of the group. Bytes read (NUL added), or negative errno. */
ssize_t cgroup_read(const struct cgroup *cgroup, const char *controller, const char *file,
	char *out, size_t size);
int cgroup_write(
	const struct cgroup *cgroup, const char *controller, const char *file, const char *value);

/*
 * For the child of a launch: enters the group in every v1 hierarchy. SLEEPS (the kernel waits for a
 * grace period), which is why the agent does not do it for the child. 0 or negative errno, *failed
 * names the hierarchy then. Nothing to do on a unified machine: clone3(2) did it.
 */
int cgroup_enter_v1(const struct cgroup *cgroup, const char **failed);
/* What clone3(2) may be given: *ret as by cgroup_open(), or -1 where home is v1. 0 or negative
 * errno.
 */
int cgroup_open_for_clone(const struct cgroup *cgroup, int *ret);

/*
 * The same for one more process of the container. One that has made groups inside and handed
 * controllers on may have no processes in its own group any more (cgroup-v2.rst, "No Internal
 * Process Constraint"): then the group that `beside` is in. *ret: a descriptor of the caller's, or
 * -1 where home is v1. 0 or negative errno.
 */
int cgroup_open_beside(const struct cgroup *cgroup, pid_t beside, int *ret);

/*
 * SIGKILL to every process of the group and its descendants: cgroup.kill (Linux 5.14). v1 only:
 * one by one while all stand frozen, then they go on, to their end.
 */
int cgroup_kill(const struct cgroup *cgroup);
/*
 * Tells the group and its descendants to freeze, or to go on: cgroup.freeze (Linux 5.2), or v1's
 * freezer. Does not wait until they have. 0 or negative errno.
 */
int cgroup_freeze(const struct cgroup *cgroup, bool freeze);
/*
 * v1's freezer holds back even SIGKILL. For a process that was sent one: lets it out of the freezer
 * to its end. Nothing to do elsewhere. May sleep for some milliseconds.
 */
void cgroup_let_die(const struct cgroup *cgroup, pid_t pid);
/* Is any process in it or below? 1, 0, or negative errno. */
int cgroup_populated(const struct cgroup *cgroup);
/*
 * rmdir of the group, its descendants and the ancestors that cgroup_create() made, for this group
 * or another (as far as they are empty), in every hierarchy. 0 also when it is gone already; -EBUSY
 * while a process is in it: may be tried again. -EINPROGRESS: some are removed, more are left;
 * to be called again in the loop's next turn.
 */
int cgroup_remove(struct cgroup *cgroup);
void cgroup_release(struct cgroup *cgroup); /* forgets; removes nothing */

#endif
