/*
 * relay_server: a unix socket on the host whose every client gets a stream of its own to one agent.
 *
 * The socket has mode 0600, and each peer's uid is checked (SO_PEERCRED): ours or root's. A client
 * may come while the agent is away (restart, reboot): it waits for the next try. Bytes are copied
 * as they are, with back-pressure and half closes (vsock_relay), so frames are neither cut nor
 * mixed.
 */
#ifndef RELAY_RELAY_SERVER_H
#define RELAY_RELAY_SERVER_H

#include "base/error.h"
#include "base/event_loop.h"
#include "base/socket.h"

#include <stdio.h>

struct relay_server;

struct relay_server_config {
	struct address listen; /* ADDRESS_UNIX */
	struct address agent;
	uint64_t dial_timeout_ms; /* a client waits so long for the agent */
	FILE *record;		  /* trace, not owned; NULL = none */
};

/* NULL with err filled. A socket that somebody listens on already is refused, an old one replaced.
 */
struct relay_server *relay_server_new(
	struct event_loop *loop, const struct relay_server_config *config, struct error *err);
/* Closes all clients and removes the socket. Accepts NULL. */
void relay_server_free(struct relay_server *server);
unsigned relay_server_clients(const struct relay_server *server);

#endif
