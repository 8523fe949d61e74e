/*
 * vsock_relay: copies between two connected stream sockets until both directions have ended.
 *
 * Half closes are passed on. Embedded in a client of vsock_listener. Never sleeps.
 */
#ifndef VSOCK_VSOCK_RELAY_H
#define VSOCK_VSOCK_RELAY_H

#include "base/event_loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VSOCK_RELAY_BUFFER	65536 /* bytes under way in each direction */
#define VSOCK_RELAY_PATIENCE_MS 60000 /* one end gone, the other does not take the last bytes */

struct vsock_relay;
/* Both directions have ended, or one end failed. Called once, last: may free the relay. */
typedef void (*vsock_relay_fn)(struct vsock_relay *relay);
/* Each piece read from end `from` (0 = a, 1 = b), before it is passed on. Must not free the relay.
 */
typedef void (*vsock_relay_tap_fn)(
	struct vsock_relay *relay, int from, const void *data, size_t len);

/* One end, and what was read from it for the other. */
struct vsock_relay_end {
	struct event_source source; /* descriptor owned while added */
	struct vsock_relay *relay;
	uint8_t *data; /* owned */
	size_t at, len;
	bool dry;    /* nothing to read for now: epoll says when */
	bool ended;  /* nothing more will be read from it */
	bool passed; /* ... and the other end was told */
	bool gone;   /* closed altogether: it will not read either */
};

struct vsock_relay {
	struct event_loop *loop;
	struct vsock_relay_end ends[2];
	struct event_timer patience;
	vsock_relay_fn done;
	/* May be set after vsock_relay_start(), before the loop runs again. */
	vsock_relay_tap_fn tap; /* NULL = nobody looks */
	size_t send_max;	/* bytes of one send; 0 = as many as there are */
};

/* Takes both descriptors over, also on failure (negative errno). */
int vsock_relay_start(
	struct vsock_relay *relay, struct event_loop *loop, int a, int b, vsock_relay_fn done);
/* Closes both; done is not called. Accepts zeroed. */
void vsock_relay_release(struct vsock_relay *relay);

#endif
