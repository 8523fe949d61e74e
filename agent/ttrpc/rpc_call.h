/*
 * rpc_call: one request on its way through the agent: reply, fail, park, cancel, deadline.
 *
 * A handler has three outcomes: 0 (response filled in, sent on return), RPC_PENDING (the call is
 * parked; exactly one of rpc_call_reply()/rpc_call_fail() completes it later, unless it is
 * cancelled first) or negative (err is sent). Everything of a call lives in its arena: the decoded
 * request, the response and what the handler derives from them. What outlives the call is copied,
 * or takes the arena along with arena_move().
 *
 * Ends of a pending call other than an answer: its deadline (timeout_nano of the envelope), its
 * connection's end, the server's stop. Then the waiter is unlinked, cancelled() runs once, and the
 * call is gone (after a deadline the peer gets DEADLINE_EXCEEDED "timeout").
 */
#ifndef TTRPC_RPC_CALL_H
#define TTRPC_RPC_CALL_H

#include "base/arena.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/waiter.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#define RPC_PENDING 1

struct rpc_call;
struct ttrpc_connection;

typedef int (*rpc_handler_fn)(struct rpc_call *call, void *context, struct error *err);

/* One row of a method table. handler NULL: the method is known and answered UNIMPLEMENTED. */
struct rpc_method {
	const char *service; /* "grpc.AgentService" */
	const char *name;    /* "CreateContainer" */
	const ProtobufCMessageDescriptor *request, *response;
	rpc_handler_fn handler;
};

struct rpc_call {
	/* for handlers */
	struct arena arena;
	ProtobufCMessage *request;  /* decoded, checked; in the arena */
	ProtobufCMessage *response; /* initialised, empty; in the arena */
	void *data;		    /* the handler's own, e.g. the object it waits for */
	/*
	 * Set by a handler that returns RPC_PENDING and has something to undo: runs once when the
	 * call ends without rpc_call_reply()/fail(). reason is a negative errno: -ETIMEDOUT
	 * (deadline), -ECONNRESET (connection gone), -ECANCELED (server stops). May be NULL.
	 */
	void (*cancelled)(struct rpc_call *call, int reason);
	/*
	 * Set by a handler that must know the fate of its answer: delivered = every byte of the
	 * response was written to the connection; false = the connection ended before that, or
	 * the answer was too big or found no room in the write queue and an error went instead.
	 * Runs once, for successful answers only, from the loop (never inside rpc_call_reply()
	 * unless memory runs out), right before the call is freed. May be NULL.
	 */
	void (*sent)(struct rpc_call *call, bool delivered);

	/* read-only for handlers */
	const struct rpc_method *method;
	void *context; /* what the server was made with */
	/* metadata of the envelope, kept for tracing: keys and values, in the arena */
	size_t metadata_count;
	const char **metadata_keys, **metadata_values;

	/* the ttrpc layer's own */
	struct list_node node; /* in its connection's list of open calls */
	struct ttrpc_connection *connection;
	uint32_t stream_id;
	struct waiter waiter;
	void (*resume)(struct rpc_call *call, int value);
	struct event_timer deadline;
	size_t charged; /* counted in the server's call_memory */
	int state;
};

/*
 * Park the call on a list; when the list is woken, resume(call, value) runs (see waiter.h for
 * value) and must complete the call or park it again. The handler then returns RPC_PENDING.
 */
void rpc_call_park(struct rpc_call *call, struct waiter_list *list,
	void (*resume)(struct rpc_call *call, int value));
/* Complete a pending call with call->response. The call must not be touched afterwards. */
void rpc_call_reply(struct rpc_call *call);
/* Complete a pending call with an error. The call must not be touched afterwards. */
void rpc_call_fail(struct rpc_call *call, const struct error *err);

#endif
