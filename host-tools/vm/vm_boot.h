/*
 * vm_boot: from a config to a connected agent: starts the VM, dials the agent until it answers,
 * knows at every moment what is being waited for, and says so when the time is up. A guest that
 * says nothing under KVM that was chosen automatically is started again under TCG.
 */
#ifndef VM_VM_BOOT_H
#define VM_VM_BOOT_H

#include "failure.h"
#include "vm/vm.h"

#define AGENT_PORT 1024 /* host-side.md 4.1 */

enum boot_phase { BOOT_VSOCK, BOOT_AGENT, BOOT_UP, BOOT_FAILED };

struct vm_boot;
struct vm_boot_events {
	/* The agent accepted a connection: fd (non-blocking stream) belongs to the owner. */
	void (*up)(void *owner, int fd);
	/* It did not work out; or, after up, the VM went away. Once. */
	void (*failed)(void *owner, const struct failure *failure);
	/* May be NULL; as in vm.h. */
	void (*console_bytes)(void *owner, const void *data, size_t len);
	void (*console_line)(void *owner, const char *line); /* may be NULL */
	void (*notice)(void *owner, const char *text);	     /* for the user: KVM given up */
	void *owner;
};

struct vm_boot {
	struct event_loop *loop;
	struct vm_config config;
	struct vm_boot_events events;
	struct vm *vm;
	enum boot_phase phase;
	bool kvm_on_trial; /* restart under TCG when nothing is heard */
	bool stopping;
	uint64_t timeout_ms;
	struct vsock_dialer dialer; /* of vm: gone with it; others take vm_boot_dialer() */
	struct vsock_dial *dial;
	struct event_timer retry, deadline, trial;
	struct failure failure;
};

/* kvm_on_trial: KVM was our choice, not the user's. 0 or negative errno with err; no event then. */
int vm_boot_start(struct vm_boot *boot, struct event_loop *loop, const struct vm_config *config,
	bool kvm_on_trial, uint64_t timeout_ms, const struct vm_boot_events *events,
	struct error *err);
/*
 * Calls the guest, whichever VM it is at that moment: a trial of KVM that failed puts another in
 * its place. Valid as long as boot is; -EAGAIN while there is no VM.
 */
struct vsock_dialer vm_boot_dialer(struct vm_boot *boot);
/* The VM's end is expected now: nothing is waited for any more, neither up nor failed is called. */
void vm_boot_expect_end(struct vm_boot *boot);
/* Stops the VM: asks, then steps the loop until QEMU is gone (a second at most). SLEEPS. */
void vm_boot_shut_down(struct vm_boot *boot);
void vm_boot_release(struct vm_boot *boot); /* kills what still runs; accepts zeroed */

#endif
