/* vsock_listener: see the header. */
#include "vsock/vsock_listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <linux/vm_sockets.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/socket.h"
#include "base/strings.h"
#include "vsock/vsock_relay.h"

#define CLIENTS_MAX	256
#define LINE_MAX_BYTES	32    /* "CONNECT 4294967295\n" is 19 */
#define LINE_MS		10000 /* for the whole line */
#define ACCEPT_AGAIN_MS 100   /* out of descriptors: a ready listener would spin */

struct vsock_listener {
	struct event_loop *loop;
	struct vsock_dialer dialer;
	struct event_source source; /* descriptor owned */
	struct event_timer again;
	struct list_node clients;
	unsigned count;
	struct vsock_device *dev; /* whose accept hook we took; may be NULL */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Reading its line, then dialling, then relaying. */
struct client {
	struct list_node node;
	struct vsock_listener *listener;
	struct event_source source; /* descriptor owned while added */
	struct event_timer deadline;
	struct vsock_dial *dial;  /* under way */
	uint32_t port, from_port; /* the guest's, and the one it is called from */
	char line[LINE_MAX_BYTES];
	size_t len;
	struct vsock_relay relay;
};

static void client_free(struct client *client)
{
	int fd = client->source.fd;

	vsock_dial_cancel(client->dial);
	event_timer_stop(&client->deadline);
	if (event_source_added(&client->source)) {
		event_source_remove(&client->source);
		close(fd);
	}
	vsock_relay_release(&client->relay);
	list_remove(&client->node);
	client->listener->count--;
	free(client);
}

static void on_relay_done(struct vsock_relay *relay)
{
	client_free(container_of(relay, struct client, relay));
}

static void on_deadline(struct event_timer *timer)
{
	client_free(container_of(timer, struct client, deadline));
}

/*
 * The number of our end, as with Firecracker: a peer may go by the port it is called from (passfd's
 * does). The guest's own where the carrier has none.
 */
static uint32_t answered_port(const struct client *client, int fd)
{
	struct sockaddr_vm own = {0};
	socklen_t len = sizeof(own);

	if (client->from_port)
		return client->from_port;
	if (getsockname(fd, (struct sockaddr *)&own, &len) == 0 && own.svm_family == AF_VSOCK)
		return own.svm_port;
	return client->port;
}

/* Refused, too late, not up: the client sees end of file without a line and tries again. */
static void on_dialled(void *owner, int result, int fd)
{
	struct client *client = owner;
	int client_fd = client->source.fd;
	char line[32];
	int len;

	client->dial = NULL;
	if (result < 0) {
		client_free(client);
		return;
	}
	len = snprintf(line, sizeof(line), "OK %u\n", answered_port(client, fd));
	/* Its socket is empty: a line fits, or the client is gone. */
	if (send(client_fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) != len) {
		close(fd);
		client_free(client);
		return;
	}
	event_source_remove(&client->source);
	if (vsock_relay_start(
		    &client->relay, client->listener->loop, client_fd, fd, on_relay_done) < 0)
		client_free(client);
}

/* "CONNECT PORT", any case; the newline is gone already. */
static int parse_line(const char *line, uint32_t *port)
{
	static const char word[] = "CONNECT ";

	if (strncasecmp(line, word, sizeof(word) - 1) != 0)
		return -EINVAL;
	return parse_u32(line + sizeof(word) - 1, port);
}

static int start_dial(struct client *client)
{
	struct vsock_listener *listener = client->listener;
	int r = parse_line(client->line, &client->port);

	if (r < 0)
		return r;
	event_timer_stop(&client->deadline);
	/* What it sends from now on is the stream's; that it hangs up is of interest. */
	r = event_source_set(&client->source, EPOLLHUP);
	if (r < 0)
		return r;
	r = vsock_dial(&listener->dialer, client->port, 0, on_dialled, client, &client->dial, NULL);
	if (r == 0)
		client->from_port = client->dial->from_port;
	return r;
}

/*
 * Takes what has come of the line, and not a byte behind the newline: peek, then consume.
 * 1 = the line is whole, 0 = not yet.
 */
static int read_line(struct client *client)
{
	char *to = client->line + client->len, *newline;
	size_t room = sizeof(client->line) - client->len, take;
	ssize_t n = recv(client->source.fd, to, room, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	newline = memchr(to, '\n', n);
	take = newline ? (size_t)(newline - to) + 1 : (size_t)n;
	if (recv(client->source.fd, to, take, MSG_DONTWAIT) != (ssize_t)take)
		return -EIO;
	client->len += take;
	if (newline) {
		*newline = '\0';
		return memchr(client->line, '\0', client->len - 1) ? -EINVAL : 1;
	}
	return client->len == sizeof(client->line) ? -EMSGSIZE : 0;
}

static void on_client(struct event_source *source, uint32_t events)
{
	struct client *client = container_of(source, struct client, source);
	int r;

	if (source->events & EPOLLIN)
		r = read_line(client);
	else
		r = -ECONNRESET; /* hung up while we dial */
	if (r > 0)
		r = start_dial(client);
	if (r < 0)
		client_free(client);
}

static int client_new(struct vsock_listener *listener, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	int r = client ? 0 : -ENOMEM;

	if (r == 0)
		r = event_source_add(
			listener->loop, &client->source, fd, EPOLLIN, on_client, "vsock client");
	if (r < 0) {
		free(client);
		return r;
	}
	client->listener = listener;
	list_append(&listener->clients, &client->node);
	listener->count++;
	event_timer_start(listener->loop, &client->deadline, LINE_MS, on_deadline, "vsock client");
	return 0;
}

static void on_again(struct event_timer *timer)
{
	struct vsock_listener *listener = container_of(timer, struct vsock_listener, again);

	event_source_set(&listener->source, EPOLLIN);
}

static void on_connect(struct event_source *source, uint32_t events)
{
	struct vsock_listener *listener = container_of(source, struct vsock_listener, source);
	int fd = socket_accept(source->fd);

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS) {
		event_source_set(source, 0);
		event_timer_start(listener->loop, &listener->again, ACCEPT_AGAIN_MS, on_again,
			"vsock listener");
	}
	if (fd >= 0 && (listener->count >= CLIENTS_MAX || client_new(listener, fd) < 0))
		close(fd);
}

struct vsock_listener *vsock_listener_new(struct event_loop *loop,
	const struct vsock_dialer *dialer, const char *path, struct error *err)
{
	struct address address = {.kind = ADDRESS_UNIX};
	struct vsock_listener *listener = calloc(1, sizeof(*listener));
	mode_t old;
	int fd, r;

	if (!listener || str_copy(address.path, sizeof(address.path), path) < 0) {
		error_errno(err, listener ? ENAMETOOLONG : ENOMEM, "listen on %s", path);
		free(listener);
		return NULL;
	}
	old = umask(0177);
	fd = address_listen(&address, 64, err);
	umask(old);
	if (fd < 0) {
		free(listener);
		return NULL;
	}
	listener->loop = loop;
	listener->dialer = *dialer;
	list_init(&listener->clients);
	str_copy(listener->path, sizeof(listener->path), path);
	r = event_source_add(loop, &listener->source, fd, EPOLLIN, on_connect, "vsock listener");
	if (r < 0) {
		error_errno(err, -r, "watch %s", path);
		unlink(path);
		close(fd);
		free(listener);
		return NULL;
	}
	return listener;
}

void vsock_listener_free(struct vsock_listener *listener)
{
	int fd;

	if (!listener)
		return;
	fd = listener->source.fd;
	list_for_each_safe (node, &listener->clients)
		client_free(list_entry(node, struct client, node));
	if (listener->dev)
		vsock_device_set_accept(listener->dev, NULL, NULL);
	event_timer_stop(&listener->again);
	event_source_remove(&listener->source);
	close(fd);
	unlink(listener->path);
	free(listener);
}

/* The guest dials `port`: whoever listens on PATH_PORT answers. */
static int connect_out(void *context, uint32_t port)
{
	struct vsock_listener *listener = context;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = -1;

	if (str_format(to.sun_path, sizeof(to.sun_path), "%s_%u", listener->path, port) < 0)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A unix connect is done at once, or fails (a full backlog too: EAGAIN). */
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return take_fd(&fd);
}

void vsock_listener_serve_guest(struct vsock_listener *listener, struct vsock_device *dev)
{
	listener->dev = dev;
	vsock_device_set_accept(dev, connect_out, listener);
}

unsigned vsock_listener_clients(const struct vsock_listener *listener)
{
	return listener->count;
}
