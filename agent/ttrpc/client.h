/*
 * client: one connection to an agent, many calls in flight, driven by the event loop. The guest is
 * not trusted: lengths, stream ids and messages are checked; a peer that breaks the protocol ends
 * the connection with an error that says what it did. Stream ids are odd and rise (wire.md 2).
 */
#ifndef TTRPC_CLIENT_H
#define TTRPC_CLIENT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/event_loop.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

struct ttrpc_client;
struct client_call;

/*
 * Runs once per call unless it was cancelled. result 0: response is valid until
 * client_call_release(); negative: err says what failed (status = the agent's code, or UNAVAILABLE
 * when the connection ended, DEADLINE_EXCEEDED when the time ran out here).
 */
typedef void (*client_call_fn)(struct client_call *call, int result, const struct error *err);

/* Zeroed (but for data) before its first use; may be used again once it was released. */
struct client_call {
	ProtobufCMessage *response;
	void *data; /* the caller's own */
	/* the client's own */
	struct list_node node;
	struct ttrpc_client *client;
	struct arena arena;
	uint32_t stream_id;
	const ProtobufCMessageDescriptor *descriptor;
	client_call_fn done;
	struct event_timer deadline;
	bool waiting; /* client_call_wait() */
	int waited_result;
	struct error *waited_err;
};

/* Takes fd (connected, any stream socket). closed runs once when the peer goes; may be NULL. */
struct ttrpc_client *ttrpc_client_new(struct event_loop *loop, int fd,
	void (*closed)(struct ttrpc_client *client, const struct error *err), void *context);
void *ttrpc_client_context(const struct ttrpc_client *client);
/* Fails what is in flight with CANCELLED, closes. Accepts NULL. May be called inside callbacks. */
void ttrpc_client_free(struct ttrpc_client *client);
/*
 * Sends a request. timeout_ms 0 = none; it also travels as timeout_nano. 0 or negative errno with
 * err (then done never runs). The call struct must stay until done ran or it was cancelled.
 */
int client_call_start(struct ttrpc_client *client, struct client_call *call, const char *service,
	const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *response, uint64_t timeout_ms, client_call_fn done,
	struct error *err);
void client_call_cancel(
	struct client_call *call); /* done is not called; a late answer is dropped */
void client_call_release(struct client_call *call); /* frees the response */
unsigned ttrpc_client_in_flight(const struct ttrpc_client *client);

/*
 * For simple tools and tests: starts the call and steps the loop until it is done. SLEEPS. On
 * success call->response is valid until client_call_release().
 */
int client_call_wait(struct ttrpc_client *client, struct client_call *call, const char *service,
	const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *response, uint64_t timeout_ms, struct error *err);

#endif
