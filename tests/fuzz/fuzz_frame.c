/*
 * Fuzz target: bytes of a ttrpc peer, in pieces, against a server with the tests' echo methods
 * (agent/ttrpc: frame, connection, session, server, write queue). What it answers must be whole
 * frames. When the peer is gone no call of it is left.
 */
#include "ttrpc/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "fuzz/fuzz.h"
#include "lib/echo_service.h"
#include "ttrpc/frame.h"

static struct event_loop *loop;
static struct ttrpc_server *server;
static struct echo_service echo;

static void quiet(const char *record, size_t len, void *context)
{
}

static void set_up_once(void)
{
	if (loop)
		return;
	log_set_sink(quiet, NULL);
	loop = event_loop_new();
	echo_service_init(&echo, loop);
	server = ttrpc_server_new(loop, echo_methods, echo_method_count, &echo);
	FUZZ_CHECK(server);
}

static void step(void)
{
	for (int i = 0; i < 3; i++)
		event_loop_step(loop, 0);
}

/* Answers read so far must be responses of at most FRAME_MAX each, one after another. */
static void check_answers(int fd, uint32_t *left)
{
	static uint8_t data[65536];
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	for (ssize_t at = 0; at < n;) {
		struct frame_header header;

		if (*left > 0) {
			size_t part = (size_t)(n - at) < *left ? (size_t)(n - at) : *left;

			at += part;
			*left -= part;
			continue;
		}
		if (n - at < FRAME_HEADER_SIZE) /* would need a buffer: good enough to stop here */
			return;
		header = frame_header_decode(data + at);
		FUZZ_CHECK(header.type == FRAME_RESPONSE && header.length <= 4194304);
		*left = header.length;
		at += FRAME_HEADER_SIZE;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint32_t left = 0;
	int pair[2];

	set_up_once();
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(ttrpc_server_serve_fd(server, pair[0], NULL) == 0);
	while (in.left > 0) {
		size_t len = fuzz_u8(&in);

		len = len < in.left ? len : in.left;
		if (send(pair[1], in.data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		in.data += len;
		in.left -= len;
		step();
		check_answers(pair[1], &left);
	}
	close(pair[1]);
	for (int i = 0; i < 50 && ttrpc_server_connections(server) > 0; i++)
		event_loop_step(loop, 0);
	FUZZ_CHECK(ttrpc_server_connections(server) == 0 && ttrpc_server_calls(server) == 0);
	return 0;
}
