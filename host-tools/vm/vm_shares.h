/*
 * vm_shares: folders and files of the host for one VM: a virtiofsd for each (virtio-fs over
 * vhost-user, as the kernel knows no such device itself). Each is process 1 of a pid namespace of
 * its own and dies with us (PR_SET_PDEATHSIG), so nothing of it outlives the VM, whoever is killed.
 * What it may see is made in share_child.c. Called by vm.c.
 */
#ifndef VM_VM_SHARES_H
#define VM_VM_SHARES_H

#include "failure.h"
#include "vm/vm_config.h"

#include "base/event_loop.h"

struct share_daemon;

struct vm_shares {
	struct share_daemon *daemons; /* owned */
	unsigned count;
	/* A daemon ended, for the first time: the guest would wait for its answers for ever. */
	void (*ended)(void *owner);
	void *owner;
	bool told;
};

/*
 * Starts a virtiofsd for each of config->shares. folder: a private one, empty after this. fds: room
 * for VM_SHARES_MAX connected sockets, one for each share, for QEMU; the caller closes them, also
 * after a failure. 0 or negative errno with err naming the share; vm_shares_release() is due in any
 * case.
 */
int vm_shares_start(struct vm_shares *shares, struct event_loop *loop,
	const struct vm_config *config, const char *folder, int *fds, struct error *err);
/* QEMU has ended by itself: did a virtiofsd before it? Then failure says so. */
bool vm_shares_explain(const struct vm_shares *shares, struct failure *failure);
/* Kills what still runs. Idempotent, accepts zeroed. SLEEPS until it is gone. */
void vm_shares_release(struct vm_shares *shares);

/* program, or where Debian and others have virtiofsd; NULL with err when there is none. */
const char *virtiofsd_find(const char *program, struct error *err);

#endif
