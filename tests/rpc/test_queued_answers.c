/*
 * Answers that are queued when their connection dies: an exit code is not lost with it, and what
 * was made for a caller that never heard of it is undone.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/socket.h"
#include "base/strings.h"
#include "lib/test_main.h"
#include "lib/ttrpc_peer.h"

#define SERVICE	 "grpc.AgentService"
#define READS	 150
#define ASKED_ID 5001

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	agent_start(&agent);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void peer_dial(struct ttrpc_peer *peer)
{
	struct error err = ERROR_INIT;
	struct address address;
	char text[128];
	int fd;

	str_format(text, sizeof(text), "unix://%s", agent.socket);
	assert_int_equal(address_parse(text, &address, &err), 0);
	fd = address_connect(&address, 1000, &err);
	assert_true(fd >= 0);
	peer_init(peer, fd, NULL, NULL);
}

static void write_line(const char *id)
{
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;

	write.container_id = (char *)id;
	write.data.data = (uint8_t *)"\n";
	write.data.len = 1;
	agent_ok(&agent, "WriteStdin", &write);
}

/* Asks until the container is in this state, as the agent knows it. */
static void await_state(const char *id, const char *name)
{
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct error err = ERROR_INIT;

	resume.container_id = (char *)id;
	do {
		struct client_call call = {0};

		assert_int_not_equal(
			agent_call(&agent, &call, "ResumeContainer", &resume, &err), 0);
		client_call_release(&call);
	} while (!strstr(err.text, name));
}

/* What has come to the peer's socket, without taking it: is the answer of this stream in it? */
static bool has_arrived(const struct ttrpc_peer *peer, uint32_t stream_id)
{
	static uint8_t bytes[2 << 20];
	ssize_t n = recv(peer->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	size_t at = 0;

	assert_true(n > 0);
	while (at + FRAME_HEADER_SIZE <= (size_t)n) {
		struct frame_header header = frame_header_decode(bytes + at);

		if (header.stream_id == stream_id)
			return true;
		at += FRAME_HEADER_SIZE + header.length;
	}
	return false;
}

/*
 * A connection whose answers nobody reads, with more of them than its socket holds: what is asked
 * on it from now on stays queued in the agent.
 */
static void dial_full(struct ttrpc_peer *peer)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	uint32_t stream_id = 1001;

	container_run(&agent, "noisy", "cat /dev/zero & read line; echo seen >&2; wait");
	peer_dial(peer);
	read.container_id = write.container_id = (char *)"noisy";
	read.len = 4096;
	write.data.data = (uint8_t *)"\n";
	write.data.len = 1;
	for (int i = 0; i < READS; i++)
		assert_true(peer_send_request(
			peer, stream_id += 2, SERVICE, "ReadStdout", &read.base, 0));
	/* the last request: its effect tells that all of them have come */
	assert_true(peer_send_request(peer, stream_id + 2, SERVICE, "WriteStdin", &write.base, 0));
	agent_ok(&agent, "ReadStderr", &read);
	/* behind the peer's reads: they are answered */
	agent_ok(&agent, "ReadStdout", &read);
}

static void ask_to_wait(struct ttrpc_peer *peer, const char *id)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;

	wait.container_id = write.container_id = read.container_id = (char *)id;
	write.data.data = (uint8_t *)"\n";
	write.data.len = 1;
	read.len = 100;
	assert_true(peer_send_request(peer, ASKED_ID, SERVICE, "WaitProcess", &wait.base, 0));
	assert_true(peer_send_request(peer, ASKED_ID + 2, SERVICE, "WriteStdin", &write.base, 0));
	agent_ok(&agent, "ReadStdout", &read);
}

/* Closes the connection; the agent has seen it when this returns. */
static void hang_up(struct ttrpc_peer *peer)
{
	int fds = agent_census(&agent).fds;

	peer_release(peer);
	for (int i = 0; agent_census(&agent).fds >= fds; i++) {
		assert_true(i < 3000);
		event_loop_step(agent.loop, 10);
	}
}

static void check_not_found(const char *id)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

	wait.container_id = (char *)id;
	agent_fails(&agent, "WaitProcess", &wait, STATUS_NOT_FOUND, "not found");
}

/* The order, and not the time: the answer is behind bytes that nobody has read. */
static void test_queued_answer_of_a_dead_connection(void **state)
{
	struct ttrpc_peer peer;

	dial_full(&peer);
	container_run(&agent, "quiet", "read line; echo asked; read line; exit 7");
	ask_to_wait(&peer, "quiet");
	write_line("quiet");
	await_state("quiet", "it is stopped");
	assert_false(has_arrived(&peer, ASKED_ID));
	hang_up(&peer);
	assert_int_equal(container_wait(&agent, "quiet", ""), 7);
	check_not_found("quiet");
	container_remove_id(&agent, "quiet");
	container_remove_id(&agent, "noisy");
	agent_assert_census(&agent, &before);
}

/* The container is gone before its answer is written, and another has its name. */
static void test_queued_answer_and_a_new_container(void **state)
{
	struct ttrpc_peer peer;
	struct peer_frame frame;
	bool found = false;

	dial_full(&peer);
	container_run(&agent, "twice", "read line; echo asked; read line; exit 7");
	ask_to_wait(&peer, "twice");
	write_line("twice");
	await_state("twice", "it is stopped");
	assert_false(has_arrived(&peer, ASKED_ID));
	container_remove_id(&agent, "twice");
	container_run(&agent, "twice", "exit 8");
	await_state("twice", "it is stopped");
	/* the peer reads at last: it is told of the first, and the second's code stays */
	while (!found && peer_read_frame(&peer, &frame)) {
		found = frame.header.stream_id == ASKED_ID;
		peer_frame_release(&frame);
	}
	assert_true(found);
	hang_up(&peer);
	assert_int_equal(container_wait(&agent, "twice", ""), 8);
	container_remove_id(&agent, "twice");
	container_remove_id(&agent, "noisy");
	agent_assert_census(&agent, &before);
}

static void test_c40_queued_creation(void **state)
{
	static const char *const argv[] = {"sh", "-c", "echo ok", NULL};
	struct test_container c;
	struct ttrpc_peer peer;
	const char *output;

	dial_full(&peer);
	container_fill(&c, &agent, "unknown", argv);
	assert_true(
		peer_send_request(&peer, ASKED_ID, SERVICE, "CreateContainer", &c.request.base, 0));
	await_state("unknown", "it is created");
	assert_false(has_arrived(&peer, ASKED_ID));
	hang_up(&peer);
	container_remove_id(&agent, "noisy");
	agent_assert_census(&agent, &before);
	assert_int_equal(container_whole(&agent, "unknown", "echo ok", &output), 0);
	assert_string_equal(output, "ok\n");
}

/* Removed by another before its answer is lost: the request's memory has gone with it. */
static void test_queued_creation_of_a_removed_container(void **state)
{
	static const char *const argv[] = {"sh", "-c", "echo ok", NULL};
	struct test_container c;
	struct ttrpc_peer peer;

	dial_full(&peer);
	container_fill(&c, &agent, "removed", argv);
	assert_true(
		peer_send_request(&peer, ASKED_ID, SERVICE, "CreateContainer", &c.request.base, 0));
	await_state("removed", "it is created");
	assert_false(has_arrived(&peer, ASKED_ID));
	container_remove_id(&agent, "removed");
	hang_up(&peer);
	container_remove_id(&agent, "noisy");
	agent_assert_census(&agent, &before);
}

/* The exec's first bytes have come: it runs. */
static void await_exec(const char *id, const char *exec_id)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	int code;

	read.container_id = (char *)id;
	read.exec_id = (char *)exec_id;
	read.len = 100;
	do
		code = agent_call(&agent, &call, "ReadStdout", &read, NULL);
	while (code == STATUS_NOT_FOUND);
	assert_int_equal(code, 0);
	client_call_release(&call);
}

/* Asks until the process is unknown. */
static void await_unknown(const char *id, const char *exec_id)
{
	Grpc__SignalProcessRequest probe = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct client_call call = {0};

	probe.container_id = (char *)id;
	probe.exec_id = (char *)exec_id;
	while (agent_call(&agent, &call, "SignalProcess", &probe, NULL) != STATUS_NOT_FOUND)
		;
	client_call_release(&call);
}

static void test_queued_exec(void **state)
{
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__Process process = GRPC__PROCESS__INIT;
	char *args[] = {(char *)"/bin/sh", (char *)"-c", (char *)"echo up; exec sleep 1000"};
	struct ttrpc_peer peer;

	dial_full(&peer);
	container_run(&agent, "home", "echo up; exec sleep 1000");
	exec.container_id = (char *)"home";
	exec.exec_id = (char *)"unknown";
	exec.process = &process;
	process.args = args;
	process.n_args = 3;
	process.cwd = (char *)"/";
	assert_true(peer_send_request(&peer, ASKED_ID, SERVICE, "ExecProcess", &exec.base, 0));
	await_exec("home", "unknown");
	assert_false(has_arrived(&peer, ASKED_ID));
	hang_up(&peer);
	await_unknown("home", "unknown");
	container_remove_id(&agent, "home");
	container_remove_id(&agent, "noisy");
	agent_assert_census(&agent, &before);
}

/* Once it was answered: NOT_FOUND at once, for init by any of its names, and for an exec (1.6). */
static void test_after_collection(void **state)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

	container_run(&agent, "once", "read line; exit 3");
	assert_int_equal(container_exec_sh(&agent, "once", "e", "exit 4", NULL), 0);
	assert_int_equal(container_wait(&agent, "once", "e"), 4);
	wait.container_id = (char *)"once";
	wait.exec_id = (char *)"e";
	agent_fails(&agent, "WaitProcess", &wait, STATUS_NOT_FOUND, "not found");
	/* the id is free again */
	assert_int_equal(container_exec_sh(&agent, "once", "e", "exit 5", NULL), 0);
	assert_int_equal(container_wait(&agent, "once", "e"), 5);
	write_line("once");
	assert_int_equal(container_wait(&agent, "once", "once"), 3);
	check_not_found("once");
	wait.exec_id = (char *)"once";
	agent_fails(&agent, "WaitProcess", &wait, STATUS_NOT_FOUND, "not found");
	container_remove_id(&agent, "once");
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_queued_answer_of_a_dead_connection),
	cmocka_unit_test(test_queued_answer_and_a_new_container),
	cmocka_unit_test(test_c40_queued_creation),
	cmocka_unit_test(test_queued_creation_of_a_removed_container),
	cmocka_unit_test(test_queued_exec),
	cmocka_unit_test(test_after_collection),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
