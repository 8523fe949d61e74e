/* relay_server: see the header. */
#include "relay/relay_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "hard_limits.h"
#include "relay/relay_dial.h"
#include "relay/relay_trace.h"
#include "vsock/vsock_relay.h"

#define BACKLOG		128
#define ACCEPT_AGAIN_MS 100 /* out of descriptors: a ready listener would spin */

struct relay_server {
	struct event_loop *loop;
	struct relay_server_config config;
	struct event_source source; /* descriptor owned */
	struct event_timer again;
	struct list_node clients;
	unsigned count, serial;
	dev_t dev; /* the socket's file: only ours is removed */
	ino_t ino;
};

/* Waiting for the agent, then relaying. */
struct client {
	struct list_node node;
	struct relay_server *server;
	struct event_source source; /* descriptor owned while added */
	struct relay_dial dial;
	struct vsock_relay relay;
	struct relay_trace trace;
};

static void client_free(struct client *client)
{
	int fd = client->source.fd;

	relay_dial_cancel(&client->dial);
	if (event_source_added(&client->source)) {
		event_source_remove(&client->source);
		close(fd);
	}
	vsock_relay_release(&client->relay);
	relay_trace_release(&client->trace);
	list_remove(&client->node);
	client->server->count--;
	free(client);
}

static void on_relay_done(struct vsock_relay *relay)
{
	client_free(container_of(relay, struct client, relay));
}

/* It hung up while the agent was still being dialled. */
static void on_client(struct event_source *source, uint32_t events)
{
	client_free(container_of(source, struct client, source));
}

static void on_piece(struct vsock_relay *relay, int from, const void *data, size_t len)
{
	struct client *client = container_of(relay, struct client, relay);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	relay_trace_feed(&client->trace, from == 0 ? RELAY_TO_AGENT : RELAY_FROM_AGENT, data, len,
		(uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

static void on_dialled(struct relay_dial *dial, int fd)
{
	struct client *client = container_of(dial, struct client, dial);
	struct relay_server *server = client->server;
	int client_fd = client->source.fd;

	if (fd < 0) {
		fprintf(stderr, "cradle relay: the agent cannot be reached: %s\n", errno_text(-fd));
		client_free(client);
		return;
	}
	event_source_remove(&client->source);
	if (vsock_relay_start(&client->relay, server->loop, client_fd, fd, on_relay_done) < 0) {
		client_free(client);
		return;
	}
	if (server->config.agent.kind == ADDRESS_VSOCK)
		client->relay.send_max = VSOCK_SEND_MAX;
	if (server->config.record)
		client->relay.tap = on_piece;
}

static int client_new(struct relay_server *server, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	int r = client ? 0 : -ENOMEM;

	/* What it sends meanwhile waits in its socket. */
	if (r == 0)
		r = event_source_add(
			server->loop, &client->source, fd, EPOLLHUP, on_client, "relay client");
	if (r < 0) {
		free(client);
		return r;
	}
	client->server = server;
	list_append(&server->clients, &client->node);
	server->count++;
	relay_trace_init(&client->trace, server->config.record, ++server->serial);
	relay_dial_start(&client->dial, server->loop, &server->config.agent,
		server->config.dial_timeout_ms, on_dialled);
	return 0;
}

/* The mode keeps others out already; an abstract name has none. */
static bool peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == geteuid() || peer.uid == 0)
		return true;
	fprintf(stderr, "cradle relay: a client of user %u was refused\n", peer.uid);
	return false;
}

static void on_again(struct event_timer *timer)
{
	struct relay_server *server = container_of(timer, struct relay_server, again);

	event_source_set(&server->source, EPOLLIN);
}

static void on_connect(struct event_source *source, uint32_t events)
{
	struct relay_server *server = container_of(source, struct relay_server, source);
	int fd = socket_accept(source->fd);

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS) {
		event_source_set(source, 0);
		event_timer_start(
			server->loop, &server->again, ACCEPT_AGAIN_MS, on_again, "relay listener");
	}
	if (fd >= 0 && (!peer_allowed(fd) || client_new(server, fd) < 0))
		close(fd);
}

/* ---- the socket ---- */

static int open_socket(struct relay_server *server, struct error *err)
{
	const struct address *address = &server->config.listen;
	struct stat st;
	mode_t old;
	int fd, r;

	old = umask(0177);
	fd = address_listen(address, BACKLOG, err);
	umask(old);
	if (fd < 0)
		return fd;
	if (address->path[0] != '@' && stat(address->path, &st) == 0) {
		server->dev = st.st_dev;
		server->ino = st.st_ino;
	}
	r = event_source_add(
		server->loop, &server->source, fd, EPOLLIN, on_connect, "relay listener");
	if (r < 0)
		close(fd);
	return r < 0 ? error_errno(err, -r, "watch unix://%s", address->path) : 0;
}

struct relay_server *relay_server_new(
	struct event_loop *loop, const struct relay_server_config *config, struct error *err)
{
	struct relay_server *server = calloc(1, sizeof(*server));

	if (!server) {
		error_errno(err, ENOMEM, "make a relay");
		return NULL;
	}
	server->loop = loop;
	server->config = *config;
	list_init(&server->clients);
	if (open_socket(server, err) < 0) {
		free(server);
		return NULL;
	}
	return server;
}

void relay_server_free(struct relay_server *server)
{
	struct stat st;
	int fd;

	if (!server)
		return;
	fd = server->source.fd;
	list_for_each_safe (node, &server->clients)
		client_free(list_entry(node, struct client, node));
	event_timer_stop(&server->again);
	event_source_remove(&server->source);
	close(fd);
	/* Somebody may have put another one there. */
	if (server->ino && lstat(server->config.listen.path, &st) == 0 &&
		st.st_dev == server->dev && st.st_ino == server->ino)
		unlink(server->config.listen.path);
	free(server);
}

unsigned relay_server_clients(const struct relay_server *server)
{
	return server->count;
}
