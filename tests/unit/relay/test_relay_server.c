/*
 * relay_server, relay_dial: clients and a stand-in for the agent in the same process as the relay,
 * over real sockets: streams of their own, half closes, back-pressure, absent and returning agents,
 * hybrid vsock, who may come.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lib/test_main.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strings.h"
#include "relay/relay_server.h"

static struct event_loop *loop;
static struct relay_server *server;
static struct address here, there;
static int agent = -1; /* listening */

static struct address address_of(const char *format, const char *name)
{
	struct address address = {0};
	char text[160];

	str_format(text, sizeof(text), format, scratch_path("%s", name));
	assert_int_equal(address_parse(text, &address, NULL), 0);
	return address;
}

static void agent_listens(void)
{
	struct address address = there;

	address.kind = ADDRESS_UNIX;
	agent = address_listen(&address, 4096, NULL);
	assert_true(agent >= 0);
}

static int setup_at(const char *format)
{
	struct relay_server_config config = {.dial_timeout_ms = 20000};
	struct error err = ERROR_INIT;

	here = address_of("unix://%s", "relay.sock");
	there = address_of(format, "agent.sock");
	config.listen = here;
	config.agent = there;
	loop = event_loop_new();
	server = relay_server_new(loop, &config, &err);
	if (!server)
		fail_msg("%s", err.text);
	return 0;
}

static int setup(void **state)
{
	setup_at("unix://%s");
	agent_listens();
	return 0;
}

static int setup_hybrid(void **state)
{
	setup_at("hvsock://%s:1024");
	agent_listens();
	return 0;
}

static int setup_no_agent(void **state)
{
	return setup_at("unix://%s");
}

static int teardown(void **state)
{
	relay_server_free(server);
	event_loop_free(loop);
	close_fd(&agent);
	unlink(there.path);
	assert_int_not_equal(access(here.path, F_OK), 0);
	return 0;
}

static int client_new(void)
{
	int fd = address_connect(&here, 1000, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* Turns the loop until fd can be read. */
static void await_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	while (poll(&poll_fd, 1, 0) == 0)
		assert_true(event_loop_step(loop, 1000) >= 0);
}

static int agent_accept(void)
{
	int fd;

	await_readable(agent);
	fd = socket_accept(agent);
	assert_true(fd >= 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until `text` is whole; an end of file is "". */
static void expect_text(int fd, const char *text)
{
	char got[256] = "";
	size_t n = 0;
	ssize_t r;

	do {
		await_readable(fd);
		r = recv(fd, got + n, sizeof(got) - 1 - n, MSG_DONTWAIT);
		n += r > 0 ? (size_t)r : 0;
	} while (r > 0 && n < strlen(text));
	got[n] = '\0';
	assert_string_equal(got, text);
}

static void clients_have_streams_of_their_own(void **state)
{
	enum { N = 200 };
	int clients[N], agents[N];
	char text[32];

	for (int i = 0; i < N; i++) {
		clients[i] = client_new();
		str_format(text, sizeof(text), "client %d;", i);
		send_text(clients[i], text);
		agents[i] = agent_accept();
	}
	assert_int_equal(relay_server_clients(server), N);
	/* The agent answers in another order, and each client hears its own. */
	for (int i = N - 1; i >= 0; i--) {
		str_format(text, sizeof(text), "client %d;", i);
		expect_text(agents[i], text);
		send_text(agents[i], text);
	}
	for (int i = 0; i < N; i++) {
		str_format(text, sizeof(text), "client %d;", i);
		expect_text(clients[i], text);
		close(clients[i]);
		expect_text(agents[i], "");
		close(agents[i]);
	}
	while (relay_server_clients(server) > 0)
		assert_true(event_loop_step(loop, 1000) >= 0);
}

static void half_closes_are_passed_on(void **state)
{
	int client = client_new(), peer;

	send_text(client, "last words");
	shutdown(client, SHUT_WR);
	peer = agent_accept();
	expect_text(peer, "last words");
	expect_text(peer, "");
	send_text(peer, "heard");
	expect_text(client, "heard");
	close(peer);
	expect_text(client, "");
	close(client);
}

/* An agent that does not read: the client is held up, and the relay keeps a bounded amount. */
static void back_pressure_reaches_the_client(void **state)
{
	static char block[65536];
	int client = client_new(), peer = agent_accept(), idle = 0;
	size_t sent = 0, got = 0;
	ssize_t n;

	while (idle < 20) {
		n = send(client, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		assert_true(event_loop_step(loop, 1) >= 0);
		assert_true(sent < 8 << 20);
	}
	shutdown(client, SHUT_WR);
	for (;;) {
		await_readable(peer);
		n = recv(peer, block, sizeof(block), MSG_DONTWAIT);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	assert_int_equal(got, sent);
	close(client);
	close(peer);
}

static void a_client_waits_for_the_agent(void **state)
{
	int client = client_new(), peer;

	send_text(client, "early");
	for (int i = 0; i < 5; i++)
		assert_true(event_loop_step(loop, 150) >= 0);
	assert_int_equal(relay_server_clients(server), 1);
	agent_listens();
	peer = agent_accept();
	expect_text(peer, "early");
	close(peer);
	expect_text(client, "");
	close(client);
}

static void survives_an_agent_that_restarts(void **state)
{
	int client = client_new(), peer = agent_accept();

	close(peer);
	close_fd(&agent);
	unlink(there.path);
	expect_text(client, "");
	close(client);
	client = client_new();
	agent_listens();
	peer = agent_accept();
	send_text(peer, "back");
	expect_text(client, "back");
	close(peer);
	close(client);
}

static void a_client_that_leaves_is_not_dialled_for(void **state)
{
	int client = client_new();

	while (relay_server_clients(server) == 0)
		assert_true(event_loop_step(loop, 1000) >= 0);
	close(client);
	while (relay_server_clients(server) > 0)
		assert_true(event_loop_step(loop, 1000) >= 0);
}

static void hybrid_vsock_says_connect(void **state)
{
	int client = client_new(), peer;

	send_text(client, "stream");
	peer = agent_accept();
	expect_text(peer, "CONNECT 1024\n");
	/* In two pieces, and the stream's first bytes right behind. */
	send_text(peer, "OK 10");
	assert_true(event_loop_step(loop, 50) >= 0);
	send_text(peer, "24\nfirst");
	expect_text(client, "first");
	expect_text(peer, "stream");
	close(peer);
	close(client);
}

/* Nobody listens in the guest yet: the VMM closes without a line, and we come again. */
static void hybrid_vsock_is_tried_again(void **state)
{
	int client = client_new(), peer;

	for (int i = 0; i < 3; i++) {
		peer = agent_accept();
		expect_text(peer, "CONNECT 1024\n");
		if (i == 1)
			send_text(peer, "NO\n");
		close(peer);
	}
	peer = agent_accept();
	expect_text(peer, "CONNECT 1024\n");
	send_text(peer, "OK 1\n");
	send_text(peer, "there");
	expect_text(client, "there");
	close(peer);
	close(client);
}

static void only_the_owner_may_come(void **state)
{
	struct stat st;
	pid_t pid;
	int status;

	assert_int_equal(stat(here.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	if (geteuid() != 0)
		fail_msg("this test wants root, to become somebody else");
	/* Even where the mode lets him in. */
	assert_int_equal(chmod(here.path, 0666), 0);
	assert_int_equal(chmod(scratch_dir(), 0755), 0);
	pid = fork();
	if (pid == 0) {
		char byte;
		int fd;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		fd = address_connect(&here, 1000, NULL);
		if (fd < 0)
			_exit(3);
		fd_set_nonblock(fd, false);
		_exit(recv(fd, &byte, 1, 0) == 0 ? 0 : 4);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		assert_true(event_loop_step(loop, 10) >= 0);
		assert_int_equal(relay_server_clients(server), 0);
	}
	assert_int_equal(status, 0);
}

static void a_socket_in_use_is_not_taken(void **state)
{
	struct relay_server_config config = {.listen = here, .agent = there};
	struct error err = ERROR_INIT;

	assert_null(relay_server_new(loop, &config, &err));
	assert_int_equal(err.errnum, EADDRINUSE);
	/* Nor removed by the one that failed. */
	assert_int_equal(access(here.path, F_OK), 0);
}

static void an_old_socket_is_replaced(void **state)
{
	struct relay_server_config config = {
		.listen = address_of("unix://%s", "old.sock"), .agent = there};
	struct error err = ERROR_INIT;
	int old = address_listen(&config.listen, 1, NULL);
	struct relay_server *another;

	close(old);
	another = relay_server_new(loop, &config, &err);
	assert_non_null(another);
	relay_server_free(another);
	assert_int_not_equal(access(config.listen.path, F_OK), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(clients_have_streams_of_their_own, setup, teardown),
	cmocka_unit_test_setup_teardown(half_closes_are_passed_on, setup, teardown),
	cmocka_unit_test_setup_teardown(back_pressure_reaches_the_client, setup, teardown),
	cmocka_unit_test_setup_teardown(a_client_waits_for_the_agent, setup_no_agent, teardown),
	cmocka_unit_test_setup_teardown(survives_an_agent_that_restarts, setup, teardown),
	cmocka_unit_test_setup_teardown(
		a_client_that_leaves_is_not_dialled_for, setup_no_agent, teardown),
	cmocka_unit_test_setup_teardown(hybrid_vsock_says_connect, setup_hybrid, teardown),
	cmocka_unit_test_setup_teardown(hybrid_vsock_is_tried_again, setup_hybrid, teardown),
	cmocka_unit_test_setup_teardown(only_the_owner_may_come, setup, teardown),
	cmocka_unit_test_setup_teardown(a_socket_in_use_is_not_taken, setup, teardown),
	cmocka_unit_test_setup_teardown(an_old_socket_is_replaced, setup, teardown),
};

TEST_MAIN(tests)
