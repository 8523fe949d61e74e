/*
 * Tests host-tools/vsock/vsock_listener.c and vsock_relay.c with a dialer of our own, and the
 * kernel dialer's errors as far as a machine without VMs can show them.
 */
#include "vsock/vsock_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/fake_vsock_guest.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static struct vsock_listener *listener;

/* One dial at a time: what was asked for, and how the test answers it. */
static struct fake_dial {
	struct vsock_dial base;
	bool active, cancelled;
	int refuse; /* returned at once */
	uint32_t port;
	vsock_dial_fn done;
	void *owner;
} dial;

static void on_cancel(struct vsock_dial *base)
{
	dial.active = false;
	dial.cancelled = true;
}

static int on_dial(void *context, uint32_t port, uint64_t timeout_ms, vsock_dial_fn done,
	void *owner, struct vsock_dial **ret, struct error *err)
{
	if (dial.refuse)
		return dial.refuse;
	dial.active = true;
	dial.port = port;
	dial.done = done;
	dial.owner = owner;
	dial.base.cancel = on_cancel;
	*ret = &dial.base;
	return 0;
}

static int fds_before;

static int set_up(void **state)
{
	struct vsock_dialer dialer = {.dial = on_dial};

	memset(&dial, 0, sizeof(dial));
	scratch_dir();
	fds_before = test_count_fds();
	loop = event_loop_new();
	listener = vsock_listener_new(loop, &dialer, scratch_path("hybrid"), NULL);
	return listener ? 0 : -1;
}

static int tear_down(void **state)
{
	vsock_listener_free(listener);
	event_loop_free(loop);
	return test_count_fds() == fds_before ? 0 : -1;
}

static void steps(void)
{
	for (int i = 0; i < 8; i++)
		event_loop_step(loop, 0);
}

static int connect_to(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(to.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void expect(int fd, const char *text)
{
	char in[100] = "";
	ssize_t n;

	steps();
	n = recv(fd, in, sizeof(in) - 1, MSG_DONTWAIT);
	assert_int_equal(n, strlen(text));
	assert_string_equal(in, text);
}

static void expect_closed(int fd)
{
	char in[1];
	ssize_t n;

	steps();
	n = recv(fd, in, 1, MSG_DONTWAIT);
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
}

/* The test's guest answers the dial; its end. */
static int answer_dial(void)
{
	int pair[2];

	assert_true(dial.active);
	dial.active = false;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	dial.done(dial.owner, 0, pair[1]);
	return pair[0];
}

static void test_connect(void **state)
{
	int client = connect_to(scratch_path("hybrid")), server;
	struct stat st;

	assert_int_equal(stat(scratch_path("hybrid"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	say(client, "CONNECT 1024\n");
	steps();
	assert_int_equal(dial.port, 1024);
	server = answer_dial();
	expect(client, "OK 1024\n");
	say(client, "ping");
	expect(server, "ping");
	say(server, "pong");
	expect(client, "pong");
	assert_int_equal(vsock_listener_clients(listener), 1);
	close(client);
	expect_closed(server);
	assert_int_equal(vsock_listener_clients(listener), 0);
}

/* A byte at a time, and bytes behind the newline that belong to the stream. */
static void test_split_line(void **state)
{
	const char line[] = "connect 70000\n";
	int client = connect_to(scratch_path("hybrid")), server;

	/* the port it is called from is what the client is told, where the carrier knows it */
	dial.base.from_port = 1u << 30;
	for (const char *p = line; *p; p++) {
		assert_false(dial.active);
		assert_int_equal(send(client, p, p[1] ? 1 : strlen(p), 0), 1);
		if (!p[1])
			say(client, "early bytes");
		steps();
	}
	assert_int_equal(dial.port, 70000);
	server = answer_dial();
	expect(client, "OK 1073741824\n");
	expect(server, "early bytes");
	close(server);
	expect_closed(client);
}

static void test_bytes_behind(void **state)
{
	int client = connect_to(scratch_path("hybrid")), server;

	say(client, "CONNECT 5\nCONNECT 6\n");
	steps();
	assert_int_equal(dial.port, 5);
	server = answer_dial();
	expect(server, "CONNECT 6\n");
	expect(client, "OK 5\n");
	close(server);
	close(client);
	steps();
}

static void test_bad_lines(void **state)
{
	static const char *const lines[] = {"\n", "CONNECT\n", "CONNECT \n", "CONNECT x\n",
		"CONNECT -1\n", "CONNECT 4294967296\n", "CONNECT 5 \n", "CONNECT  5\n", "HELLO 5\n",
		"CONNECT 5\r\n", "CONNECT 00000000000000000000000000000000000005\n"};

	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int client = connect_to(scratch_path("hybrid"));

		say(client, lines[i]);
		expect_closed(client);
		assert_false(dial.active);
	}
	assert_int_equal(vsock_listener_clients(listener), 0);
}

static void test_nul_in_line(void **state)
{
	int client = connect_to(scratch_path("hybrid"));

	assert_int_equal(send(client, "CONNECT 5\0\n", 11, 0), 11);
	expect_closed(client);
	assert_false(dial.active);
}

static void test_leaves_in_line(void **state)
{
	int client = connect_to(scratch_path("hybrid"));

	say(client, "CONN");
	steps();
	close(client);
	steps();
	assert_int_equal(vsock_listener_clients(listener), 0);
}

static void test_leaves_in_dial(void **state)
{
	int client = connect_to(scratch_path("hybrid"));

	say(client, "CONNECT 5\n");
	steps();
	assert_true(dial.active);
	close(client);
	steps();
	assert_true(dial.cancelled);
	assert_int_equal(vsock_listener_clients(listener), 0);
}

static void test_refused(void **state)
{
	int client = connect_to(scratch_path("hybrid"));

	say(client, "CONNECT 5\n");
	steps();
	dial.active = false;
	dial.done(dial.owner, -ECONNREFUSED, -1);
	expect_closed(client);
	dial.refuse = -EAGAIN;
	client = connect_to(scratch_path("hybrid"));
	say(client, "CONNECT 5\n");
	expect_closed(client);
}

static int connected(int *server)
{
	int client = connect_to(scratch_path("hybrid"));

	say(client, "CONNECT 5\n");
	steps();
	*server = answer_dial();
	expect(client, "OK 5\n");
	return client;
}

static void test_half_close(void **state)
{
	int server, client = connected(&server);
	char in[1];

	say(client, "last");
	shutdown(client, SHUT_WR);
	expect(server, "last");
	assert_int_equal(recv(server, in, 1, MSG_DONTWAIT), 0);
	say(server, "answer");
	expect(client, "answer");
	shutdown(server, SHUT_WR);
	steps();
	assert_int_equal(recv(client, in, 1, MSG_DONTWAIT), 0);
	assert_int_equal(vsock_listener_clients(listener), 0); /* both ended */
	close(client);
	close(server);
}

/* After a half close, closing altogether is noticed. */
static void test_half_then_gone(void **state)
{
	int server, client = connected(&server);

	shutdown(client, SHUT_WR);
	steps();
	assert_int_equal(vsock_listener_clients(listener), 1);
	close(client);
	steps();
	assert_int_equal(send(server, "x", 1, MSG_NOSIGNAL), -1);
	close(server);
	steps();
	assert_int_equal(vsock_listener_clients(listener), 0);
}

/* A server that does not read stops the client; nothing is lost, and nothing spins. */
static void test_pressure(void **state)
{
	static char data[50000], in[50000];
	int server, client = connected(&server);
	size_t sent = 0, got = 0;
	ssize_t n;

	memset(data, 'x', sizeof(data));
	for (int i = 0; i < 100; i++) {
		n = send(client, data, sizeof(data), MSG_DONTWAIT);
		sent += n > 0 ? n : 0;
		steps();
	}
	assert_in_range(sent, 100000, 2000000);
	assert_int_equal(event_loop_step(loop, 0), 0);
	close(client);
	steps();
	assert_int_equal(event_loop_step(loop, 0), 0);
	while ((n = recv(server, in, sizeof(in), MSG_DONTWAIT)) > 0) {
		got += n;
		steps();
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, sent);
	close(server);
	steps();
	assert_int_equal(vsock_listener_clients(listener), 0);
}

static void test_free_while_busy(void **state)
{
	int server, client = connected(&server), other = connect_to(scratch_path("hybrid"));
	int third = connect_to(scratch_path("hybrid"));

	say(other, "CONNECT 6\n");
	say(third, "CONN");
	steps();
	assert_int_equal(vsock_listener_clients(listener), 3);
	vsock_listener_free(listener);
	listener = NULL;
	assert_true(dial.cancelled);
	expect_closed(client);
	expect_closed(server);
	expect_closed(other);
	expect_closed(third);
	assert_int_equal(access(scratch_path("hybrid"), F_OK), -1);
}

static void step(void *context)
{
	event_loop_step(loop, 0);
}

/* The guest's own dials: to PATH_PORT where somebody listens, else reset. */
static void test_guest_dials(void **state)
{
	struct vsock_device *dev = vsock_device_new(loop, scratch_path("vhost"), FAKE_CID, NULL);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct vsock_packet p = {.from_cid = FAKE_CID,
		.to_cid = 2,
		.from_port = 900,
		.to_port = 4050,
		.type = 1,
		.op = VSOCK_OP_REQUEST,
		.buffer = 65536};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	struct fake_guest guest;
	uint8_t payload[4096];

	assert_non_null(dev);
	vsock_listener_serve_guest(listener, dev);
	fake_guest_init(&guest, step, NULL);
	assert_int_equal(fake_guest_connect(&guest, scratch_path("vhost")), 0);
	steps();
	assert_int_equal(fake_guest_start(&guest, NULL), 0);
	fake_guest_send(&guest, &p, NULL, 0);
	assert_true(fake_guest_await(&guest, &p, payload, sizeof(payload), 1));
	assert_int_equal(p.op, VSOCK_OP_RST);
	strcpy(at.sun_path, scratch_path("hybrid_4050"));
	assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(sock, 1), 0);
	p = (struct vsock_packet){.from_cid = FAKE_CID,
		.to_cid = 2,
		.from_port = 901,
		.to_port = 4050,
		.type = 1,
		.op = VSOCK_OP_REQUEST,
		.buffer = 65536};
	fake_guest_send(&guest, &p, NULL, 0);
	assert_true(fake_guest_await(&guest, &p, payload, sizeof(payload), 1));
	assert_int_equal(p.op, VSOCK_OP_RESPONSE);
	fd = accept(sock, NULL, NULL);
	say(fd, "quote");
	assert_true(fake_guest_await(&guest, &p, payload, sizeof(payload), 1));
	assert_int_equal(p.len, 5);
	assert_memory_equal(payload, "quote", 5);
	close(fd);
	close(sock);
	fake_guest_release(&guest);
	vsock_listener_free(listener);
	listener = NULL;
	vsock_device_free(dev);
}

static void on_kernel_dialled(void *owner, int result, int fd)
{
	*(int *)owner = result;
	assert_true(result < 0 && fd == -1);
}

/* No VM has this CID: one of the named errors, at once or a moment later. */
static void test_kernel_dialer(void **state)
{
	struct vsock_kernel_dialer kernel;
	struct vsock_dialer dialer = vsock_kernel_dialer_init(&kernel, loop, 0x7ffffff0);
	struct vsock_dial *under_way = NULL;
	struct error err = ERROR_INIT;
	int result = 1, r;

	r = vsock_dial(&dialer, 1024, 300, on_kernel_dialled, &result, &under_way, &err);
	if (r < 0) {
		assert_non_null(strstr(err.text, "1024"));
		return;
	}
	for (int i = 0; i < 100 && result == 1; i++)
		event_loop_step(loop, 50);
	assert_true(result < 0);
	r = vsock_dial(&dialer, 1024, 300, on_kernel_dialled, &result, &under_way, &err);
	if (r == 0)
		vsock_dial_cancel(under_way);
	vsock_dial_cancel(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(test_connect),
	CASE(test_split_line),
	CASE(test_bytes_behind),
	CASE(test_bad_lines),
	CASE(test_nul_in_line),
	CASE(test_leaves_in_line),
	CASE(test_leaves_in_dial),
	CASE(test_refused),
	CASE(test_half_close),
	CASE(test_half_then_gone),
	CASE(test_pressure),
	CASE(test_free_while_busy),
	CASE(test_guest_dials),
	CASE(test_kernel_dialer),
};

TEST_MAIN(tests)
