/*
 * share_child: what a virtiofsd finds when it starts: a mount namespace in which the share lies at
 * a path of ours, read-only where that was asked for, so that no guest can talk its virtiofsd into
 * writing; for an ordinary user a user namespace with that one user. In the child only; called by
 * vm_shares.c.
 */
#ifndef VM_SHARE_CHILD_H
#define VM_SHARE_CHILD_H

#include "vm/vm_config.h"

#include <sys/types.h>

struct share_child {
	const char *program;
	const struct vm_share *share;
	const char *folder; /* private, empty: covered by a tmpfs in the child's namespace */
	int listen_fd;
	bool own_user_namespace; /* cloned into one: uid and gid are to be mapped */
	uid_t uid, uid_inside;	 /* who we are, and what the guest sees as that */
	gid_t gid, gid_inside;
};

/* Becomes virtiofsd, or says on err_fd what failed and exits with 125. */
void share_child_run(const struct share_child *child, int err_fd) __attribute__((noreturn));

#endif
