/*
 * vm_keeper: the process that a named VM lives with. It is the parent of QEMU, the guest's vsock
 * device, the reader of its console and the listener on its agent socket; it holds the entry's
 * lock, so the VM is there as long as it is. It dies: QEMU dies (PR_SET_PDEATHSIG), and the lock is
 * free.
 *
 * It is told to end by signals, through a pidfd: SIGTERM asks the guest (DestroySandbox, and the
 * power button where that does not end it), SIGINT or a second SIGTERM does not ask. Called by
 * vm_start.c in a process of its own.
 */
#ifndef VMS_VM_KEEPER_H
#define VMS_VM_KEEPER_H

#include "vm/vm_plan.h"
#include "vms/vm_record.h"
#include "vms/vm_store.h"

/*
 * What the starter hears, one message (SOCK_SEQPACKET) each: a letter, then text. After READY or
 * FAILED, and when the keeper ends, its socket is closed.
 */
#define VM_REPORT_NOTICE 'N' /* a line for the user */
#define VM_REPORT_READY	 'R' /* the agent answers */
#define VM_REPORT_FAILED 'F' /* all that is to be said; nothing is left behind */
#define VM_REPORT_MAX	 8192

struct vm_keeper_request {
	struct vm_entry *entry;	      /* made by us, not kept yet; taken over */
	const struct vm_plan *plan;   /* configured, paths absolute */
	const struct vm_record *told; /* what was asked and given */
	uint64_t boot_timeout_ms;
	int report_fd;		/* taken over */
	struct vm_store *store; /* locked; let go as soon as the VM is kept. Taken over */
};

/*
 * Returns when the VM is gone: an exit code. Its entry is removed if somebody asked for the end, or
 * was told of the failure; else it stays, dead, with its logs. SLEEPS. Once per process.
 */
int vm_keeper_run(const struct vm_keeper_request *request);

#endif
