/*
 * session: a server's side of one connection: open calls by stream id, requests to calls. Shared by
 * server.c, session.c and rpc_call.c only.
 */
#ifndef TTRPC_SESSION_H
#define TTRPC_SESSION_H

#include "base/list.h"
#include "ttrpc/connection.h"
#include "ttrpc/rpc_call.h"
#include "ttrpc/server.h"

struct session {
	struct ttrpc_connection connection;
	struct ttrpc_server *server;
	struct list_node node;	/* in server->sessions */
	struct list_node calls; /* running and parked; answered ones have left it */
	unsigned call_count;
	uint32_t highest_stream; /* seen so far: a new id above it needs no search */
};

struct ttrpc_server {
	struct event_loop *loop;
	const struct rpc_method *methods;
	size_t method_count;
	void *context;
	void (*error_log)(const struct rpc_call *call, const struct error *err);
	struct list_node listeners; /* struct listener, server.c */
	struct list_node sessions;
	unsigned session_count, call_count;
	size_t call_memory; /* arenas of calls, as large as they were when the handler began */
	struct connection_budget budget;

	struct event_timer trim; /* a while after the last big call: free memory goes back */

	bool stopping, stop_done;
	struct event_timer grace;
	struct event_task finish;
	void (*stopped)(void *context);
	void *stopped_context;
};

/* Once things are quiet, free heap pages go back to the kernel (hard_limits.h: TRIM_QUIET_MS). */
void server_trim_later(struct ttrpc_server *server);

/* Takes fd. 0 or negative errno. */
int session_new(struct ttrpc_server *server, int fd, struct error *err);
/* Cancels the open calls with this reason and closes. */
void session_free(struct session *session, int reason);
struct session *session_of(const struct rpc_call *call);
/* Cancels every open call; answers that are queued stay queued. */
void session_cancel_calls(struct session *session, int reason);

/* rpc_call.c: the inner side of a call. NULL without memory. */
struct rpc_call *rpc_call_new(struct session *session, uint32_t stream_id);
/* Runs the handler and does what its outcome asks for. The call may be gone afterwards. */
void rpc_call_run(struct rpc_call *call, int64_t timeout_nano);
/* Ends an open call without an answer. */
void rpc_call_cancel(struct rpc_call *call, int reason);
/* Logs err for this call; the one place where a failing call is reported. */
void rpc_call_log(const struct rpc_call *call, const struct error *err);

/* server.c: a session or a call has ended, a queue has drained: is the stop complete? */
void server_progress(struct ttrpc_server *server);

#endif
