/*
 * echo_server ADDRESS: the test service (tests/lib/echo_service.h) on our ttrpc server, as a
 * program for peers written by others. Prints "listening", ends when its standard input does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/event_loop.h"
#include "lib/echo_service.h"
#include "ttrpc/server.h"

static struct event_loop *loop;

/* Failing on purpose is this service's trade. */
static void no_log(const struct rpc_call *call, const struct error *err)
{
}

static void on_stdin(struct event_source *source, uint32_t events)
{
	char bytes[64];

	if (read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0)
		event_loop_stop(loop);
}

static int serve(const char *text, struct error *err)
{
	struct event_source input = {0};
	struct ttrpc_server *server;
	struct echo_service echo;
	struct address address;
	int r = address_parse(text, &address, err);

	if (r < 0)
		return r;
	loop = event_loop_new();
	echo_service_init(&echo, loop);
	server = ttrpc_server_new(loop, echo_methods, echo_method_count, &echo);
	ttrpc_server_set_error_log(server, no_log);
	r = ttrpc_server_listen(server, &address, err);
	if (r >= 0)
		r = event_source_add(loop, &input, STDIN_FILENO, EPOLLIN, on_stdin, "stdin");
	if (r >= 0) {
		puts("listening");
		fflush(stdout);
		r = event_loop_run(loop);
	}
	event_source_remove(&input);
	ttrpc_server_free(server);
	event_loop_free(loop);
	return r;
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];

	if (argc != 2) {
		fprintf(stderr, "usage: echo_server ADDRESS\n");
		return 2;
	}
	if (serve(argv[1], &err) < 0) {
		fprintf(stderr, "echo_server: %s\n", error_render(&err, text, sizeof(text)));
		return 1;
	}
	return 0;
}
