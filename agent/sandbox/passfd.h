/*
 * passfd: stdio over connections of their own (agent-api-containers.md 7.4). The host connects once
 * a stream, before it creates the container or the exec; the port it connects from is what the
 * request carries. This is the listener and what waits on it: accepted, not claimed yet.
 *
 * Only the host is let in (CID 2): a workload could connect too, from any port it likes. Over a
 * unix socket, which tests use, the "port" is the number that the client's own socket name ends
 * with. Nothing sleeps.
 */
#ifndef SANDBOX_PASSFD_H
#define SANDBOX_PASSFD_H

#include <stdint.h>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/socket.h"

struct passfd;

/* The connections that a request has claimed; owned, -1 = none. */
struct passed_streams {
	int in, out, err;
};

/* NULL with err. At most PASSFD_STREAMS_MAX connections wait; of more, the oldest are closed. */
struct passfd *passfd_new(
	struct event_loop *loop, const struct address *address, struct error *err);
void passfd_free(struct passfd *passfd); /* accepts NULL */

void passed_streams_init(struct passed_streams *streams);
void passed_streams_close(struct passed_streams *streams);
/*
 * The connections from these ports (0 = no stream; one that is not there: likewise, with a line in
 * the log). They are there when the host's connect has returned, whatever this loop saw first.
 * passfd may be NULL (no listener): then a port is an error. 0 or negative with err.
 */
int passfd_claim(struct passfd *passfd, uint32_t in, uint32_t out, uint32_t stderr_port,
	struct passed_streams *ret, struct error *err);

#endif
