/*
 * server: listeners, the list of sessions, stopping. Made by main (agent) and by tests; what
 * happens on one connection is session.c's.
 */
#include "ttrpc/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/resident.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "ttrpc/session.h"
#include "ttrpc/status.h"

#define LISTEN_BACKLOG	128
#define ACCEPTS_A_TURN	16
#define ACCEPT_RETRY_MS 100

struct listener {
	struct list_node node;
	struct ttrpc_server *server;
	struct event_source source;
	struct event_timer retry;
	int fd; /* owned */
	bool failing;
};

/* ---- failing calls are reported here ------------------------------------------------- */

static void default_error_log(const struct rpc_call *call, const struct error *err)
{
	char text[ERROR_RENDER_MAX], method[280], stream[16], peer[32];

	str_format(method, sizeof(method), "%s.%s", call->method->service, call->method->name);
	/* A client that goes away in the middle of a wait is no failure of ours. */
	str_format(stream, sizeof(stream), "%" PRIu32, call->stream_id);
	log_record(err->status == STATUS_CANCELLED ? LOG_INFO : LOG_ERROR, "ttrpc", "call failed",
		"method", method, "stream", stream, "peer",
		connection_peer(call->connection, peer, sizeof(peer)), "code",
		status_name(err->status), "error", error_render(err, text, sizeof(text)), NULL);
}

void rpc_call_log(const struct rpc_call *call, const struct error *err)
{
	session_of(call)->server->error_log(call, err);
}

void ttrpc_server_set_error_log(struct ttrpc_server *server,
	void (*log)(const struct rpc_call *call, const struct error *err))
{
	server->error_log = log ? log : default_error_log;
}

/* ---- accepting ----------------------------------------------------------------------- */

static void retry_accept(struct event_timer *timer)
{
	struct listener *listener = container_of(timer, struct listener, retry);

	if (event_source_set(&listener->source, EPOLLIN) < 0)
		event_timer_start(listener->server->loop, timer, ACCEPT_RETRY_MS, retry_accept,
			"ttrpc-accept-retry");
}

/* No descriptor or memory to take the waiting client with: look again later instead of spinning. */
static void back_off(struct listener *listener, int errnum)
{
	if (!listener->failing)
		log_record(LOG_ERROR, "ttrpc", "cannot accept connections, trying again", "error",
			errno_name(errnum), NULL);
	listener->failing = true;
	event_source_set(&listener->source, 0);
	event_timer_start(listener->server->loop, &listener->retry, ACCEPT_RETRY_MS, retry_accept,
		"ttrpc-accept-retry");
}

static void take_connection(struct ttrpc_server *server, int fd)
{
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];

	if (ttrpc_server_serve_fd(server, fd, &err) < 0)
		log_record(LOG_ERROR, "ttrpc", "connection refused", "error",
			error_render(&err, text, sizeof(text)), NULL);
}

static void on_accept(struct event_source *source, uint32_t events)
{
	struct listener *listener = container_of(source, struct listener, source);

	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = socket_accept(listener->fd);

		if (fd == -EAGAIN)
			return;
		if (fd == -ECONNABORTED || fd == -EINTR || fd == -EPROTO)
			continue; /* that client has gone again */
		if (fd < 0) {
			back_off(listener, -fd);
			return;
		}
		listener->failing = false;
		take_connection(listener->server, fd);
	}
}

static void listener_free(struct listener *listener)
{
	event_source_remove(&listener->source);
	event_timer_stop(&listener->retry);
	list_remove(&listener->node);
	close_fd(&listener->fd);
	free(listener);
}

int ttrpc_server_listen(
	struct ttrpc_server *server, const struct address *address, struct error *err)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int r;

	if (!listener)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "allocate a listener");
	listener->server = server;
	listener->fd = address_listen(address, LISTEN_BACKLOG, err);
	if (listener->fd < 0) {
		r = listener->fd;
		free(listener);
		return r;
	}
	list_append(&server->listeners, &listener->node);
	r = event_source_add(
		server->loop, &listener->source, listener->fd, EPOLLIN, on_accept, "ttrpc-accept");
	if (r < 0) {
		listener_free(listener);
		return error_errno(err, -r, "watch the listening socket");
	}
	return 0;
}

int ttrpc_server_serve_fd(struct ttrpc_server *server, int fd, struct error *err)
{
	if (!server->stopping && server->session_count < CONNECTIONS_MAX)
		return session_new(server, fd, err);
	close_fd(&fd);
	if (server->stopping)
		return error_set(err, STATUS_UNAVAILABLE, ESHUTDOWN, "the server stops");
	return error_set(
		err, STATUS_RESOURCE_EXHAUSTED, 0, "%d connections are open", CONNECTIONS_MAX);
}

/* ---- life and stop ------------------------------------------------------------------- */

struct ttrpc_server *ttrpc_server_new(
	struct event_loop *loop, const struct rpc_method *methods, size_t count, void *context)
{
	struct ttrpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->loop = loop;
	server->methods = methods;
	server->method_count = count;
	server->context = context;
	server->error_log = default_error_log;
	server->budget.max = CONNECTIONS_MEMORY_MAX;
	list_init(&server->listeners);
	list_init(&server->sessions);
	return server;
}

static void close_listeners(struct ttrpc_server *server)
{
	list_for_each_safe (node, &server->listeners)
		listener_free(list_entry(node, struct listener, node));
}

static void close_sessions(struct ttrpc_server *server, int reason)
{
	while (!list_empty(&server->sessions))
		session_free(list_entry(server->sessions.next, struct session, node), reason);
}

static bool all_quiet(const struct ttrpc_server *server)
{
	if (server->call_count > 0)
		return false;
	list_for_each (node, &server->sessions) {
		struct session *session = list_entry(node, struct session, node);

		if (!session->connection.ended && !connection_drained(&session->connection))
			return false;
	}
	return true;
}

/* The last thing that runs: done() may free the server. */
static void finish_stop(struct ttrpc_server *server)
{
	void (*stopped)(void *context) = server->stopped;
	void *context = server->stopped_context;

	server->stop_done = true;
	event_timer_stop(&server->grace);
	close_sessions(server, -ECANCELED);
	event_task_cancel(&server->finish);
	if (stopped)
		stopped(context);
}

static void finish_task(struct event_task *task)
{
	struct ttrpc_server *server = container_of(task, struct ttrpc_server, finish);

	if (all_quiet(server))
		finish_stop(server);
}

static void grace_over(struct event_timer *timer)
{
	finish_stop(container_of(timer, struct ttrpc_server, grace));
}

void server_progress(struct ttrpc_server *server)
{
	if (server->stopping && !server->stop_done)
		event_task_defer(server->loop, &server->finish, finish_task);
}

void ttrpc_server_stop(
	struct ttrpc_server *server, uint64_t grace_ms, void (*done)(void *context), void *context)
{
	if (server->stopping)
		return;
	server->stopping = true;
	server->stopped = done;
	server->stopped_context = context;
	close_listeners(server);
	list_for_each (node, &server->sessions)
		connection_hold(&list_entry(node, struct session, node)->connection, true);
	event_timer_start(server->loop, &server->grace, grace_ms, grace_over, "ttrpc-stop");
	server_progress(server);
}

void ttrpc_server_free(struct ttrpc_server *server)
{
	if (!server)
		return;
	server->stopping = server->stop_done = true;
	close_listeners(server);
	close_sessions(server, -ECANCELED);
	event_timer_stop(&server->grace);
	event_timer_stop(&server->trim);
	event_task_cancel(&server->finish);
	free(server);
}

static void on_quiet(struct event_timer *timer)
{
	resident_trim();
}

void server_trim_later(struct ttrpc_server *server)
{
	event_timer_start(server->loop, &server->trim, TRIM_QUIET_MS, on_quiet, "memory trim");
}

unsigned ttrpc_server_calls(const struct ttrpc_server *server)
{
	return server->call_count;
}

unsigned ttrpc_server_connections(const struct ttrpc_server *server)
{
	return server->session_count;
}
