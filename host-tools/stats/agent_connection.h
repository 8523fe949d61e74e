/*
 * agent_connection: one connection to any agent, calls one after another; for the commands that
 * look (stats, oom). On top of the ttrpc client. Everything here sleeps.
 */
#ifndef STATS_AGENT_CONNECTION_H
#define STATS_AGENT_CONNECTION_H

#include <stdbool.h>

#include "ttrpc/client.h"

struct agent_connection {
	struct event_loop *loop;
	struct ttrpc_client *client;
};

/* 0, or negative errno with err. A zeroed struct is closed. */
int agent_connection_open(struct agent_connection *agent, const char *address, struct error *err);
void agent_connection_close(struct agent_connection *agent); /* idempotent */
/* As client_call_wait(); timeout_ms 0 = as long as it takes. */
int agent_connection_call(struct agent_connection *agent, struct client_call *call,
	const char *service, const char *method, const void *request,
	const ProtobufCMessageDescriptor *response, uint64_t timeout_ms, struct error *err);
/*
 * The agent does not have the service or the method (wire.md 3: Kata's answers INVALID_ARGUMENT
 * "... service does not exist", ours and others UNIMPLEMENTED).
 */
bool agent_lacks_it(const struct error *err);
/* Words of the guest on a terminal: control characters and what is not ASCII become '?'. */
const char *agent_word(const char *text, char *out, size_t size);

#endif
