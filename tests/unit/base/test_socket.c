/* Tests agent/base/socket.c; the other side of hvsock is a forked child that plays the device. */
#include "base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct address parsed(const char *text)
{
	struct address address;
	struct error err = ERROR_INIT;

	assert_int_equal(address_parse(text, &address, &err), 0);
	return address;
}

static void test_parse(void **state)
{
	struct address a = parsed("vsock://-1:1024");

	assert_int_equal(a.kind, ADDRESS_VSOCK);
	assert_true(a.cid == VMADDR_CID_ANY);
	assert_int_equal(a.port, 1024);
	a = parsed("vsock://3:4294967295");
	assert_int_equal(a.cid, 3);
	assert_true(a.port == UINT32_MAX);
	a = parsed("unix:///run/a:b.sock");
	assert_int_equal(a.kind, ADDRESS_UNIX);
	assert_string_equal(a.path, "/run/a:b.sock");
	a = parsed("unix://@name");
	assert_string_equal(a.path, "@name");
	a = parsed("hvsock:///run/vm:1.sock:1024");
	assert_int_equal(a.kind, ADDRESS_HVSOCK);
	assert_string_equal(a.path, "/run/vm:1.sock");
	assert_int_equal(a.port, 1024);
}

static void test_parse_refuses(void **state)
{
	static const char *const bad[] = {"", "tcp://1:2", "vsock://", "vsock://3",
		"vsock://3:", "vsock://:5", "vsock://3:x", "vsock://-2:5", "vsock://4294967296:1",
		"vsock://3:4294967296", "unix://", "unix://@", "hvsock:///a", "hvsock://:5",
		"hvsock:///a:-5", "hvsock://@:5", "/run/x"};
	struct address address = {.port = 99};
	struct error err;
	char too_long[200] = "unix://";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct error)ERROR_INIT;
		assert_true(address_parse(bad[i], &address, &err) < 0);
		assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
		assert_non_null(strstr(err.text, bad[i]));
	}
	memset(too_long + strlen(too_long), 'a', 108);
	assert_true(address_parse(too_long, &address, &err) < 0);
	too_long[strlen("unix://") + 107] = '\0';
	assert_int_equal(address.port, 99);
	assert_int_equal(address_parse(too_long, &address, &err), 0);
}

static void check_stream(const struct address *address)
{
	struct error err = ERROR_INIT;
	int listener = address_listen(address, 5, &err), client, server;
	char out[4] = "";

	assert_true(listener >= 0);
	assert_int_equal(socket_accept(listener), -EAGAIN);
	client = address_connect(address, 1000, &err);
	assert_true(client >= 0);
	server = socket_accept(listener);
	assert_true(server >= 0);
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? listener : i == 1 ? client : server;

		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	assert_int_equal(write(client, "hey", 3), 3);
	assert_int_equal(read(server, out, 3), 3);
	assert_string_equal(out, "hey");
	close(listener);
	close(client);
	close(server);
}

static void test_unix_path(void **state)
{
	struct address address = {.kind = ADDRESS_UNIX};
	struct error err = ERROR_INIT;
	int listener;

	snprintf(address.path, sizeof(address.path), "%s", scratch_path("s"));
	assert_int_equal(address_connect(&address, 100, &err), -ENOENT);
	assert_int_equal(err.status, STATUS_UNAVAILABLE);
	assert_non_null(strstr(err.text, address.path));
	check_stream(&address);
	/* The listener is gone, its file is not: refused, and replaced by the next listener. */
	assert_int_equal(address_connect(&address, 100, &err), -ECONNREFUSED);
	check_stream(&address);
	/* Somebody listens there, served or not: left alone. */
	listener = address_listen(&address, 0, &err);
	assert_true(listener >= 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(address_listen(&address, 5, &err), -EADDRINUSE);
	assert_true(file_exists(address.path));
	close(listener);
	/* A file that is no socket is somebody's. */
	snprintf(address.path, sizeof(address.path), "%s", scratch_file("mine", "x"));
	assert_int_equal(address_listen(&address, 5, &err), -EADDRINUSE);
	assert_true(file_exists(address.path));
}

static void test_unix_abstract(void **state)
{
	struct address address = {.kind = ADDRESS_UNIX};

	snprintf(address.path, sizeof(address.path), "@cradle-test-%d", (int)getpid());
	check_stream(&address);
	check_stream(&address);
}

/* A listener whose backlog is full and that nobody serves: the deadline holds. */
static void test_connect_timeout(void **state)
{
	struct address address = {.kind = ADDRESS_UNIX};
	struct error err = ERROR_INIT;
	int listener, fds[8], n = 0;

	snprintf(address.path, sizeof(address.path), "%s", scratch_path("full"));
	listener = address_listen(&address, 0, &err);
	while (n < 8 && (fds[n] = address_connect(&address, 50, &err)) >= 0)
		n++;
	assert_true(n < 8);
	assert_int_equal(fds[n], -ETIMEDOUT);
	assert_int_equal(err.status, STATUS_DEADLINE_EXCEEDED);
	while (n > 0)
		close(fds[--n]);
	close(listener);
}

/* ---- hvsock ---- */

/* Accepts once, checks the CONNECT line, answers in pieces, then waits for the end. */
static void play_device(int listener, const char *answer, bool hold)
{
	char line[64] = "";
	int fd;

	alarm(20);
	signal(SIGPIPE, SIG_IGN); /* who has heard enough hangs up */
	fcntl(listener, F_SETFL, 0);
	fd = accept(listener, NULL, NULL);
	if (read(fd, line, sizeof(line) - 1) < 0 || strcmp(line, "CONNECT 1024\n") != 0)
		_exit(1);
	for (; *answer; answer++)
		if (write(fd, answer, 1) != 1 && errno != EPIPE && errno != ECONNRESET)
			_exit(2);
	while (hold && read(fd, line, sizeof(line)) > 0)
		;
	_exit(0);
}

/* Result of connecting to a device that answers so. */
static int connect_to(const char *answer, bool hold, int timeout_ms, struct error *err, char *rest)
{
	struct address address = {.kind = ADDRESS_UNIX, .port = 1024};
	int listener, fd, status, r;
	pid_t pid;

	*err = (struct error)ERROR_INIT;
	snprintf(address.path, sizeof(address.path), "%s", scratch_path("hv"));
	listener = address_listen(&address, 5, err);
	assert_true(listener >= 0);
	pid = fork();
	if (pid == 0)
		play_device(listener, answer, hold);
	close(listener);
	address.kind = ADDRESS_HVSOCK;
	fd = address_connect(&address, timeout_ms, err);
	r = fd < 0 ? fd : 0;
	if (fd >= 0 && rest) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};

		assert_int_equal(poll(&pfd, 1, 5000), 1);
		for (ssize_t n; (n = read(fd, rest, 1)) == 1 && *rest != '!'; rest++)
			poll(&pfd, 1, 5000);
		rest[1] = '\0';
	}
	close_fd(&fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return r;
}

static void test_hvsock(void **state)
{
	struct error err;
	char rest[64];

	assert_int_equal(connect_to("OK 1073741824\nstream starts!", true, 5000, &err, rest), 0);
	assert_string_equal(rest, "stream starts!");
}

static void test_hvsock_failures(void **state)
{
	struct address nobody = {.kind = ADDRESS_HVSOCK, .port = 1024};
	struct error err;
	char long_line[100];

	assert_int_equal(connect_to("", false, 5000, &err, NULL), -ECONNRESET);
	assert_non_null(strstr(err.text, "nobody listens on port 1024"));
	assert_int_equal(connect_to("OK", false, 5000, &err, NULL), -ECONNRESET);
	assert_int_equal(connect_to("", true, 50, &err, NULL), -ETIMEDOUT);
	assert_int_equal(err.status, STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(connect_to("ERR 5\n", true, 5000, &err, NULL), -EPROTO);
	assert_non_null(strstr(err.text, "ERR 5"));
	memset(long_line, 'x', sizeof(long_line));
	long_line[sizeof(long_line) - 1] = '\0';
	assert_int_equal(connect_to(long_line, true, 5000, &err, NULL), -EPROTO);
	snprintf(nobody.path, sizeof(nobody.path), "%s", scratch_path("nobody"));
	assert_int_equal(address_connect(&nobody, 100, &err), -ENOENT);
	assert_int_equal(err.status, STATUS_UNAVAILABLE);
	assert_true(address_listen(&nobody, 5, &err) < 0);
}

/* ---- descriptors ---- */

static void test_pass_fds(void **state)
{
	int pair[2], send[2], got[4];
	int before = test_count_fds();
	char out[8] = "";
	size_t n;

	assert_int_equal(socket_pair(SOCK_SEQPACKET, pair), 0);
	assert_int_equal(pipe2(send, O_CLOEXEC), 0);
	assert_int_equal(socket_send_fds(pair[0], "msg", 3, send, 2), 3);
	n = 4;
	assert_int_equal(socket_recv_fds(pair[1], out, sizeof(out), got, &n), 3);
	assert_int_equal(n, 2);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(send[0], out, 1), 1);
	close(got[0]);
	close(got[1]);
	/* None is fine; more than there is room for costs the message, and leaks nothing. */
	assert_int_equal(socket_send_fds(pair[0], "none", 4, NULL, 0), 4);
	n = 4;
	assert_int_equal(socket_recv_fds(pair[1], out, sizeof(out), got, &n), 4);
	assert_int_equal(n, 0);
	assert_int_equal(socket_send_fds(pair[0], "msg", 3, send, 2), 3);
	n = 1;
	assert_int_equal(socket_recv_fds(pair[1], out, sizeof(out), got, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(socket_send_fds(pair[0], "too long to fit", 15, send, 1), 15);
	n = 1;
	assert_int_equal(socket_recv_fds(pair[1], out, sizeof(out), got, &n), -EMSGSIZE);
	assert_int_equal(socket_send_fds(pair[0], "x", 1, send, SOCKET_FDS_MAX + 1), -EINVAL);
	close(send[0]);
	close(send[1]);
	close(pair[1]);
	assert_int_equal(socket_send_fds(pair[0], "x", 1, NULL, 0), -EPIPE);
	close(pair[0]);
	assert_int_equal(test_count_fds(), before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_parse),
	cmocka_unit_test(test_parse_refuses),
	cmocka_unit_test(test_unix_path),
	cmocka_unit_test(test_unix_abstract),
	cmocka_unit_test(test_connect_timeout),
	cmocka_unit_test(test_hvsock),
	cmocka_unit_test(test_hvsock_failures),
	cmocka_unit_test(test_pass_fds),
};
TEST_MAIN(tests)
