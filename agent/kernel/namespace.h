/*
 * namespace: pinned namespaces (namespaces(7)): open descriptors of the files in /proc/PID/ns,
 * close-on-exec. Nothing here sleeps, unless a path given to namespace_open() lies on a file system
 * that does.
 */
#ifndef KERNEL_NAMESPACE_H
#define KERNEL_NAMESPACE_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

enum namespace_type {
	NAMESPACE_USER,
	NAMESPACE_PID,
	NAMESPACE_IPC,
	NAMESPACE_UTS,
	NAMESPACE_NET,
	NAMESPACE_CGROUP,
	NAMESPACE_TIME,
	NAMESPACE_MNT,
	NAMESPACE_COUNT,
};

struct namespace_set {
	int fd[NAMESPACE_COUNT]; /* -1 = not pinned: same as the agent's */
};

void namespace_set_init(struct namespace_set *set);    /* all -1 */
void namespace_set_release(struct namespace_set *set); /* closes */
/*
 * Pins those namespaces of pid that differ from the caller's own. All or nothing. The caller has to
 * know that pid is still whom it means: a child that nobody has reaped.
 */
int namespace_set_pin(struct namespace_set *set, pid_t pid, struct error *err);
/* The one of this type alone: *ret, the caller's to close; -1: it is the caller's own. */
int namespace_pin(enum namespace_type type, pid_t pid, int *ret, struct error *err);
/* "mount"/"mnt", "network"/"net", "pid", "ipc", "uts", "user", "cgroup", "time"; -EINVAL otherwise.
 */
int namespace_type_parse(const char *word);
uint64_t namespace_clone_flag(enum namespace_type type); /* CLONE_NEW* */
const char *namespace_name(enum namespace_type type);	 /* name in /proc/PID/ns */
/* Opens a namespace file and checks that it is one of this type (NS_GET_NSTYPE, ioctl_ns(2)). */
int namespace_open(enum namespace_type type, const char *path, struct error *err);
/* The caller's own, to come back to it. An fd, or negative errno with err filled. */
int namespace_open_own(enum namespace_type type, struct error *err);
/* setns(2): joins (pid: later children do). 0 or negative errno with err filled. */
int namespace_enter(enum namespace_type type, int fd, struct error *err);

#endif
