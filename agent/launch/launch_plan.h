/*
 * launch_plan: an OCI spec, checked and flattened into what the child has to do, in order. Pure: no
 * system call, tested without root; the dangerous part (launch_child) then only walks the plan.
 * All memory is in the arena that was passed. Rules: agent-api-containers.md sections 3 to 8 and
 * the OCI runtime spec (config.md, config-linux.md).
 */
#ifndef LAUNCH_LAUNCH_PLAN_H
#define LAUNCH_LAUNCH_PLAN_H

#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#include "oci.pb-c.h"

struct launch_plan; /* defined in launch_plan_types.h for launch/ only */

/* What the sandbox knows beyond the spec. Strings are borrowed for the call. */
struct launch_config {
	const char *container_id;
	const char *rootfs;	     /* Root.Path: absolute path in the guest */
	const char *cgroup_path;     /* absolute path of the container's cgroup directory */
	const char *bundle;	     /* what hooks are told as its bundle; NULL for an exec */
	const char *guest_hook_path; /* of CreateSandbox; NULL or "": no guest hooks */
	bool no_pivot; /* "/" is an initramfs: MS_MOVE and chroot instead of pivot_root */
	/* namespaces that are joined instead of made (pod-wide ipc, uts, pid); -1 = none. Not
	 * owned, must stay open until launch_begin() */
	int ipc_fd, uts_fd, pid_fd;
};

/* For a container's init. *ret and everything in it live in arena. */
int launch_plan_container(const Grpc__Spec *spec, const struct launch_config *config,
	struct arena *arena, const struct launch_plan **ret, struct error *err);
/*
 * For an exec: process as sent; what it leaves out (capabilities, rlimits, seccomp,
 * oom_score_adj...) comes from the container's own spec.
 */
int launch_plan_exec(const Grpc__Process *process, const Grpc__Spec *spec,
	const struct launch_config *config, struct arena *arena, const struct launch_plan **ret,
	struct error *err);
bool launch_plan_terminal(const struct launch_plan *plan);
/* The seccomp section to compile (kernel/seccomp.h), or NULL. */
const Grpc__LinuxSeccomp *launch_plan_seccomp(const struct launch_plan *plan);

struct hook_set;
/* Of a container's plan; lives as long as that. */
const struct hook_set *launch_plan_hooks(const struct launch_plan *plan);

#endif
