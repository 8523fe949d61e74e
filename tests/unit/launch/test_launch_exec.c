/*
 * Tests agent/launch/launch.c and launch_child.c: execs into a container, and processes on a
 * terminal. Real processes, as root.
 */
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/launch/launch_asserts.h"

/* ---- exec ----------------------------------------------------------------------------------- */

static void test_exec_joins(void **state)
{
	static struct fixture_process p;

	start_sleeper();
	fixture_shell(&f, "hostname; cat /etc/passwd | head -n1; tr '\\0' ' ' < /proc/1/cmdline; "
			  "ls /proc/self/fd");
	if (!fixture_exec(&f, &p))
		fail_msg("%s", p.text);
	assert_true(fixture_start(&f, &p));
	assert_int_equal(fixture_wait(&f, &p), 0);
	assert_string_equal(p.output, "fixture\nroot:x:0:0:root:/root:/bin/sh\nsleep 100 "
				      "0\n1\n2\n3\n");
	fixture_process_release(&p);
}

static void test_exec_into_created(void **state)
{
	static struct fixture_process p;

	fixture_args(&f, "sleep", "100", NULL);
	assert_true(fixture_create(&f));
	fixture_args(&f, "hostname", NULL);
	assert_true(fixture_exec(&f, &p));
	assert_true(fixture_start(&f, &p));
	assert_int_equal(fixture_wait(&f, &p), 0);
	assert_string_equal(p.output, "fixture\n");
	fixture_process_release(&p);
}

/* What an exec does not send comes from the container. */
static void test_exec_inherits(void **state)
{
	static struct fixture_process p;
	Grpc__Process init;

	fixture_rlimit(&f, "RLIMIT_NOFILE", 111, 111);
	f.process.oomscoreadj = 222;
	start_sleeper();
	init = f.process;
	f.spec.process = &init;
	f.process.capabilities = NULL;
	f.process.n_rlimits = 0;
	f.process.oomscoreadj = 0;
	fixture_shell(&f, "ulimit -n; cat /proc/self/oom_score_adj; grep CapBnd /proc/self/status");
	assert_true(fixture_exec(&f, &p));
	assert_true(fixture_start(&f, &p));
	assert_int_equal(fixture_wait(&f, &p), 0);
	/* chown, dac_override, kill, setgid, setuid, net_bind_service */
	assert_string_equal(p.output, "111\n222\nCapBnd:\t00000000000004e3\n");
	fixture_process_release(&p);
}

static void test_exec_failures(void **state)
{
	static struct fixture_process p;

	start_sleeper();
	fixture_args(&f, "nothing-here", NULL);
	assert_false(fixture_exec(&f, &p));
	assert_contains(p.text, "the file nothing-here was not found");
	fixture_process_release(&p);
	fixture_args(&f, "true", NULL);
	f.process.cwd = (char *)"/no/such/folder";
	assert_false(fixture_exec(&f, &p));
	assert_contains(p.text, "working directory /no/such/folder: ENOENT");
	fixture_process_release(&p);
}

static void test_exec_needs_namespaces(void **state)
{
	struct launch_request request = {.cgroup_fd = -1, .seccomp_fd = -1, .stdio = {-1, -1, -1}};
	struct error err = ERROR_INIT;

	fixture_args(&f, "true", NULL);
	assert_int_equal(
		launch_plan_exec(&f.process, &f.spec, &f.config, &f.arena, &request.plan, &err), 0);
	assert_true(fixture_begin(&f, &f.init, &request, &err) < 0);
	assert_contains(err.text, "without the container's namespaces");
}

static void test_exec_after_init_has_gone(void **state)
{
	static struct fixture_process p;
	struct namespace_set set;
	struct launch_request request = {.cgroup_fd = -1, .seccomp_fd = -1, .stdio = {-1, -1, -1}};
	const struct launch_plan *plan;
	struct error err = ERROR_INIT;

	start_sleeper();
	assert_int_equal(namespace_set_pin(&set, f.init.launch.child.pid, &err), 0);
	child_process_signal(&f.init.launch.child, SIGKILL);
	fixture_wait(&f, &f.init);
	assert_int_equal(
		launch_plan_exec(&f.process, &f.spec, &f.config, &f.arena, &plan, &err), 0);
	request.plan = plan;
	request.join = &set;
	assert_true(launch_begin(f.loop, &p.launch, &request, NULL, NULL, &err) < 0);
	assert_contains(err.text, "PID namespace has ended");
	namespace_set_release(&set);
	/* The agent is at home again. */
	fixture_process_release(&f.init);
	fixture_release(&f);
	fixture_init(&f);
	fixture_args(&f, "echo", "again", NULL);
	assert_output("again\n");
}

/* ---- terminal ------------------------------------------------------------------------------- */

static void read_master(struct fixture_process *p, int master)
{
	/* EAGAIN while it runs, EIO at the end */
	for (;;) {
		ssize_t n = read(
			master, p->output + p->output_len, sizeof(p->output) - 1 - p->output_len);

		if (n > 0)
			p->output_len += (size_t)n;
		else if (n < 0 && errno == EAGAIN && !p->exited)
			fixture_step(&f, p);
		else
			break;
	}
	p->output[p->output_len] = '\0';
}

static void run_on_terminal(struct fixture_process *p)
{
	int master = take_fd(&p->launch.terminal_fd);

	assert_true(master >= 0);
	assert_true(fcntl(master, F_GETFL) & O_NONBLOCK);
	assert_true(fixture_start(&f, p));
	fixture_wait(&f, p);
	read_master(p, master);
	close(master);
}

static void test_terminal(void **state)
{
	f.process.terminal = true;
	fixture_shell(&f, "tty; test -c /dev/console && echo console; echo out > /dev/tty; "
			  "ls /proc/self/fd");
	if (!fixture_create(&f))
		fail_msg("%s", f.init.text);
	run_on_terminal(&f.init);
	assert_int_equal(f.init.launch.child.exit_status, 0);
	assert_contains(f.init.output, "/dev/pts/0\r\nconsole\r\nout\r\n");
	assert_null(strstr(f.init.output, "4"));
}

static void test_terminal_user(void **state)
{
	f.process.terminal = true;
	f.user.uid = 1000;
	fixture_shell(&f, "stat -c %u $(tty)");
	assert_true(fixture_create(&f));
	run_on_terminal(&f.init);
	assert_string_equal(f.init.output, "1000\r\n");
}

static void test_terminal_exec(void **state)
{
	static struct fixture_process p;

	start_sleeper();
	f.process.terminal = true;
	fixture_args(&f, "tty", NULL);
	assert_true(fixture_exec(&f, &p));
	run_on_terminal(&p);
	assert_string_equal(p.output, "/dev/pts/0\r\n");
	fixture_process_release(&p);
}

static void test_terminal_without_devpts(void **state)
{
	f.process.terminal = true;
	f.spec.n_mounts = 2; /* proc and /dev */
	fixture_shell(&f, "test -t 0 && test -t 2 && echo yes");
	if (!fixture_create(&f))
		fail_msg("%s", f.init.text);
	run_on_terminal(&f.init);
	assert_string_equal(f.init.output, "yes\r\n");
}

static void test_terminal_not_taken(void **state)
{
	f.process.terminal = true;
	fixture_args(&f, "nothing-here", NULL);
	assert_fails("was not found");
	assert_int_equal(f.init.launch.terminal_fd, -1);
}

static const struct CMUnitTest tests[] = {
	LAUNCH_TEST(test_exec_joins),
	LAUNCH_TEST(test_exec_into_created),
	LAUNCH_TEST(test_exec_inherits),
	LAUNCH_TEST(test_exec_failures),
	LAUNCH_TEST(test_exec_needs_namespaces),
	LAUNCH_TEST(test_exec_after_init_has_gone),
	LAUNCH_TEST(test_terminal),
	LAUNCH_TEST(test_terminal_user),
	LAUNCH_TEST(test_terminal_exec),
	LAUNCH_TEST(test_terminal_without_devpts),
	LAUNCH_TEST(test_terminal_not_taken),
};

TEST_MAIN(tests)
