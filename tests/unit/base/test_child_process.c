/* Tests agent/base/child_process.c. */
#include "base/child_process.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static unsigned exits;

static int setup(void **state)
{
	exits = 0;
	loop = event_loop_new();
	if (child_reaper_init(loop) < 0)
		return -1;
	/* It looks once for children that ended earlier. */
	return event_loop_step(loop, 0) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	child_reaper_release();
	event_loop_free(loop);
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : -1;
}

static void on_exit_count(struct child_process *child)
{
	assert_true(child->exited);
	exits++;
}

static void run_until_exits(unsigned count)
{
	while (exits < count)
		assert_true(event_loop_step(loop, -1) >= 0);
	/* The reap comes right after on_exit, in the same pass. */
}

/* A child that exits with this code, or dies of -code. */
static void fork_child(struct child_process *child, int code)
{
	pid_t pid = child_process_fork(child, NULL, on_exit_count, "test");

	if (pid == 0) {
		if (code >= 0)
			_exit(code);
		kill(getpid(), -code);
		_exit(99);
	}
	assert_true(pid > 0);
	assert_int_equal(child->pid, pid);
}

static void test_exit_and_signal(void **state)
{
	struct child_process a = {0}, b = {0};

	fork_child(&a, 7);
	fork_child(&b, -SIGKILL);
	assert_int_equal(child_process_count(), 2);
	run_until_exits(2);
	assert_int_equal(a.exit_status, 7);
	assert_int_equal(a.exit_signal, 0);
	assert_int_equal(b.exit_status, 128 + SIGKILL);
	assert_int_equal(b.exit_signal, SIGKILL);
	assert_int_equal(child_process_count(), 0);
	assert_int_equal(child_process_signal(&a, 0), -ESRCH);
	child_process_disown(&a);
}

static void on_signal_ignored(int sig)
{
}

/* Nothing of the parent's signal state is left in the child. Bits of its exit code. */
static int check_signals(void)
{
	sigset_t set;

	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		struct sigaction action;

		if (sigaction(sig, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			return 1;
	}
	sigprocmask(SIG_BLOCK, NULL, &set);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sigismember(&set, sig) == 1)
			return 2;
	return 0;
}

static void test_signals_reset(void **state)
{
	struct child_process child = {0};
	sigset_t set, after;

	signal(SIGUSR1, on_signal_ignored);
	signal(SIGRTMAX, on_signal_ignored);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (child_process_fork(&child, NULL, on_exit_count, "test") == 0)
		_exit(check_signals());
	run_until_exits(1);
	assert_int_equal(child.exit_status, 0);
	/* The parent's mask is as it was: SIGCHLD and SIGUSR2, not all. */
	sigprocmask(SIG_UNBLOCK, &set, &after);
	assert_true(sigismember(&after, SIGUSR2) && sigismember(&after, SIGCHLD));
	assert_false(sigismember(&after, SIGTERM));
	signal(SIGUSR1, SIG_DFL);
	signal(SIGRTMAX, SIG_DFL);
}

/* c32: the number of one that was reaped may be somebody else's by now: nobody gets its signal. */
static void test_c32_no_stranger_is_signalled(void **state)
{
	struct child_process dead = {0}, stranger = {0};

	fork_child(&dead, 0);
	run_until_exits(1);
	if (child_process_fork(&stranger, NULL, on_exit_count, "stranger") == 0) {
		pause();
		_exit(0);
	}
	dead.pid = stranger.pid;
	assert_int_equal(child_process_signal(&dead, SIGKILL), -ESRCH);
	assert_int_equal(child_process_signal(&stranger, SIGTERM), 0);
	run_until_exits(2);
	assert_int_equal(stranger.exit_signal, SIGTERM);
}

static void test_kill_through_pidfd(void **state)
{
	struct child_process child = {0};

	assert_int_equal(child_process_signal(&child, SIGTERM), -ESRCH);
	if (child_process_fork(&child, NULL, on_exit_count, "test") == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(child_process_signal(&child, SIGTERM), 0);
	run_until_exits(1);
	assert_int_equal(child.exit_signal, SIGTERM);
}

/* At on_exit the zombie is still there; afterwards it is gone. */
static bool existed;
static pid_t last_pid;

static void on_exit_look(struct child_process *child)
{
	existed = kill(child->pid, 0) == 0;
	last_pid = child->pid;
	exits++;
}

static void test_reaped_after_on_exit(void **state)
{
	struct child_process child = {0};

	if (child_process_fork(&child, NULL, on_exit_look, "test") == 0)
		_exit(0);
	run_until_exits(1);
	assert_true(existed);
	assert_int_equal(kill(last_pid, 0), -1);
}

static void on_exit_free(struct child_process *child)
{
	memset(child, 0xff, sizeof(*child));
	free(child);
	exits++;
}

static void test_owner_freed_in_on_exit(void **state)
{
	for (int i = 0; i < 20; i++) {
		struct child_process *child = calloc(1, sizeof(*child));

		if (child_process_fork(child, NULL, on_exit_free, "test") == 0)
			_exit(0);
	}
	run_until_exits(20);
	assert_int_equal(child_process_count(), 0);
}

static unsigned batches;

static void on_batch(void *context)
{
	assert_ptr_equal(context, &batches);
	batches++;
}

/* More than one batch, all of them zombies before the first is looked at. */
static void test_500_children(void **state)
{
	static struct child_process children[500];
	int gate[2], before = test_count_fds();

	batches = 0;
	child_reaper_set_batch_hook(on_batch, &batches);
	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < 500; i++) {
		if (child_process_fork(&children[i], NULL, on_exit_count, "test") == 0)
			_exit(i % 251);
	}
	close(gate[0]);
	close(gate[1]);
	for (int i = 0; i < 500; i++) {
		siginfo_t info;

		assert_int_equal(waitid(P_PID, (id_t)children[i].pid, &info, WEXITED | WNOWAIT), 0);
	}
	run_until_exits(500);
	for (int i = 0; i < 500; i++)
		assert_int_equal(children[i].exit_status, i % 251);
	assert_int_equal(batches, 2);
	assert_int_equal(child_process_count(), 0);
	assert_int_equal(test_count_fds(), before);
	child_reaper_set_batch_hook(NULL, NULL);
}

static void test_disown(void **state)
{
	struct child_process child = {0}, last = {0};
	uint64_t orphans = child_reaper_orphans();
	pid_t pid;

	child_process_disown(&child);
	fork_child(&child, 3);
	pid = child.pid;
	child_process_disown(&child);
	child_process_disown(&child);
	assert_int_equal(child.pid, 0);
	assert_int_equal(child_process_count(), 0);
	fork_child(&last, 0);
	while (kill(pid, 0) == 0 || exits < 1)
		event_loop_step(loop, -1);
	assert_int_equal(exits, 1);
	assert_int_equal(child_reaper_orphans(), orphans + 1);
}

/* A grandchild whose parent died comes to us: reaped and counted. */
static void test_orphans(void **state)
{
	uint64_t orphans = child_reaper_orphans();
	struct child_process child = {0};

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	if (child_process_fork(&child, NULL, on_exit_count, "test") == 0) {
		if (fork() == 0)
			_exit(0);
		_exit(0);
	}
	while (exits < 1 || child_reaper_orphans() == orphans)
		event_loop_step(loop, -1);
	assert_int_equal(child_reaper_orphans(), orphans + 1);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_wait_without_loop(void **state)
{
	struct child_process child = {0};
	pid_t pid;

	assert_int_equal(child_process_wait(&child), -ESRCH);
	fork_child(&child, 4);
	pid = child.pid;
	assert_int_equal(child_process_wait(&child), 0);
	assert_int_equal(exits, 1);
	assert_int_equal(child.exit_status, 4);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(child_process_wait(&child), 0);
	assert_int_equal(exits, 1);
}

static void test_options(void **state)
{
	struct child_fork_options options = {.clone_flags = CLONE_NEWPID}, bad = {0};
	struct child_process child = {0};

	if (geteuid() != 0)
		options.clone_flags |= CLONE_NEWUSER;
	if (child_process_fork(&child, &options, on_exit_count, "test") == 0)
		_exit(getpid() == 1 ? 0 : 1);
	run_until_exits(1);
	assert_int_equal(child.exit_status, 0);
	bad.clone_flags = 1ull << 33; /* CLONE_INTO_CGROUP */
	bad.cgroup_fd = 9999;
	memset(&child, 0, sizeof(child));
	assert_int_equal(child_process_fork(&child, &bad, on_exit_count, "test"), -EBADF);
	assert_int_equal(child.pid, 0);
	assert_int_equal(child_process_count(), 0);
}

/* The child starts with an empty table and may use what it has inherited of this module. */
static void test_child_can_fork(void **state)
{
	struct child_process child = {0}, other = {0};

	fork_child(&other, 0);
	if (child_process_fork(&child, NULL, on_exit_count, "test") == 0) {
		struct child_process inner = {0};

		if (child_process_count() != 0)
			_exit(1);
		if (child_process_fork(&inner, NULL, NULL, "inner") == 0)
			_exit(5);
		if (child_process_wait(&inner) != 0 || inner.exit_status != 5)
			_exit(2);
		_exit(0);
	}
	run_until_exits(2);
	assert_int_equal(child.exit_status, 0);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
static const struct CMUnitTest tests[] = {
	WITH_LOOP(test_exit_and_signal),
	WITH_LOOP(test_signals_reset),
	WITH_LOOP(test_kill_through_pidfd),
	WITH_LOOP(test_c32_no_stranger_is_signalled),
	WITH_LOOP(test_reaped_after_on_exit),
	WITH_LOOP(test_owner_freed_in_on_exit),
	WITH_LOOP(test_500_children),
	WITH_LOOP(test_disown),
	WITH_LOOP(test_orphans),
	WITH_LOOP(test_wait_without_loop),
	WITH_LOOP(test_options),
	WITH_LOOP(test_child_can_fork),
};
TEST_MAIN(tests)
