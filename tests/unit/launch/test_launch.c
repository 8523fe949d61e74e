/*
 * Tests agent/launch/launch.c and launch_child.c: real processes in fresh namespaces, as root. The
 * life of a launch, the program and its surroundings, failures. The namespaces themselves:
 * test_launch_namespaces.c; execs and terminals: test_launch_exec.c.
 */
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/scratch.h"
#include "unit/launch/launch_asserts.h"

/* ---- the life of a launch ------------------------------------------------------------------- */

static void test_echo(void **state)
{
	fixture_args(&f, "echo", "hello", NULL);
	assert_output("hello\n");
}

static void test_nothing_runs_before_start(void **state)
{
	fixture_args(&f, "echo", "hello", NULL);
	assert_true(fixture_create(&f));
	for (int i = 0; i < 3; i++)
		event_loop_step(f.loop, 20);
	fixture_step(&f, &f.init);
	assert_int_equal(f.init.output_len, 0);
	assert_true(fixture_start(&f, &f.init));
	assert_int_equal(fixture_wait(&f, &f.init), 0);
	assert_string_equal(f.init.output, "hello\n");
}

static void test_exit_codes(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {{"exit 0", 0}, {"exit 7", 7}, {"exit 255", 255}, {"kill -9 $$", 0}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (i > 0)
			fixture_init(&f);
		fixture_shell(&f, cases[i].text);
		/* PID 1 of a PID namespace cannot kill itself: the signal is not delivered. */
		assert_int_equal(fixture_run(&f), cases[i].status);
		fixture_release(&f);
	}
}

static void test_killed_is_128_and_signal(void **state)
{
	fixture_args(&f, "sleep", "100", NULL);
	assert_true(fixture_create(&f));
	assert_true(fixture_start(&f, &f.init));
	assert_int_equal(child_process_signal(&f.init.launch.child, SIGKILL), 0);
	assert_int_equal(fixture_wait(&f, &f.init), 128 + SIGKILL);
	assert_true(f.init.exited);
}

static void test_killed_before_start(void **state)
{
	fixture_args(&f, "sleep", "100", NULL);
	assert_true(fixture_create(&f));
	child_process_signal(&f.init.launch.child, SIGKILL);
	fixture_wait(&f, &f.init);
	assert_true(f.init.failed);
	assert_contains(f.init.text, "init was killed by signal 9 before it was started");
}

/* As the OOM killer does when the limit is too small for the launch itself. */
/* One that can be killed in time: its set-up waits until the hooks have run. */
static void test_killed_during_setup(void **state)
{
	struct launch_request request = {.cgroup_fd = -1, .seccomp_fd = -1, .stdio = {-1, -1, -1}};
	Grpc__Hooks hooks = GRPC__HOOKS__INIT;
	Grpc__Hook hook = GRPC__HOOK__INIT, *list[] = {&hook};
	struct error err = ERROR_INIT;

	hook.path = (char *)"/bin/true";
	hooks.prestart = list;
	hooks.n_prestart = 1;
	f.spec.hooks = &hooks;
	fixture_args(&f, "true", NULL);
	assert_int_equal(
		launch_plan_container(&f.spec, &f.config, &f.arena, &request.plan, &err), 0);
	assert_int_equal(fixture_begin(&f, &f.init, &request, &err), 0);
	child_process_signal(&f.init.launch.child, SIGKILL);
	while (!f.init.failed && !f.init.created)
		fixture_step(&f, &f.init);
	assert_true(f.init.failed);
	assert_string_equal(f.init.text, "init was killed by SIGKILL during set-up (is the memory "
					 "limit too small to start?)");
}

static void test_abort_during_setup(void **state)
{
	struct launch_request request = {.cgroup_fd = -1, .seccomp_fd = -1, .stdio = {-1, -1, -1}};
	struct error err = ERROR_INIT;

	fixture_args(&f, "true", NULL);
	assert_int_equal(
		launch_plan_container(&f.spec, &f.config, &f.arena, &request.plan, &err), 0);
	assert_int_equal(fixture_begin(&f, &f.init, &request, &err), 0);
	launch_abort(&f.init.launch);
	for (int i = 0; i < 5; i++)
		event_loop_step(f.loop, 20);
	assert_false(f.init.failed || f.init.created);
}

static void test_abort_leaves_nothing(void **state)
{
	fixture_args(&f, "sleep", "100", NULL);
	assert_true(fixture_create(&f));
	launch_abort(&f.init.launch);
	launch_abort(&f.init.launch);
	assert_int_equal(child_process_count(), 0);
	assert_false(f.init.failed);
}

static void test_start_twice(void **state)
{
	struct error err = ERROR_INIT;

	fixture_args(&f, "sleep", "100", NULL);
	assert_true(fixture_create(&f));
	assert_true(fixture_start(&f, &f.init));
	assert_true(launch_start(&f.init.launch, &err) < 0);
	assert_int_equal(err.status, STATUS_INTERNAL);
}

/* ---- the program ---------------------------------------------------------------------------- */

static void test_program_not_found(void **state)
{
	fixture_args(&f, "no-such-program", NULL);
	assert_fails("the file no-such-program was not found: ENOENT");
	assert_int_equal(f.init.error.errnum, ENOENT);
}

static void test_path_not_found(void **state)
{
	fixture_args(&f, "/bin/no-such-program", NULL);
	assert_fails("the file /bin/no-such-program was not found: ENOENT");
}

static void test_path_of_the_environment(void **state)
{
	scratch_file("rootfs/data/tool", "#!/bin/sh\necho tool of $0\n");
	chmod(scratch_path("rootfs/data/tool"), 0755);
	scratch_file("rootfs/tmp/tool", "not executable");
	f.process.n_env = 0;
	fixture_env(&f, "PATH=/nowhere:/tmp:/data");
	fixture_args(&f, "tool", NULL);
	assert_output("tool of /data/tool\n");
}

static void exec_failure(const char *path, const char *part, int status)
{
	fixture_args(&f, path, NULL);
	assert_true(fixture_create(&f));
	assert_false(fixture_start(&f, &f.init));
	assert_contains(f.init.text, part);
	assert_int_equal(f.init.launch.child.exit_status, status);
}

static void test_exec_no_interpreter(void **state)
{
	scratch_file("rootfs/data/script", "#!/no/such/interpreter\n");
	chmod(scratch_path("rootfs/data/script"), 0755);
	exec_failure("/data/script", "exec /data/script (is its interpreter", 127);
	assert_contains(f.init.text, "ENOENT: No such file or directory");
}

static void test_exec_not_executable(void **state)
{
	scratch_file("rootfs/data/plain", "text");
	exec_failure("/data/plain", "exec /data/plain: EACCES", 126);
}

static void test_exec_format(void **state)
{
	scratch_file("rootfs/data/garbage", "\1\2\3");
	chmod(scratch_path("rootfs/data/garbage"), 0755);
	exec_failure("/data/garbage", "ENOEXEC", 126);
}

/* c15: blanks around a value are part of it. */
static void test_environment_exactly(void **state)
{
	f.process.n_env = 0;
	fixture_env(&f, "A= blanks ");
	fixture_env(&f, "B=");
	fixture_env(&f, "C=x=y");
	fixture_args(&f, "/bin/env", NULL);
	assert_output("A= blanks \nB=\nC=x=y\nHOME=/root\n");
}

static void test_home(void **state)
{
	f.user.uid = 1000;
	fixture_shell(&f, "echo $HOME");
	assert_output("/home/someone\n");
}

static void test_home_unknown_user(void **state)
{
	f.user.uid = 4711;
	fixture_shell(&f, "echo $HOME");
	assert_output("/\n");
}

static void test_home_given(void **state)
{
	fixture_env(&f, "HOME=/given");
	fixture_shell(&f, "echo $HOME");
	assert_output("/given\n");
}

static void test_cwd_is_made(void **state)
{
	f.process.cwd = (char *)"/data/deep/er";
	fixture_shell(&f, "pwd; umask");
	assert_output("/data/deep/er\n0022\n");
}

/* c8: no child holds a descriptor that is not its own. */
static void test_no_descriptor_leaks(void **state)
{
	/* One that somebody forgot to mark close-on-exec. */
	int forgotten = fcntl(STDIN_FILENO, F_DUPFD, 50);

	fixture_args(&f, "ls", "/proc/self/fd", NULL);
	/* 3 is ls reading the folder. */
	assert_output("0\n1\n2\n3\n");
	close(forgotten);
}

/* An agent that was started without standard streams uses their numbers for anything. */
static void test_agent_without_streams(void **state)
{
	int saved[3];

	for (int i = 0; i < 3; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
		close(i);
	}
	fixture_shell(&f, "cat; echo out; ls /proc/self/fd >&2");
	if (fixture_create(&f)) {
		fixture_start(&f, &f.init);
		close_fd(&f.init.in);
		fixture_wait(&f, &f.init);
	}
	/* The pipes took 0, 1, 2 and 3. */
	close_fd(&f.init.out);
	fixture_process_release(&f.init);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	assert_string_equal(f.init.output, "out\n0\n1\n2\n3\n");
}

static void test_signals_are_default(void **state)
{
	fixture_args(&f, "grep", "^Sig[BIC]", "/proc/self/status", NULL);
	assert_output("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
		      "SigCgt:\t0000000000000000\n");
}

/* c16: 0 is written too. */
static void test_oom_score_is_not_inherited(void **state)
{
	FILE *own = fopen("/proc/self/oom_score_adj", "r+e");

	assert_non_null(own);
	fputs("-500", own);
	fclose(own);
	fixture_args(&f, "cat", "/proc/self/oom_score_adj", NULL);
	assert_output("0\n");
	own = fopen("/proc/self/oom_score_adj", "r+e");
	fputs("0", own);
	fclose(own);
}

static void test_oom_score_is_set(void **state)
{
	f.process.oomscoreadj = 321;
	fixture_args(&f, "cat", "/proc/self/oom_score_adj", NULL);
	assert_output("321\n");
}

static void test_rlimits(void **state)
{
	fixture_rlimit(&f, "RLIMIT_NOFILE", 100, 200);
	fixture_rlimit(&f, "RLIMIT_CORE", 0, UINT64_MAX);
	fixture_shell(&f, "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc");
	assert_output("100\n200\n0\nunlimited\n");
}

static void test_session(void **state)
{
	/* pid, session and process group are 1 */
	fixture_shell(&f, "cut -d' ' -f1,5,6 /proc/$$/stat");
	assert_output("1 1 1\n");
}

static void test_stdin(void **state)
{
	fixture_args(&f, "cat", NULL);
	assert_true(fixture_create(&f));
	assert_true(fixture_start(&f, &f.init));
	assert_int_equal(write(f.init.in, "abc", 3), 3);
	close_fd(&f.init.in);
	assert_int_equal(fixture_wait(&f, &f.init), 0);
	assert_string_equal(f.init.output, "abc");
}

/* A container that waits for its start must not keep copies of what it does not need. */
static void test_created_holds_nothing(void **state)
{
	int ends[2];
	char c;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fixture_args(&f, "true", NULL);
	assert_true(fixture_create(&f));
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 0); /* end of file at once */
	close(ends[0]);
}

static const struct CMUnitTest tests[] = {
	LAUNCH_TEST(test_echo),
	LAUNCH_TEST(test_nothing_runs_before_start),
	LAUNCH_TEST(test_exit_codes),
	LAUNCH_TEST(test_killed_is_128_and_signal),
	LAUNCH_TEST(test_killed_before_start),
	LAUNCH_TEST(test_killed_during_setup),
	LAUNCH_TEST(test_abort_during_setup),
	LAUNCH_TEST(test_abort_leaves_nothing),
	LAUNCH_TEST(test_start_twice),
	LAUNCH_TEST(test_program_not_found),
	LAUNCH_TEST(test_path_not_found),
	LAUNCH_TEST(test_path_of_the_environment),
	LAUNCH_TEST(test_exec_no_interpreter),
	LAUNCH_TEST(test_exec_not_executable),
	LAUNCH_TEST(test_exec_format),
	LAUNCH_TEST(test_environment_exactly),
	LAUNCH_TEST(test_home),
	LAUNCH_TEST(test_home_unknown_user),
	LAUNCH_TEST(test_home_given),
	LAUNCH_TEST(test_cwd_is_made),
	LAUNCH_TEST(test_no_descriptor_leaks),
	LAUNCH_TEST(test_agent_without_streams),
	LAUNCH_TEST(test_signals_are_default),
	LAUNCH_TEST(test_oom_score_is_not_inherited),
	LAUNCH_TEST(test_oom_score_is_set),
	LAUNCH_TEST(test_rlimits),
	LAUNCH_TEST(test_session),
	LAUNCH_TEST(test_stdin),
	LAUNCH_TEST(test_created_holds_nothing),
};

TEST_MAIN(tests)
