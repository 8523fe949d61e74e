/* passfd: see passfd.h. Made by main's sandbox; claimed from by container_create and service/. */
#include "sandbox/passfd.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "base/parse.h"
#include "hard_limits.h"

struct waiting_stream {
	struct list_node node; /* oldest first */
	uint32_t port;
	int fd; /* owned */
};

struct passfd {
	struct event_source listener;
	struct list_node waiting;
	unsigned count;
};

static void drop(struct passfd *passfd, struct waiting_stream *stream)
{
	list_remove(&stream->node);
	passfd->count--;
	if (stream->fd >= 0)
		close(stream->fd);
	free(stream);
}

static struct waiting_stream *find(struct passfd *passfd, uint32_t port)
{
	list_for_each (node, &passfd->waiting) {
		struct waiting_stream *stream = list_entry(node, struct waiting_stream, node);

		if (stream->port == port)
			return stream;
	}
	return NULL;
}

/* ---- accepting ---- */

/* "stream-1234": 1234. An unnamed socket has no port. */
static int port_of_name(const struct sockaddr_un *un, socklen_t len, uint32_t *port)
{
	size_t n = len > offsetof(struct sockaddr_un, sun_path)
			   ? len - offsetof(struct sockaddr_un, sun_path)
			   : 0;
	char name[sizeof(un->sun_path) + 1] = "";
	const char *digits;

	memcpy(name, un->sun_path, n);
	n = strlen(name);
	for (digits = name + n; digits > name && isdigit((unsigned char)digits[-1]);)
		digits--;
	return parse_u32(digits, port);
}

static int peer_port(int fd, uint32_t *port)
{
	union {
		struct sockaddr any;
		struct sockaddr_vm vm;
		struct sockaddr_un un;
	} peer = {0};
	socklen_t len = sizeof(peer);

	if (getpeername(fd, &peer.any, &len) < 0)
		return -errno;
	if (peer.any.sa_family == AF_UNIX)
		return port_of_name(&peer.un, len, port);
	*port = peer.vm.svm_port;
	return peer.vm.svm_cid == VMADDR_CID_HOST ? 0 : -EPERM;
}

static void keep(struct passfd *passfd, int fd, uint32_t port)
{
	struct waiting_stream *stream = find(passfd, port);

	/* the port can be used again only when its first connection is over */
	if (stream)
		drop(passfd, stream);
	if (passfd->count == PASSFD_STREAMS_MAX) {
		stream = list_entry(passfd->waiting.next, struct waiting_stream, node);
		log_printf(LOG_WARN, "passfd",
			"%u streams wait to be claimed: the oldest, from port %" PRIu32
			", is closed",
			passfd->count, stream->port);
		drop(passfd, stream);
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		log_printf(
			LOG_ERROR, "passfd", "no memory for the stream from port %" PRIu32, port);
		close(fd);
		return;
	}
	stream->fd = fd;
	stream->port = port;
	list_append(&passfd->waiting, &stream->node);
	passfd->count++;
}

static void accept_all(struct passfd *passfd)
{
	int fd;

	while ((fd = socket_accept(passfd->listener.fd)) >= 0) {
		uint32_t port = 0;
		int r = peer_port(fd, &port);

		if (r == 0) {
			keep(passfd, fd, port);
			continue;
		}
		log_printf(LOG_WARN, "passfd", "a connection is refused: %s", errno_name(-r));
		close(fd);
	}
	if (fd == -EAGAIN)
		return;
	/* out of descriptors: the next request looks again; until then there is no spinning (c36)
	 */
	log_printf(LOG_ERROR, "passfd", "accept a stream: %s", errno_name(-fd));
	event_source_set(&passfd->listener, 0);
}

static void on_connection(struct event_source *source, uint32_t events)
{
	accept_all(container_of(source, struct passfd, listener));
}

struct passfd *passfd_new(struct event_loop *loop, const struct address *address, struct error *err)
{
	struct passfd *passfd = calloc(1, sizeof(*passfd));
	int fd, r;

	if (!passfd) {
		error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "make the listener of streams");
		return NULL;
	}
	list_init(&passfd->waiting);
	fd = address_listen(address, PASSFD_STREAMS_MAX, err);
	r = fd < 0 ? fd
		   : event_source_add(loop, &passfd->listener, fd, EPOLLIN, on_connection,
			     "passfd listener");
	if (r == 0)
		return passfd;
	if (fd >= 0) {
		error_errno(err, -r, "watch the listener of streams");
		close(fd);
	}
	free(passfd);
	return NULL;
}

void passfd_free(struct passfd *passfd)
{
	int fd;

	if (!passfd)
		return;
	while (!list_empty(&passfd->waiting))
		drop(passfd, list_entry(passfd->waiting.next, struct waiting_stream, node));
	fd = passfd->listener.fd;
	event_source_remove(&passfd->listener);
	close(fd);
	free(passfd);
}

/* ---- claiming ---- */

void passed_streams_init(struct passed_streams *streams)
{
	*streams = (struct passed_streams){-1, -1, -1};
}

void passed_streams_close(struct passed_streams *streams)
{
	close_fd(&streams->in);
	close_fd(&streams->out);
	close_fd(&streams->err);
}

static int claim(struct passfd *passfd, uint32_t port, const char *what)
{
	struct waiting_stream *stream = port ? find(passfd, port) : NULL;
	int fd = -1;

	if (stream) {
		fd = take_fd(&stream->fd);
		drop(passfd, stream);
	} else if (port) {
		log_printf(LOG_WARN, "passfd", "%s: no stream has come from port %" PRIu32, what,
			port);
	}
	return fd;
}

int passfd_claim(struct passfd *passfd, uint32_t in, uint32_t out, uint32_t stderr_port,
	struct passed_streams *ret, struct error *err)
{
	passed_streams_init(ret);
	if (!in && !out && !stderr_port)
		return 0;
	if (!passfd)
		return error_set(err, STATUS_UNIMPLEMENTED, 0,
			"stdin_port, stdout_port, stderr_port: the agent listens for no streams "
			"(agent.passfd_listener_port)");
	accept_all(passfd);
	event_source_set(&passfd->listener, EPOLLIN);
	ret->in = claim(passfd, in, "stdin_port");
	ret->out = claim(passfd, out, "stdout_port");
	ret->err = claim(passfd, stderr_port, "stderr_port");
	return 0;
}
