/*
 * rootfs: builds a container's root file system in the child's new mount namespace. Called by
 * launch_child in this order; every call may sleep, returns 0 or negative errno with err filled,
 * and needs the agent's /proc until rootfs_enter().
 */
#ifndef LAUNCH_ROOTFS_H
#define LAUNCH_ROOTFS_H

#include "base/error.h"
#include "launch/launch_plan_types.h"

/*
 * Cuts this namespace off from the guest's (slave), clones the root file system's mount and
 * attaches it over itself. Returns its descriptor: from here on everything is resolved inside it.
 */
int rootfs_open(const struct launch_plan *plan, struct error *err);
/* mqueue: a detached mount for a plan's mqueue that may not be made here, or -1. */
int rootfs_mount_all(const struct launch_plan *plan, int root, int mqueue, struct error *err);
/* Default links and nodes, then the plan's devices (rootfs_dev.c). */
int rootfs_make_dev(const struct launch_plan *plan, int root, struct error *err);
/* Binds the terminal's slave on /dev/console (rootfs_dev.c). */
int rootfs_bind_console(int root, int slave, struct error *err);
/* Makes the working directory; masked and read-only paths; what becomes read-only last. */
int rootfs_seal(const struct launch_plan *plan, int root, struct error *err);
/* pivot_root(2), or MS_MOVE and chroot(2); the guest's mounts are gone from this namespace. */
int rootfs_enter(const struct launch_plan *plan, int root, struct error *err);

/* For rootfs_dev.c: path of a descriptor for calls that know paths only. */
#define FD_PATH_SIZE 32
const char *rootfs_fd_path(int fd, char out[FD_PATH_SIZE]);
/* Binds the guest's source on target; what names it in errors. */
int rootfs_bind(const char *source, int target, const char *what, struct error *err);

#endif
