/*
 * server: listens, accepts, and turns requests into rpc_calls by a method table that main hands it
 * (this layer knows no method). Many connections, each with its own stream ids; answers in any
 * order. Wire facts: wire.md sections 2 and 3 (Kata 4.1.0 with ttrpc-rust 0.9.0; ttrpc
 * PROTOCOL.md). Nothing here sleeps. Limits: agent/hard_limits.h.
 */
#ifndef TTRPC_SERVER_H
#define TTRPC_SERVER_H

#include "base/error.h"
#include "base/event_loop.h"
#include "base/socket.h"
#include "ttrpc/rpc_call.h"

struct ttrpc_server;

/* methods: array of count rows, must outlive the server. context is handed to every handler. */
struct ttrpc_server *ttrpc_server_new(
	struct event_loop *loop, const struct rpc_method *methods, size_t count, void *context);
/* May be called several times, for several addresses. */
int ttrpc_server_listen(
	struct ttrpc_server *server, const struct address *address, struct error *err);
/* Serves one connected socket (takes fd): what tests and in-process peers use. */
int ttrpc_server_serve_fd(struct ttrpc_server *server, int fd, struct error *err);
/*
 * Stop accepting and reading; calls in flight may finish for grace_ms, answers already made are
 * written; then everything still open is cancelled and done(context) runs, once and from the loop
 * (it may free the server). done may be NULL.
 */
void ttrpc_server_stop(
	struct ttrpc_server *server, uint64_t grace_ms, void (*done)(void *context), void *context);
/* At once: cancels, closes. Not from a handler or a call's callbacks: there, stop. Accepts NULL. */
void ttrpc_server_free(struct ttrpc_server *server);
/* Number of parked calls and connections, for the state dump and for tests. */
unsigned ttrpc_server_calls(const struct ttrpc_server *server);
unsigned ttrpc_server_connections(const struct ttrpc_server *server);
/*
 * Called for every call that fails (where an error stops and is logged), with the method's name.
 * NULL: a default that logs one JSON record.
 */
void ttrpc_server_set_error_log(struct ttrpc_server *server,
	void (*log)(const struct rpc_call *call, const struct error *err));

#endif
