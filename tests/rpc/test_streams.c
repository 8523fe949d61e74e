/* Stdin, stdout, stderr: nothing lost, nothing twice, end of file when it is due, nothing stuck. */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct agent agent;

static int setup(void **state)
{
	agent_start(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static int write_stdin(const char *id, const void *data, size_t len)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	int r;

	request.container_id = (char *)id;
	request.data.data = (uint8_t *)data;
	request.data.len = len;
	r = agent_call(&agent, &call, "WriteStdin", &request, &err);
	if (r == 0)
		assert_int_equal(((Grpc__WriteStreamResponse *)call.response)->len, len);
	client_call_release(&call);
	return r;
}

static void close_stdin(const char *id)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	request.container_id = (char *)id;
	agent_ok(&agent, "CloseStdin", &request);
}

static void test_stderr_is_apart(void **state)
{
	container_run(&agent, "both", "echo out; echo err >&2");
	assert_string_equal(container_output(&agent, "both", "", false), "out\n");
	assert_string_equal(container_output(&agent, "both", "", true), "err\n");
	assert_int_equal(container_wait(&agent, "both", ""), 0);
	container_remove_id(&agent, "both");
}

static void test_stdin_round_trip(void **state)
{
	container_run(&agent, "cat", "cat");
	assert_int_equal(write_stdin("cat", "one ", 4), 0);
	assert_int_equal(write_stdin("cat", "two", 3), 0);
	close_stdin("cat");
	assert_string_equal(container_output(&agent, "cat", "", false), "one two");
	assert_int_equal(container_wait(&agent, "cat", ""), 0);
	container_remove_id(&agent, "cat");
}

/* Data and end of file sent before start arrive all the same. */
static void test_stdin_before_start(void **state)
{
	static const char *const argv[] = {"cat", NULL};
	struct test_container c;

	container_fill(&c, &agent, "early", argv);
	container_send(&agent, &c);
	assert_int_equal(write_stdin("early", "early", 5), 0);
	assert_int_equal(write_stdin("early", "", 0), 0); /* empty: end of file */
	container_start_id(&agent, "early");
	assert_string_equal(container_output(&agent, "early", "", false), "early");
	container_remove_id(&agent, "early");
}

/* More than a pipe holds: the write waits, Health answers before it is done, every byte arrives. */
static void test_full_stdin_blocks_nobody(void **state)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	size_t len = 1 << 20;
	struct pending write, second, health;
	char *data = malloc(len);

	memset(data, 'x', len);
	container_run(&agent, "full", "read line; wc -c");
	request.container_id = (char *)"full";
	request.data.data = (uint8_t *)data;
	request.data.len = len;
	agent_begin(&agent, NULL, &write, "WriteStdin", &request);
	agent_begin(&agent, NULL, &health, "Check", &check);
	agent_await(&agent, &health);
	assert_false(write.done);
	/* a second writer queues behind the first; its newline lets the reader go on */
	data[0] = '\n';
	request.data.len = 1;
	agent_begin(&agent, NULL, &second, "WriteStdin", &request);
	close_stdin("full");
	/* `read` takes one byte at a time and needs the newline: it drains all of it */
	agent_await(&agent, &write);
	agent_await(&agent, &second);
	assert_int_equal(write.code, 0);
	assert_int_equal(second.code, 0);
	assert_true(write.order < second.order);
	assert_string_equal(container_output(&agent, "full", "", false), "0\n");
	assert_int_equal(container_wait(&agent, "full", ""), 0);
	container_remove_id(&agent, "full");
	pending_release(&write);
	pending_release(&second);
	pending_release(&health);
	free(data);
}

/* The reader goes away while a write waits: EPIPE, not a hang. */
static void test_write_to_ended_process(void **state)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct pending write;
	size_t len = 1 << 20;
	char *data = calloc(1, len);

	container_run(&agent, "gone", "sleep 1000");
	request.container_id = (char *)"gone";
	request.data.data = (uint8_t *)data;
	request.data.len = len;
	agent_begin(&agent, NULL, &write, "WriteStdin", &request);
	{
		Grpc__SignalProcessRequest kill = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

		kill.container_id = (char *)"gone";
		kill.signal = SIGKILL;
		agent_ok(&agent, "SignalProcess", &kill);
	}
	agent_await(&agent, &write);
	assert_int_equal(write.code, STATUS_INTERNAL);
	assert_non_null(strstr(write.err.text, "EPIPE"));
	container_remove_id(&agent, "gone");
	pending_release(&write);
	free(data);
}

/* c55: output that nobody had read when WaitProcess was answered is still there. */
static void test_output_survives_wait(void **state)
{
	container_run(&agent, "tail", "echo tail of output");
	assert_int_equal(container_wait(&agent, "tail", ""), 0);
	assert_string_equal(container_output(&agent, "tail", "", false), "tail of output\n");
	container_remove_id(&agent, "tail");
}

/* c4: a grandchild holds the pipe; a read issued after the exit ends all the same. */
static void test_read_after_exit_with_grandchild(void **state)
{
	container_run(&agent, "grand", "true");
	container_wait(&agent, "grand", "");
	container_remove_id(&agent, "grand");
	container_run(&agent, "grand", "sleep 1000");
	assert_int_equal(
		container_exec_sh(&agent, "grand", "e", "echo x; sleep 1000 & exit 0", NULL), 0);
	assert_string_equal(container_output(&agent, "grand", "e", false), "x\n");
	assert_string_equal(container_output(&agent, "grand", "e", false), "");
	assert_int_equal(container_wait(&agent, "grand", "e"), 0);
	container_remove_id(&agent, "grand");
}

/* c35, c56: len is a maximum, not an allocation. */
static void test_huge_len(void **state)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};

	container_run(&agent, "len", "echo some; sleep 1000");
	read.container_id = (char *)"len";
	read.len = UINT32_MAX;
	assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
	assert_int_equal(((Grpc__ReadStreamResponse *)call.response)->data.len, 5);
	client_call_release(&call);
	read.len = 0;
	agent_fails(&agent, "ReadStdout", &read, STATUS_INVALID_ARGUMENT, "len");
	container_remove_id(&agent, "len");
}

/* Nobody reads: kill, wait and remove work, and stdin's full pipe does not matter either. */
static void test_unread_output_blocks_nothing(void **state)
{
	struct agent_census before = agent_census(&agent);
	Grpc__SignalProcessRequest kill = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	container_run(&agent, "flood", "yes");
	kill.container_id = (char *)"flood";
	kill.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &kill);
	assert_int_equal(container_wait(&agent, "flood", ""), 137);
	container_remove_id(&agent, "flood");
	agent_assert_census(&agent, &before);
}

/* 64 MiB, byte for byte. */
static void test_much_output(void **state)
{
	container_expect_much_output(&agent, "much", 64u << 20);
}

/* One ReadStdout or ReadStderr, as large as the agent likes: its bytes, 0 at the end. */
static size_t read_once(const char *id, const char *method)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;
	const Grpc__ReadStreamResponse *response;
	struct pending read;
	size_t len;

	request.container_id = (char *)id;
	request.len = 1 << 20;
	agent_begin(&agent, NULL, &read, method, &request);
	agent_await(&agent, &read);
	assert_int_equal(read.code, 0);
	response = (const void *)read.call.response;
	len = response->data.len;
	pending_release(&read);
	return len;
}

/* A full pipe is answered whole, and given room: then a read has more than the kernel's 64 KiB. */
static void test_room_for_much_output(void **state)
{
	container_run(&agent, "roomy",
		"head -c 65536 /dev/zero; echo full >&2; read x; head -c 234464 /dev/zero");
	/* its own line of stderr says that the pipe is full */
	assert_int_equal(read_once("roomy", "ReadStderr"), 5);
	assert_int_equal(read_once("roomy", "ReadStdout"), 65536);
	assert_int_equal(write_stdin("roomy", "\n", 1), 0);
	assert_int_equal(container_wait(&agent, "roomy", ""), 0);
	assert_int_equal(read_once("roomy", "ReadStdout"), 234464);
	assert_int_equal(read_once("roomy", "ReadStdout"), 0);
	container_remove_id(&agent, "roomy");
}

static const char *rootfs_file(const char *name)
{
	static char path[2][300];
	static unsigned turn;

	turn = !turn;
	str_format(path[turn], sizeof(path[turn]), "%s/%s", agent.rootfs, name);
	return path[turn];
}

static void expect_answer(struct pending *read, const char *want)
{
	const Grpc__ReadStreamResponse *response;

	agent_await(&agent, read);
	assert_int_equal(read->code, 0);
	response = (const Grpc__ReadStreamResponse *)read->call.response;
	assert_int_equal(response->data.len, strlen(want));
	assert_memory_equal(response->data.data, want, response->data.len);
	pending_release(read);
}

/*
 * A caller with several reads under way gets its bytes in the order of asking: the agent finds, at
 * once, a new read and then output for the one that waits; the new one must not take it.
 */
static void test_a_waiting_read_is_not_overtaken(void **state)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;
	struct pending first, second, third;
	FILE *go;

	container_run(&agent, "order",
		"echo -n a; while [ ! -e /go ]; do :; done; echo -n b; : > /written; exit 0");
	request.container_id = (char *)"order";
	request.len = 100;
	agent_begin(&agent, NULL, &first, "ReadStdout", &request);
	agent_begin(&agent, NULL, &second, "ReadStdout", &request);
	expect_answer(&first, "a");
	kill(agent.pid, SIGSTOP);
	agent_begin(&agent, NULL, &third, "ReadStdout", &request);
	event_loop_step(agent.loop, 0); /* the request is on its way */
	go = fopen(rootfs_file("go"), "w");
	assert_non_null(go);
	fclose(go);
	while (access(rootfs_file("written"), F_OK) < 0)
		sched_yield();
	kill(agent.pid, SIGCONT);
	expect_answer(&second, "b");
	expect_answer(&third, "");
	assert_int_equal(container_wait(&agent, "order", ""), 0);
	container_remove_id(&agent, "order");
	unlink(rootfs_file("go"));
	unlink(rootfs_file("written"));
}

static void read_fails(const char *id, const char *exec, int code, const char *text)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;

	read.container_id = (char *)id;
	read.exec_id = (char *)exec;
	read.len = 100;
	agent_fails(&agent, "ReadStdout", &read, code, text);
}

static bool logged(const char *text)
{
	static char log[8 << 20];

	assert_true(file_read(scratch_path("agent.log"), log, sizeof(log)) > 0);
	return strstr(log, text) != NULL;
}

/*
 * Unread output after WaitProcess: until it is drained (whoever read to the end is told of no such
 * process), until its container is removed, or for ten seconds, after which its pipes are closed.
 */
static void test_unread_output_stays(void **state)
{
	struct agent_census before = agent_census(&agent), running;
	uint64_t ended;

	container_run(&agent, "stay", "sleep 1000");
	running = agent_census_at_rest(&agent);
	for (int i = 0; i < 3; i++) {
		char exec[8];

		ended = event_loop_now_ns();
		str_format(exec, sizeof(exec), "s%d", i);
		assert_int_equal(container_exec_sh(&agent, "stay", exec, "echo kept", NULL), 0);
		assert_int_equal(container_wait(&agent, "stay", exec), 0);
	}
	assert_string_equal(container_output(&agent, "stay", "s0", false), "kept\n");
	assert_string_equal(container_output(&agent, "stay", "s0", true), "");
	read_fails("stay", "s0", STATUS_NOT_FOUND, "s0");
	while (agent_census(&agent).fds != running.fds)
		event_loop_step(agent.loop, 10);
	/* the last one no sooner */
	assert_true(event_loop_now_ns() - ended >= (STREAM_LINGER_MS - 200) * 1000000ull);
	read_fails("stay", "s1", STATUS_NOT_FOUND, "s1");
	assert_int_equal(container_exec_sh(&agent, "stay", "s3", "echo kept", NULL), 0);
	assert_int_equal(container_wait(&agent, "stay", "s3"), 0);
	container_remove_id(&agent, "stay");
	read_fails("stay", "s3", STATUS_INVALID_ARGUMENT, "does not exist");
	/* at once, not after its ten seconds */
	assert_int_equal(agent_census_at_rest(&agent).fds, before.fds);
}

/* Asks for all their exit codes in one turn of the agent's loop. */
static void collect_at_once(const char *id, unsigned first, unsigned count)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	static struct pending waits[128];
	char exec[16];

	wait.container_id = (char *)id;
	wait.exec_id = exec;
	for (unsigned i = 0; i < count; i++) {
		str_format(exec, sizeof(exec), "e%u", first + i);
		agent_begin(&agent, NULL, &waits[i], "WaitProcess", &wait);
	}
	for (unsigned i = 0; i < count; i++) {
		agent_await(&agent, &waits[i]);
		assert_int_equal(waits[i].code, 0);
		pending_release(&waits[i]);
	}
}

static void run_execs(const char *id, unsigned count, const char *script)
{
	char exec[16];

	for (unsigned i = 0; i < count; i++) {
		str_format(exec, sizeof(exec), "e%u", i);
		assert_int_equal(container_exec_sh(&agent, id, exec, script, NULL), 0);
	}
}

/* Unread output lingers for LINGERING_MAX processes; those without any do not count. */
static void test_lingering_output_is_bounded(void **state)
{
	char exec[16];

	container_run(&agent, "ling", "sleep 1000");
	run_execs("ling", LINGERING_MAX + 6, "echo $$ > /dev/null; echo kept");
	collect_at_once("ling", 0, LINGERING_MAX + 6);
	for (unsigned i = 0; i < 6; i++) {
		str_format(exec, sizeof(exec), "e%u", i);
		read_fails("ling", exec, STATUS_NOT_FOUND, exec);
	}
	/* and it is said of each */
	assert_true(logged("unread output dropped") && logged("\"process\":\"e5\""));
	assert_false(logged("\"process\":\"e6\""));
	assert_string_equal(container_output(&agent, "ling", "e6", false), "kept\n");
	str_format(exec, sizeof(exec), "e%u", LINGERING_MAX + 5);
	assert_string_equal(container_output(&agent, "ling", exec, false), "kept\n");
	container_remove_id(&agent, "ling");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_stderr_is_apart),
	cmocka_unit_test(test_stdin_round_trip),
	cmocka_unit_test(test_stdin_before_start),
	cmocka_unit_test(test_full_stdin_blocks_nobody),
	cmocka_unit_test(test_write_to_ended_process),
	cmocka_unit_test(test_output_survives_wait),
	cmocka_unit_test(test_read_after_exit_with_grandchild),
	cmocka_unit_test(test_huge_len),
	cmocka_unit_test(test_room_for_much_output),
	cmocka_unit_test(test_unread_output_blocks_nothing),
	cmocka_unit_test(test_a_waiting_read_is_not_overtaken),
	cmocka_unit_test(test_unread_output_stays),
	cmocka_unit_test(test_lingering_output_is_bounded),
	cmocka_unit_test(test_much_output),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
