/*
 * vsock_listener: a hybrid-vsock unix socket to the guest, as Firecracker has it
 * (host-side.md 4.3): a client connects, writes "CONNECT PORT\n", reads "OK N\n" (N: the port of
 * our end, as the guest sees it), then has a raw stream to that port of the guest; refused means
 * closed without a line. Bytes after the newline belong to the stream. In the other direction a
 * dial of the guest to host port P reaches the socket PATH_P, if somebody listens there.
 *
 * Used by `cradle run --listen` and by tests. Nothing here sleeps.
 */
#ifndef VSOCK_VSOCK_LISTENER_H
#define VSOCK_VSOCK_LISTENER_H

#include "base/error.h"
#include "base/event_loop.h"
#include "vsock/vsock_device.h"
#include "vsock/vsock_dialer.h"

struct vsock_listener;

/*
 * Listens on path (an old socket file is replaced, mode 0600). The dialer is copied; what it points
 * at must outlive the listener. NULL on failure, err filled.
 */
struct vsock_listener *vsock_listener_new(struct event_loop *loop,
	const struct vsock_dialer *dialer, const char *path, struct error *err);
/* Ends every client and removes the socket file. Free it before its device. Accepts NULL. */
void vsock_listener_free(struct vsock_listener *listener);
/* Lets the guest dial out to PATH_P (takes the device's accept hook; given back by _free). */
void vsock_listener_serve_guest(struct vsock_listener *listener, struct vsock_device *dev);
/* Clients that are connected now. */
unsigned vsock_listener_clients(const struct vsock_listener *listener);

#endif
