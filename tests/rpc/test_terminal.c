/* Containers and execs with a terminal: window size, input, output, its end, and what closes it. */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/strings.h"
#include "lib/test_main.h"

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

static void create(struct test_container *c, const char *id, const char *script)
{
	const char *argv[] = {"sh", "-c", script, NULL};

	container_fill(c, &agent, id, argv);
	c->process.terminal = true;
	container_send(&agent, c);
}

static void run(const char *id, const char *script)
{
	struct test_container c;

	create(&c, id, script);
	container_start_id(&agent, id);
}

static Grpc__TtyWinResizeRequest size_request(const char *id, uint32_t rows, uint32_t columns)
{
	Grpc__TtyWinResizeRequest request = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;

	request.container_id = (char *)id;
	request.row = rows;
	request.column = columns;
	return request;
}

static void resize(const char *id, uint32_t rows, uint32_t columns)
{
	Grpc__TtyWinResizeRequest request = size_request(id, rows, columns);

	agent_ok(&agent, "TtyWinResize", &request);
}

static Grpc__WriteStreamRequest input(const char *id, const char *exec_id, const char *text)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.data.data = (uint8_t *)text;
	request.data.len = strlen(text);
	return request;
}

static void type(const char *id, const char *exec_id, const char *text)
{
	Grpc__WriteStreamRequest request = input(id, exec_id, text);

	agent_ok(&agent, "WriteStdin", &request);
}

static void begin_read(struct pending *read, const char *id, const char *method)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	request.container_id = (char *)id;
	request.len = 1000;
	agent_begin(&agent, NULL, read, method, &request);
}

static void expect_answer(struct pending *read, const char *want)
{
	const Grpc__ReadStreamResponse *response;

	agent_await(&agent, read);
	if (read->code != 0)
		fail_msg("read: code %d: %s", read->code, read->err.text);
	response = (const Grpc__ReadStreamResponse *)read->call.response;
	assert_int_equal(response->data.len, strlen(want));
	assert_memory_equal(response->data.data, want, response->data.len);
	pending_release(read);
}

static void expect_output(const char *id, const char *want)
{
	struct pending read;

	begin_read(&read, id, "ReadStdout");
	expect_answer(&read, want);
}

static void end(const char *id, int status)
{
	assert_int_equal(container_wait(&agent, id, ""), status);
	container_remove_id(&agent, id);
	agent_assert_census(&agent, &before);
}

/* Typed, echoed by the terminal, read by the program, and its end is an empty answer (c27). */
static void test_interactive(void **state)
{
	run("talk", "tty; read line; echo \"got $line\"; test -t 0 -a -t 1 -a -t 2 && exit 4");
	expect_output("talk", "/dev/pts/0\r\n");
	type("talk", "talk", "hello\n");
	assert_string_equal(container_output(&agent, "talk", "", false), "hello\r\ngot hello\r\n");
	end("talk", 4);
}

static void test_size_before_start(void **state)
{
	struct test_container c;

	create(&c, "early", "stty size");
	resize("early", 24, 80);
	resize("early", 40, 120);
	container_start_id(&agent, "early");
	assert_string_equal(container_output(&agent, "early", "", false), "40 120\r\n");
	end("early", 0);
}

static void test_size_while_running(void **state)
{
	run("late", "trap 'stty size; exit 3' WINCH; echo up; while :; do sleep 0.1; done");
	expect_output("late", "up\r\n");
	resize("late", 50, 132);
	assert_string_equal(container_output(&agent, "late", "", false), "50 132\r\n");
	end("late", 3);
}

/* Process.ConsoleSize, which Kata's agent leaves alone. */
static void test_console_size(void **state)
{
	static const char *const argv[] = {"stty", "size", NULL};
	Grpc__Box size = GRPC__BOX__INIT;
	struct test_container c;

	size.height = 25;
	size.width = 81;
	container_fill(&c, &agent, "box", argv);
	c.process.terminal = true;
	c.process.consolesize = &size;
	container_send(&agent, &c);
	container_start_id(&agent, "box");
	assert_string_equal(container_output(&agent, "box", "", false), "25 81\r\n");
	end("box", 0);
}

static void test_refused_sizes(void **state)
{
	Grpc__TtyWinResizeRequest request = size_request("pipes", 24, 80);

	container_run(&agent, "pipes", "sleep 1000");
	agent_fails(&agent, "TtyWinResize", &request, STATUS_UNAVAILABLE, "no terminal");
	request.row = 65536;
	agent_fails(&agent, "TtyWinResize", &request, STATUS_INVALID_ARGUMENT, "65536 x 80");
	request.exec_id = (char *)"nobody";
	agent_fails(&agent, "TtyWinResize", &request, STATUS_NOT_FOUND, "nobody");
	request.container_id = (char *)"nothing";
	agent_fails(&agent, "TtyWinResize", &request, STATUS_INVALID_ARGUMENT, "nothing");
	container_remove_id(&agent, "pipes");
	agent_assert_census(&agent, &before);
}

/* c27: a terminal has one stream; whoever reads stderr finds its end and takes nothing. */
static void test_c27_read_stderr_steals_nothing(void **state)
{
	struct pending errors;

	run("one", "read line; echo out; echo err >&2");
	begin_read(&errors, "one", "ReadStderr");
	expect_answer(&errors, "");
	type("one", "", "\n");
	assert_string_equal(container_output(&agent, "one", "", false), "\r\nout\r\nerr\r\n");
	end("one", 0);
}

/* c27: CloseStdin refuses further input and hangs nothing up. */
static void test_c27_close_stdin_keeps_the_terminal(void **state)
{
	Grpc__CloseStdinRequest close_stdin = GRPC__CLOSE_STDIN_REQUEST__INIT;
	Grpc__WriteStreamRequest more = input("shut", "", "more\n");

	run("shut", "trap 'echo resized; stty size; exit 0' WINCH; trap 'exit 99' HUP; echo up; "
		    "while :; do sleep 0.1; done");
	expect_output("shut", "up\r\n");
	close_stdin.container_id = (char *)"shut";
	agent_ok(&agent, "CloseStdin", &close_stdin);
	agent_ok(&agent, "CloseStdin", &close_stdin);
	agent_fails(&agent, "WriteStdin", &more, STATUS_INTERNAL, "closed");
	resize("shut", 10, 20);
	assert_string_equal(container_output(&agent, "shut", "", false), "resized\r\n10 20\r\n");
	end("shut", 0);
}

static const char *rootfs_file(const char *name)
{
	static char path[2][300];
	static unsigned turn;

	turn = !turn;
	str_format(path[turn], sizeof(path[turn]), "%s/%s", agent.rootfs, name);
	return path[turn];
}

/* A program may close its terminal for a while: the reader waits on. */
static void test_reopened_terminal(void **state)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct pending read;
	FILE *go;

	run("again", "exec < /dev/null > /dev/null 2>&1; touch /closed; "
		     "while [ ! -e /go ]; do sleep 0.02; done; echo back > /dev/tty");
	begin_read(&read, "again", "ReadStdout");
	while (access(rootfs_file("closed"), F_OK) < 0)
		sched_yield();
	agent_ok(&agent, "Check", &check);
	agent_ok(&agent, "Check", &check);
	assert_false(read.done);
	go = fopen(rootfs_file("go"), "w");
	assert_non_null(go);
	fclose(go);
	expect_answer(&read, "back\r\n");
	unlink(rootfs_file("go"));
	unlink(rootfs_file("closed"));
	end("again", 0);
}

/* ---- execs
 * ---------------------------------------------------------------------------------------- */

static void fill_exec(Grpc__ExecProcessRequest *request, Grpc__Process *process, char **args)
{
	grpc__exec_process_request__init(request);
	grpc__process__init(process);
	process->args = args;
	while (args[process->n_args])
		process->n_args++;
	process->terminal = true;
	process->cwd = (char *)"/";
	request->container_id = (char *)"host";
	request->exec_id = (char *)"exec";
	request->process = process;
}

/* Its size is asked for while it is being set up, before there is a terminal: kept. */
static void test_exec_resized_while_it_starts(void **state)
{
	static char *args[] = {
		(char *)"/bin/sh", (char *)"-c", (char *)"read line; stty size; tty", NULL};
	Grpc__TtyWinResizeRequest size = size_request("host", 33, 99);
	Grpc__ExecProcessRequest request;
	Grpc__Process process;
	struct pending exec, resized;

	container_run(&agent, "host", "sleep 1000");
	fill_exec(&request, &process, args);
	size.exec_id = (char *)"exec";
	kill(agent.pid, SIGSTOP);
	agent_begin(&agent, NULL, &exec, "ExecProcess", &request);
	agent_begin(&agent, NULL, &resized, "TtyWinResize", &size);
	event_loop_step(agent.loop, 0);
	event_loop_step(agent.loop, 0);
	kill(agent.pid, SIGCONT);
	agent_await(&agent, &resized);
	agent_await(&agent, &exec);
	assert_int_equal(exec.code, 0);
	if (resized.code)
		fail_msg("TtyWinResize: code %d: %s", resized.code, resized.err.text);
	assert_true(resized.order < exec.order);
	pending_release(&exec);
	pending_release(&resized);
	type("host", "exec", "\n");
	assert_string_equal(
		container_output(&agent, "host", "exec", false), "\r\n33 99\r\n/dev/pts/0\r\n");
	assert_int_equal(container_wait(&agent, "host", "exec"), 0);
	container_remove_id(&agent, "host");
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_interactive),
	cmocka_unit_test(test_size_before_start),
	cmocka_unit_test(test_size_while_running),
	cmocka_unit_test(test_console_size),
	cmocka_unit_test(test_refused_sizes),
	cmocka_unit_test(test_c27_read_stderr_steals_nothing),
	cmocka_unit_test(test_c27_close_stdin_keeps_the_terminal),
	cmocka_unit_test(test_reopened_terminal),
	cmocka_unit_test(test_exec_resized_while_it_starts),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
