/*
 * Stdio over connections of the host's own (passfd). Over a unix socket the "port" a connection
 * comes from is the number its own name ends with (agent/sandbox/passfd.h); in a VM it is vsock's
 * (tests/vm/test_guest).
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct agent agent;
static struct agent_census before;
static struct sockaddr_un listener = {.sun_family = AF_UNIX};

static int setup(void **state)
{
	char address[128];
	const char *const arguments[] = {"--passfd-addr", address, NULL};

	str_copy(listener.sun_path, sizeof(listener.sun_path), scratch_path("passfd.sock"));
	str_format(address, sizeof(address), "unix://%s", listener.sun_path);
	agent_start_with(&agent, arguments);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* A connection from this port. The agent learns of it some time. */
static int dial(uint32_t port)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	str_format(own.sun_path, sizeof(own.sun_path), "%s-%u", scratch_path("from"), port);
	unlink(own.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&listener, sizeof(listener)), 0);
	return fd;
}

/* All bytes until the end, as text; the loop goes on meanwhile. */
static const char *read_all(int fd)
{
	static char text[65536];
	size_t len = 0;

	for (int i = 0; i < 3000; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 0) > 0) {
			ssize_t n = read(fd, text + len, sizeof(text) - 1 - len);

			if (n <= 0) {
				text[len] = '\0';
				return text;
			}
			len += (size_t)n;
		} else {
			event_loop_step(agent.loop, 10);
		}
	}
	fail_msg("no end of the stream in 30 s");
	return NULL;
}

static void write_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void run_with(const char *id, const char *script, uint32_t in, uint32_t out, uint32_t err)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct test_container c;

	container_fill(&c, &agent, id, argv);
	c.request.stdin_port = in;
	c.request.stdout_port = out;
	c.request.stderr_port = err;
	container_send(&agent, &c);
	container_start_id(&agent, id);
}

static void finish(const char *id)
{
	container_remove_id(&agent, id);
	agent_assert_census(&agent, &before);
}

/* runtime-rs: WaitProcess right after the start; the streams carry everything, and end. */
static void test_three_streams(void **state)
{
	_cleanup_fd_ int in = dial(7001), out = dial(7002), err = dial(7003);
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct pending waiting;

	run_with("three", "cat; echo oops >&2; exit 5", 7001, 7002, 7003);
	wait.container_id = (char *)"three";
	agent_begin(&agent, agent.client, &waiting, "WaitProcess", &wait);
	write_text(in, "one\n");
	write_text(in, "two\n");
	assert_int_equal(shutdown(in, SHUT_WR), 0);
	assert_string_equal(read_all(out), "one\ntwo\n");
	assert_string_equal(read_all(err), "oops\n");
	agent_await(&agent, &waiting);
	assert_int_equal(((Grpc__WaitProcessResponse *)waiting.call.response)->status, 5);
	pending_release(&waiting);
	finish("three");
}

/* What has no port, or whose connection never came, is nobody's: no stream (7.4). */
static void test_missing_streams(void **state)
{
	_cleanup_fd_ int out = dial(7010);

	run_with("one", "cat; echo lost >&2; echo kept", 0, 7010, 7999);
	assert_string_equal(read_all(out), "kept\n");
	assert_int_equal(container_wait(&agent, "one", ""), 0);
	finish("one");
}

static void test_exec(void **state)
{
	_cleanup_fd_ int in = dial(7021), out = dial(7022);
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__Process process = GRPC__PROCESS__INIT;
	char *args[] = {(char *)"/bin/sh", (char *)"-c", (char *)"read a; echo got $a; exit 6"};

	container_run(&agent, "home", "exec sleep 1000");
	exec.container_id = (char *)"home";
	exec.exec_id = (char *)"e";
	exec.process = &process;
	exec.stdin_port = 7021;
	exec.stdout_port = 7022;
	process.args = args;
	process.n_args = 3;
	process.cwd = (char *)"/";
	agent_ok(&agent, "ExecProcess", &exec);
	write_text(in, "it\n");
	assert_string_equal(read_all(out), "got it\n");
	assert_int_equal(container_wait(&agent, "home", "e"), 6);
	finish("home");
}

/* One stream, both ways; its size still comes by a call, and the end is the end of file. */
static void test_terminal(void **state)
{
	static const char *const argv[] = {
		"sh", "-c", "read a; stty size; echo got $a; exit 4", NULL};
	_cleanup_fd_ int in = dial(7031), out = dial(7032), err = dial(7033);
	Grpc__TtyWinResizeRequest resize = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	struct test_container c;

	container_fill(&c, &agent, "tty", argv);
	c.process.terminal = true;
	c.request.stdin_port = 7031;
	c.request.stdout_port = 7032;
	c.request.stderr_port = 7033;
	container_send(&agent, &c);
	resize.container_id = (char *)"tty";
	resize.row = 24;
	resize.column = 80;
	agent_ok(&agent, "TtyWinResize", &resize);
	container_start_id(&agent, "tty");
	/* not used with a terminal: closed at once */
	assert_string_equal(read_all(err), "");
	write_text(in, "it\n");
	/* the end of the host's input hangs nobody up (c43) */
	assert_int_equal(shutdown(in, SHUT_WR), 0);
	assert_string_equal(read_all(out), "it\r\n24 80\r\ngot it\r\n");
	assert_int_equal(container_wait(&agent, "tty", ""), 4);
	finish("tty");
}

/* c43: a full pipe is waited for; not a byte is lost or doubled in either direction. */
static void test_c43_full_pipe(void **state)
{
	_cleanup_fd_ int in = dial(7041), out = dial(7042);
	static char sent[2 << 20], back[2 << 20];
	size_t written = 0, got = 0;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 31 + i / 65537);
	/* reads nothing at first: the pipe and the socket fill up */
	run_with("full", "read line; cat", 7041, 7042, 0);
	while (got < sizeof(back)) {
		ssize_t n;

		if (written < sizeof(sent)) {
			n = send(in, sent + written, sizeof(sent) - written, MSG_DONTWAIT);
			if (n > 0)
				written += (size_t)n;
			else if (written > 0 && got == 0)
				/* stuck: the first line ends it */
				assert_int_equal(errno, EAGAIN);
			if (written == sizeof(sent))
				shutdown(in, SHUT_WR);
		}
		event_loop_step(agent.loop, 0);
		n = recv(out, back + got, sizeof(back) - got, MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
	}
	/* all but the first line, in order */
	{
		size_t line = (size_t)((char *)memchr(sent, '\n', sizeof(sent)) - sent) + 1;

		assert_int_equal(got, sizeof(sent) - line);
		assert_memory_equal(back, sent + line, got);
	}
	assert_int_equal(container_wait(&agent, "full", ""), 0);
	finish("full");
}

/* c3: a daemon that keeps stdout open: only its own answer waits, and not for long. */
static void test_c3_daemon_holds_stdout(void **state)
{
	_cleanup_fd_ int out = dial(7052);
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__Process process = GRPC__PROCESS__INIT;
	char *args[] = {
		(char *)"/bin/sh", (char *)"-c", (char *)"sleep 1000 & echo started; exit 3"};
	struct pending waiting, health;

	container_run(&agent, "daemon", "exec sleep 1000");
	exec.container_id = wait.container_id = (char *)"daemon";
	exec.exec_id = wait.exec_id = (char *)"e";
	exec.process = &process;
	exec.stdout_port = 7052;
	process.args = args;
	process.n_args = 3;
	process.cwd = (char *)"/";
	agent_ok(&agent, "ExecProcess", &exec);
	agent_begin(&agent, agent.client, &waiting, "WaitProcess", &wait);
	agent_begin(&agent, agent.client, &health, "Check", &check);
	assert_string_equal(read_all(out), "started\n");
	agent_await(&agent, &health);
	agent_await(&agent, &waiting);
	assert_true(health.order < waiting.order);
	assert_int_equal(((Grpc__WaitProcessResponse *)waiting.call.response)->status, 3);
	pending_release(&waiting);
	pending_release(&health);
	finish("daemon");
}

static size_t waiting_in(int fd)
{
	int n = 0;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return (size_t)n;
}

/*
 * A process that says a line on err for each 16 KiB on out has filled all there is: the connection,
 * whose room is the kernel's affair (the memory of a buffer is counted, not its bytes; seen: 15 and
 * 16 lines in all), one chunk in the agent, its pipe. Its pipe being full, and nothing having moved
 * in two turns of the agent's, nothing will.
 */
static void await_stuck(int out, int err)
{
	const size_t unit = 16384, pipe = 4 * unit, chunk = unit;
	size_t lines = 0, before_turns;

	for (int i = 0; i < 3000; i++) {
		char line[64];
		ssize_t n;

		before_turns = waiting_in(out);
		agent_ok(&agent, "Check", &(Grpc__CheckRequest)GRPC__CHECK_REQUEST__INIT);
		agent_ok(&agent, "Check", &(Grpc__CheckRequest)GRPC__CHECK_REQUEST__INIT);
		n = recv(err, line, sizeof(line), MSG_DONTWAIT);
		lines += n > 0 ? (size_t)n : 0;
		if (n > 0 || before_turns == 0 || waiting_in(out) != before_turns ||
			lines * unit < before_turns + pipe - unit) {
			poll(NULL, 0, 10);
			continue;
		}
		/* the agent holds no more than that */
		assert_in_range(lines * unit, 1, before_turns + chunk + pipe);
		return;
	}
	fail_msg("%zu lines in 30 s, and %zu bytes unread", lines, waiting_in(out));
}

/* A host that does not read its stream: kill and removal do not wait for it, the code is there. */
static void test_c3_unread_stream(void **state)
{
	_cleanup_fd_ int out = dial(7062), err = dial(7063);
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct pending waiting;

	run_with("unread", "while head -c 16384 /dev/zero; do echo >&2; done", 0, 7062, 7063);
	await_stuck(out, err);
	wait.container_id = sig.container_id = (char *)"unread";
	agent_begin(&agent, agent.client, &waiting, "WaitProcess", &wait);
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	agent_ok(&agent, "Check", &check);
	container_remove_id(&agent, "unread");
	agent_await(&agent, &waiting);
	assert_int_equal(waiting.code, 0);
	assert_int_equal(((Grpc__WaitProcessResponse *)waiting.call.response)->status, 137);
	pending_release(&waiting);
	agent_assert_census(&agent, &before);
}

/* Its terminal hangs up. */
static void test_host_closes_terminal(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"trap 'exit 8' HUP; echo up; while :; do read line; echo $line; done", NULL};
	int in = dial(7074), out = dial(7075);
	struct test_container c;
	char text[8];

	container_fill(&c, &agent, "hangup", argv);
	c.process.terminal = true;
	c.request.stdin_port = 7074;
	c.request.stdout_port = 7075;
	container_send(&agent, &c);
	container_start_id(&agent, "hangup");
	assert_true(read(out, text, sizeof(text)) > 0);
	close(out);
	write_text(in, "this finds nobody\n");
	assert_int_equal(container_wait(&agent, "hangup", ""), 8);
	close(in);
	finish("hangup");
}

/* The host has gone: its process is told, as by a pipe without a reader. */
static void test_host_closes(void **state)
{
	int out = dial(7072);

	run_with("gone", "cat /dev/zero; exit 9", 0, 7072, 0);
	close(out);
	/* cat dies of SIGPIPE */
	assert_int_equal(container_wait(&agent, "gone", ""), 9);
	finish("gone");
}

/* Calls that are not for such a process: nothing is stolen, and it is said. */
static void test_calls_beside(void **state)
{
	_cleanup_fd_ int in = dial(7081), out = dial(7082);
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__CloseStdinRequest close_in = GRPC__CLOSE_STDIN_REQUEST__INIT;

	run_with("beside", "cat; echo end", 7081, 7082, 0);
	write.container_id = close_in.container_id = (char *)"beside";
	write.data.data = (uint8_t *)"x";
	write.data.len = 1;
	agent_fails(&agent, "WriteStdin", &write, STATUS_INTERNAL, "a connection of its own");
	assert_string_equal(container_output(&agent, "beside", "", false), "");
	/* CloseStdin is (7.4) */
	agent_ok(&agent, "CloseStdin", &close_in);
	assert_string_equal(read_all(out), "end\n");
	assert_int_equal(container_wait(&agent, "beside", ""), 0);
	finish("beside");
}

/* Claimed first: they end with a creation that fails, whatever fails. */
static void test_failures_close_them(void **state)
{
	static const char *const argv[] = {"no-such-program", NULL};
	_cleanup_fd_ int out = dial(7091), bad = dial(7092), lost = dial(7093);
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
	struct test_container c;

	container_fill(&c, &agent, "fails", argv);
	c.request.stdout_port = 7091;
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INTERNAL, "no-such-program");
	assert_string_equal(read_all(out), "");
	c.request.container_id = (char *)"?";
	c.request.stdout_port = 7092;
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INVALID_ARGUMENT, "container_id");
	assert_string_equal(read_all(bad), "");
	exec.container_id = (char *)"none";
	exec.stdout_port = 7093;
	agent_fails(&agent, "ExecProcess", &exec, STATUS_INTERNAL, "does not exist");
	assert_string_equal(read_all(lost), "");
	agent_assert_census(&agent, &before);
}

/* c36: connections that nobody claims are bounded; the oldest goes. */
static void test_c36_unclaimed_are_bounded(void **state)
{
	static int fds[258];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(8000 + (uint32_t)i);
		agent_ok(&agent, "Check", &(Grpc__CheckRequest)GRPC__CHECK_REQUEST__INIT);
	}
	assert_string_equal(read_all(fds[0]), "");
	assert_string_equal(read_all(fds[1]), "");
	run_with("third", "echo third", 0, 8002, 0);
	assert_string_equal(read_all(fds[2]), "third\n");
	container_remove_id(&agent, "third");
	assert_int_equal(agent_census_at_rest(&agent).fds, before.fds + 255);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void close_input(const char *id)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	request.container_id = (char *)id;
	agent_ok(&agent, "CloseStdin", &request);
}

/* CloseStdin behind more than the pipe and the copy hold: the rest is in the connection, and read.
 */
static void test_close_behind_full_pipe(void **state)
{
	_cleanup_fd_ int in = dial(7101), out = dial(7102);
	static char sent[160 << 10];

	run_with("behind", "sleep 1000; wc -c", 7101, 7102, 0);
	for (size_t done = 0; done < sizeof(sent);) {
		ssize_t n = write(in, sent + done, sizeof(sent) - done);

		assert_true(n > 0);
		done += (size_t)n;
	}
	close_input("behind");
	assert_int_equal(container_exec_sh(&agent, "behind", "go", "killall sleep", NULL), 0);
	assert_string_equal(read_all(out), "163840\n");
	assert_int_equal(container_wait(&agent, "behind", ""), 0);
	finish("behind");
}

/* The copy waits for the host. One turn of the agent's brings the call first, then the bytes. */
static void test_close_overtakes(void **state)
{
	_cleanup_fd_ int in = dial(7111), out = dial(7112);
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;
	struct pending closing;
	int status;

	run_with("late", "cat; echo end", 7111, 7112, 0);
	/* it has waited for the host from here on */
	agent_ok(&agent, "Check", &(Grpc__CheckRequest)GRPC__CHECK_REQUEST__INIT);
	kill(agent.pid, SIGSTOP);
	assert_int_equal(waitpid(agent.pid, &status, WUNTRACED), agent.pid);
	request.container_id = (char *)"late";
	agent_begin(&agent, agent.client, &closing, "CloseStdin", &request);
	for (int i = 0; i < 10; i++)
		event_loop_step(agent.loop, 0);
	write_text(in, "late\n");
	kill(agent.pid, SIGCONT);
	agent_await(&agent, &closing);
	assert_int_equal(closing.code, 0);
	pending_release(&closing);
	assert_string_equal(read_all(out), "late\nend\n");
	assert_int_equal(container_wait(&agent, "late", ""), 0);
	finish("late");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_three_streams),
	cmocka_unit_test(test_missing_streams),
	cmocka_unit_test(test_exec),
	cmocka_unit_test(test_terminal),
	cmocka_unit_test(test_c43_full_pipe),
	cmocka_unit_test(test_c3_daemon_holds_stdout),
	cmocka_unit_test(test_c3_unread_stream),
	cmocka_unit_test(test_host_closes),
	cmocka_unit_test(test_host_closes_terminal),
	cmocka_unit_test(test_calls_beside),
	cmocka_unit_test(test_close_behind_full_pipe),
	cmocka_unit_test(test_close_overtakes),
	cmocka_unit_test(test_failures_close_them),
	cmocka_unit_test(test_c36_unclaimed_are_bounded),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
