/*
 * relay_dial: one connection to an agent, made without ever sleeping, tried again until the agent
 * is there or the time is over: an agent that restarts, a VM that reboots. Used by relay_server.
 */
#ifndef RELAY_RELAY_DIAL_H
#define RELAY_RELAY_DIAL_H

#include "base/event_loop.h"
#include "base/socket.h"

#include <stdint.h>

#define RELAY_DIAL_AGAIN_MS 100	 /* between two tries */
#define RELAY_DIAL_TRY_MS   2000 /* one try: a guest without its driver answers nothing at all */

struct relay_dial;
/* fd is the caller's from now on, non-blocking; or a negative errno. Called once; may free. */
typedef void (*relay_dial_fn)(struct relay_dial *dial, int fd);

struct relay_dial {
	struct event_loop *loop;
	const struct address *to;   /* must outlive the dial */
	struct event_source source; /* descriptor owned while added */
	struct event_timer timer;   /* the next try, or the end of this one */
	uint64_t deadline_ns;
	bool line_sent; /* hybrid vsock: CONNECT is under way */
	int last_error; /* of the last try */
	relay_dial_fn done;
};

/* done always runs later, from the loop. */
void relay_dial_start(struct relay_dial *dial, struct event_loop *loop, const struct address *to,
	uint64_t timeout_ms, relay_dial_fn done);
/* done is not called. Accepts zeroed, idempotent. */
void relay_dial_cancel(struct relay_dial *dial);

#endif
