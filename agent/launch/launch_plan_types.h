/*
 * launch_plan_types: what a launch plan is made of. For launch/ only: plan_*.c fill it, the child
 * (launch_child, rootfs, rootfs_dev, credentials) walks it. Everything is checked and in its final
 * form; strings and arrays are in the plan's arena and never NULL unless that is said.
 */
#ifndef LAUNCH_LAUNCH_PLAN_TYPES_H
#define LAUNCH_LAUNCH_PLAN_TYPES_H

#include "kernel/capability.h"
#include "kernel/namespace.h"
#include "launch/hooks.h"
#include "launch/launch_plan.h"

#include <sys/resource.h>
#include <sys/types.h>

enum plan_namespace_how {
	PLAN_NAMESPACE_KEEP, /* the agent's own (exec: what launch_request.join says) */
	PLAN_NAMESPACE_NEW,
	PLAN_NAMESPACE_FD,   /* join, descriptor of launch_config */
	PLAN_NAMESPACE_PATH, /* join, launch_begin() opens the path */
};

struct plan_namespace {
	enum plan_namespace_how how;
	int fd;
	const char *path;
};

struct plan_mount {
	const char *what; /* "mounts[3] /dev/pts", for errors */
	const char *source;
	const char *destination;		   /* absolute, clean: no "//", ".", ".." */
	const char *type;			   /* "" for binds */
	const char *data;			   /* NULL = none */
	unsigned long flags, cleared, propagation; /* as in kernel/mount.h; MS_BIND tells a bind */
	unsigned long all_set, all_cleared;	   /* of a bind, and of what is mounted in it */
	bool copy_up;				   /* tmpfs: begins with what the image has there */
	bool plain_target;  /* proc, sysfs: no link on the way to the target */
	bool late_readonly; /* tmpfs: other mounts' targets are made in it before it becomes
			       read-only */
	bool over_proc;	    /* a bind that may lie on a file of /proc */
	bool from_proc;	    /* a bind on /proc itself: only from a proc file system */
};

struct plan_device {
	const char *path; /* below /dev, clean */
	mode_t kind;	  /* S_IFCHR, S_IFBLK, S_IFIFO */
	dev_t dev;
	mode_t mode; /* 0 = as the guest's node of that name has it */
	uid_t uid;
	gid_t gid;
};

struct plan_sysctl {
	const char *name, *path, *value; /* path below /proc/sys */
};

struct plan_rlimit {
	const char *name;
	int resource;
	struct rlimit limit;
};

struct launch_plan {
	bool exec; /* joins a container instead of making one */
	bool terminal;
	uint16_t rows, columns; /* of the terminal; 0 x 0 = not said */
	bool new_rootfs;	/* a mount namespace of its own: build the root file system in it */
	bool no_pivot;
	bool readonly_root;
	bool make_dev; /* /dev is no bind: fill it */
	bool no_new_privileges;
	bool has_seccomp;
	bool seccomp_before; /* install it before privileges go (no_new_privileges is not set) */
	unsigned seccomp_flags;
	const Grpc__LinuxSeccomp *seccomp; /* borrowed from the spec; NULL = none */

	struct plan_namespace namespaces[NAMESPACE_COUNT];
	/* Text for /proc/PID/?id_map, or what must be there in a namespace that is joined; NULL
	 * without a user namespace */
	const char *uid_map, *gid_map;
	const char *hostname; /* NULL = do not set */
	const char *rootfs;
	const char *container_id;

	unsigned long root_propagation; /* 0 = leave it a slave */
	const struct plan_mount *mounts;
	size_t mount_count;
	const struct plan_device *devices;
	size_t device_count;
	const char *const *masked_paths;
	size_t masked_count;
	const char *const *readonly_paths;
	size_t readonly_count;
	const struct plan_sysctl *sysctls;
	size_t sysctl_count;

	const struct hook_set *hooks; /* NULL for an exec */

	char *const *args; /* NULL-terminated, at least one */
	char *const *env;  /* NULL-terminated; one more free slot before the end is kept for HOME */
	size_t env_count;
	const char *cwd; /* absolute */
	uid_t uid;
	gid_t gid;
	uid_t guest_uid; /* uid as the guest sees it: through the container's map */
	const gid_t *groups;
	size_t group_count;
	struct capability_sets capabilities;
	const struct plan_rlimit *rlimits;
	size_t rlimit_count;
	int oom_score_adj;
	const char *selinux_label;    /* NULL = none */
	bool selinux_mounts;	      /* a mount label is in the mounts' data */
	const char *apparmor_profile; /* NULL = none */
};

#endif
