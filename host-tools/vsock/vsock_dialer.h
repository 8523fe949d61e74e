/*
 * vsock_dialer: one way to call a port of the guest, whatever carries it.
 *
 * Two carriers exist: our own device over vhost-user (vsock_device.h gives its dialer) and the
 * host kernel's vhost-vsock (the AF_VSOCK dialer below). Users: the listener, and whoever holds a
 * ttrpc client. Nothing here sleeps.
 */
#ifndef VSOCK_VSOCK_DIALER_H
#define VSOCK_VSOCK_DIALER_H

#include "base/error.h"
#include "base/event_loop.h"

#include <stdint.h>

/*
 * The end of a dial, called exactly once, from the loop, never from inside the dial call, and not
 * after vsock_dial_cancel(). On success result is 0 and fd a connected non-blocking CLOEXEC stream
 * socket that now belongs to the owner; shutdown(2) and end of file travel in both directions
 * apart. On failure fd is -1 and result one of:
 *   -EAGAIN        the guest's vsock driver is not up (yet); try again later
 *   -ECONNREFUSED  the guest's kernel answered: nobody listens on that port (yet)
 *   -ETIMEDOUT     no answer in time
 *   -ENOTCONN      the device or the VM went away
 *   another errno  this host's own trouble (-EMFILE, -ENOMEM...)
 */
typedef void (*vsock_dial_fn)(void *owner, int result, int fd);

/* A dial under way. Gone once done was called or it was cancelled. Embedded in each carrier's own.
 */
struct vsock_dial {
	void (*cancel)(struct vsock_dial *dial);
	uint32_t from_port; /* our end's, as the guest sees it; 0 = getsockname(2) tells */
};

/*
 * Starts a dial; timeout_ms 0 = 10 s. 0, or a negative errno of the list above with err filled
 * (then done is never called and *ret untouched). -EAGAIN and -ENOTCONN mostly come this way.
 */
struct vsock_dialer {
	int (*dial)(void *context, uint32_t port, uint64_t timeout_ms, vsock_dial_fn done,
		void *owner, struct vsock_dial **ret, struct error *err);
	void *context;
};

#define VSOCK_DIAL_TIMEOUT_MS 10000

int vsock_dial(const struct vsock_dialer *dialer, uint32_t port, uint64_t timeout_ms,
	vsock_dial_fn done, void *owner, struct vsock_dial **ret, struct error *err);
/* Gives up: done is not called, a connection that was being made is reset. Accepts NULL. */
void vsock_dial_cancel(struct vsock_dial *dial);

/* The host kernel's vhost-vsock: non-blocking AF_VSOCK connect to cid (vsock(7)). */
struct vsock_kernel_dialer {
	struct event_loop *loop;
	uint32_t cid;
};
/* Fills kernel, which must outlive the returned dialer and its dials; there is nothing to release.
 */
struct vsock_dialer vsock_kernel_dialer_init(
	struct vsock_kernel_dialer *kernel, struct event_loop *loop, uint32_t cid);

#endif
