/*
 * vm: one running virtual machine: QEMU's process, its console, its control socket, the guest's
 * vsock. Owns a private folder for the vsock socket; everything is gone after vm_free(), whatever
 * happened. QEMU dies with us (PR_SET_PDEATHSIG). Called by vm_boot.c; nothing here sleeps but
 * vm_free(), which waits for a killed QEMU to be gone.
 */
#ifndef VM_VM_H
#define VM_VM_H

#include "base/error.h"
#include "base/event_loop.h"
#include "failure.h"
#include "vm/console.h"
#include "vm/vm_config.h"
#include "vsock/vsock_dialer.h"

#include <stdbool.h>
#include <sys/types.h>

/* What to do when the guest has no vsock. */
#define VM_NO_VSOCK_ADVICE                                                                         \
	"The kernel needs VIRTIO_VSOCKETS (built in, or its modules in the initrd); "              \
	"kernel-configs/check names what is missing."

struct vm;

struct vm_events {
	/* The guest's vsock driver is up (only known of our own device). May be NULL. */
	void (*vsock_ready)(void *owner);
	/* QEMU has ended and all its output was read: vm_explain() says why. May free the vm. */
	void (*gone)(void *owner);
	/* What came from the console, as it came. May be NULL. */
	void (*console_bytes)(void *owner, const void *data, size_t len);
	/* A finished line of the console. May be NULL. */
	void (*console_line)(void *owner, const char *line);
	void *owner;
};

/*
 * Starts QEMU. The config's strings must outlive the vm; its descriptors and vsock fields but
 * image_fd (kept open by the caller until this returns) are filled in here. NULL: err says what
 * could not be made; nothing is left behind.
 */
struct vm *vm_start(struct event_loop *loop, const struct vm_config *config,
	const struct vm_events *events, struct error *err);
/* Asks QEMU to end, kills it after a second; the gone event follows. Idempotent. */
void vm_stop(struct vm *vm);
/* The guest is asked to end as by its power button (ACPI; a guest may have nobody who listens). */
void vm_power_button(struct vm *vm);
/* Kills QEMU if it still runs, removes all that was made. No event follows. Accepts NULL. SLEEPS.
 */
void vm_free(struct vm *vm);

/* Calls ports of the guest; valid until vm_free(). */
struct vsock_dialer vm_dialer(struct vm *vm);
/* Our own vsock device, or NULL where the kernel's is used. */
struct vsock_device *vm_vsock_device(struct vm *vm);
bool vm_vsock_ready(const struct vm *vm); /* false also when it cannot be known */
bool vm_running(const struct vm *vm);
pid_t vm_pid(const struct vm *vm); /* QEMU's, to be shown; 0 when it has ended */
const struct console *vm_console(const struct vm *vm);
/* Why QEMU is gone: it did not start, the kernel panicked, it was killed... */
void vm_explain(const struct vm *vm, struct failure *failure);

#endif
