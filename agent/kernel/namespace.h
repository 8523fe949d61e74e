/*
 * namespace: pinned namespaces (namespaces(7)): open descriptors of the files in /proc/PID/ns, close-on-exec.
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
/* Pins those namespaces of pid that differ from the caller's own. All or nothing. */
int namespace_set_pin(struct namespace_set *set, pid_t pid, struct error *err);
/* "mount"/"mnt", "network"/"net", "pid", "ipc", "uts", "user", "cgroup", "time"; -EINVAL otherwise. */
int namespace_type_parse(const char *word);
uint64_t namespace_clone_flag(enum namespace_type type); /* CLONE_NEW* */
const char *namespace_name(enum namespace_type type);    /* name in /proc/PID/ns */

#endif
