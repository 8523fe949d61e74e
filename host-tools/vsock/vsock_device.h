/*
 * vsock_device: being the guest's virtio-vsock device, over vhost-user, in this process.
 *
 * Owns the listening unix socket that QEMU connects to, the rings and every connection between
 * guest and host. QEMU's side (memory must be shared and sealed, so memfd):
 *   -object memory-backend-memfd,id=mem0,size=SIZE,share=on -machine ...,memory-backend=mem0
 *   -chardev socket,id=c0,path=SOCKET_PATH -device vhost-user-vsock-pci,chardev=c0
 * QEMU exits at once when nobody listens: make the device before starting QEMU. QEMU's main loop
 * waits for our answers: never wait for QMP on the thread that runs this loop (trap of QEMU 7.2 and
 * 10.0). No privilege and no device node is needed.
 *
 * All calls are for the loop's thread and never sleep. Everything the guest says is hostile.
 * Sources: virtio 1.2 sections 2.7 and 5.10, QEMU docs/interop/vhost-user.rst.
 */
#ifndef VSOCK_VSOCK_DEVICE_H
#define VSOCK_VSOCK_DEVICE_H

#include "base/error.h"
#include "base/event_loop.h"
#include "vsock/vsock_dialer.h"

#include <stdbool.h>
#include <stdint.h>

struct vsock_device;

/* All may be NULL; each is called from the loop with a clean stack and may free the device. */
struct vsock_device_events {
	void (*ready)(
		void *owner); /* the guest's driver is up (first start, and after each reset) */
	void (*gone)(
		void *owner); /* QEMU hung up; all connections are ended. Another may connect */
	void *owner;
};

/*
 * Listens on socket_path at once (an old socket file there is replaced; mode 0600). guest_cid is
 * what the guest will read from its device: 3 to 0xfffffffe. NULL on failure, err filled.
 */
struct vsock_device *vsock_device_new(
	struct event_loop *loop, const char *socket_path, uint64_t guest_cid, struct error *err);
/* Closes all and removes the socket file. Pending dials end without a call. Accepts NULL. */
void vsock_device_free(struct vsock_device *dev);
void vsock_device_set_events(struct vsock_device *dev, const struct vsock_device_events *events);
/* The guest's driver has started both rings (and is not paused). */
bool vsock_device_ready(const struct vsock_device *dev);
/* QEMU is connected. */
bool vsock_device_connected(const struct vsock_device *dev);

/*
 * Calls a port of the guest (see vsock_dialer.h for done and the errors). The descriptor handed
 * over is one end of a socketpair whose other end the device relays.
 */
int vsock_device_dial(struct vsock_device *dev, uint32_t port, uint64_t timeout_ms,
	vsock_dial_fn done, void *owner, struct vsock_dial **ret, struct error *err);
struct vsock_dialer vsock_device_dialer(struct vsock_device *dev);

/*
 * Who answers the guest's own dials to host port `port` (CID 2): returns a connected stream socket
 * that the device takes over, or a negative errno (the guest is reset). Without one all are reset.
 * It may not free the device.
 */
typedef int (*vsock_accept_fn)(void *context, uint32_t port);
void vsock_device_set_accept(struct vsock_device *dev, vsock_accept_fn accept, void *context);

/*
 * The guest was reset (QMP's RESET event): ends all connections now. Without this call a reset is
 * only noticed at the next driver start, seconds later (QEMU 7.2).
 */
void vsock_device_reset(struct vsock_device *dev);

/* Counters for tests, logs and benches. */
struct vsock_device_stats {
	uint64_t packets_from_guest, packets_to_guest;
	uint64_t bytes_from_guest, bytes_to_guest;
	uint64_t kicks, interrupts;
	unsigned connections; /* now */
	size_t backlog;	      /* bytes kept for owners that do not read, now */
};
/* The slow look for lost notifications runs: there is a connection, or the guest may dial. */
bool vsock_device_watching(const struct vsock_device *dev);
void vsock_device_get_stats(const struct vsock_device *dev, struct vsock_device_stats *ret);

#endif
