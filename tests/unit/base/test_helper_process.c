/* Tests agent/base/helper_process.c. */
#include "base/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static int done_calls, done_result, fds_before;
static struct error done_err;
static bool reaped_at_done;

static int setup(void **state)
{
	done_calls = 0;
	done_result = 12345;
	fds_before = test_count_fds();
	loop = event_loop_new();
	return child_reaper_init(loop);
}

static int teardown(void **state)
{
	child_reaper_release();
	event_loop_free(loop);
	if (test_count_fds() != fds_before || child_process_count() != 0)
		return -1;
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : -1;
}

static void on_done(struct helper *helper, int result, const struct error *err)
{
	assert_false(helper_active(helper));
	done_calls++;
	done_result = result;
	done_err = *err;
	reaped_at_done = kill(helper->child.pid, 0) < 0;
}

static void run_helper(struct helper *helper, helper_fn fn, const void *arg, uint64_t timeout_ms)
{
	struct error err = ERROR_INIT;
	int before = done_calls;

	assert_int_equal(
		helper_run(loop, helper, fn, (void *)arg, timeout_ms, on_done, "probe", &err), 0);
	assert_true(helper_active(helper));
	while (done_calls == before)
		assert_true(event_loop_step(loop, -1) >= 0);
}

static int fn_result(void *arg, struct error *err)
{
	return *(int *)arg;
}

static void test_result(void **state)
{
	struct helper helper = {0};
	int value = 42;

	run_helper(&helper, fn_result, &value, 0);
	assert_int_equal(done_result, 42);
	assert_int_equal(done_err.status, STATUS_OK);
	assert_true(reaped_at_done);
	/* The same struct again. */
	value = 43;
	run_helper(&helper, fn_result, &value, 5000);
	assert_int_equal(done_result, 43);
	assert_false(event_timer_running(&helper.deadline));
}

static int fn_error(void *arg, struct error *err)
{
	return error_set(err, STATUS_NOT_FOUND, ENODEV, "mount %s", (const char *)arg);
}

static void test_error_text(void **state)
{
	struct helper helper = {0};

	run_helper(&helper, fn_error, "/dev/vdb", 0);
	assert_int_equal(done_result, -ENODEV);
	assert_int_equal(done_err.status, STATUS_NOT_FOUND);
	assert_int_equal(done_err.errnum, ENODEV);
	assert_string_equal(done_err.text, "mount /dev/vdb");
}

static int fn_stuck(void *arg, struct error *err)
{
	while (pause() < 0)
		;
	return 0;
}

static void test_deadline(void **state)
{
	struct helper helper = {0};

	run_helper(&helper, fn_stuck, NULL, 20);
	assert_int_equal(done_result, -ETIMEDOUT);
	assert_int_equal(done_err.status, STATUS_DEADLINE_EXCEEDED);
	assert_non_null(strstr(done_err.text, "probe"));
	assert_true(reaped_at_done);
}

static int fn_crash(void *arg, struct error *err)
{
	if (arg)
		_exit(9);
	raise(SIGKILL);
	return 0;
}

static void test_death_without_result(void **state)
{
	struct helper helper = {0};

	run_helper(&helper, fn_crash, NULL, 0);
	assert_int_equal(done_result, -ECHILD);
	assert_string_equal(done_err.text, "helper probe was killed by signal 9");
	run_helper(&helper, fn_crash, "", 0);
	assert_int_equal(done_result, -ECHILD);
	assert_string_equal(done_err.text, "helper probe exited with 9 and no result");
}

/* Something it left running still holds the pipe: the crash is reported all the same. */
static int fn_leaves_child(void *arg, struct error *err)
{
	int gate = *(const int *)arg;
	char c;

	if (fork() == 0)
		_exit(read(gate, &c, 1) == 0 ? 0 : 1);
	_exit(3);
}

static void test_pipe_held_by_grandchild(void **state)
{
	struct helper helper = {.keep_count = 1};
	int gate[2];

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	helper.keep = &gate[0];
	run_helper(&helper, fn_leaves_child, &gate[0], 0);
	assert_int_equal(done_result, -ECHILD);
	close(gate[0]);
	close(gate[1]); /* lets the grandchild go */
}

static void test_cancel(void **state)
{
	struct helper helper = {0}, other = {0};
	struct error err = ERROR_INIT;
	uint64_t orphans = child_reaper_orphans();
	int value = 1;

	helper_cancel(&helper);
	assert_int_equal(
		helper_run(loop, &helper, fn_stuck, NULL, 1000, on_done, "stuck", &err), 0);
	assert_true(helper_run(loop, &helper, fn_stuck, NULL, 0, on_done, "twice", &err) < 0);
	helper_cancel(&helper);
	helper_cancel(&helper);
	assert_false(helper_active(&helper));
	run_helper(&other, fn_result, &value, 0);
	while (child_reaper_orphans() == orphans)
		event_loop_step(loop, -1);
	assert_int_equal(done_calls, 1);
	assert_int_equal(done_result, 1);
}

/* Cancelled between the exit and done: done is not called. */
static void test_cancel_after_exit(void **state)
{
	struct helper helper = {0};
	struct error err = ERROR_INIT;
	int value = 1;

	assert_int_equal(
		helper_run(loop, &helper, fn_result, &value, 0, on_done, "quick", &err), 0);
	assert_int_equal(child_process_wait(&helper.child), 0);
	helper_cancel(&helper);
	for (int i = 0; i < 3; i++)
		event_loop_step(loop, 10);
	assert_int_equal(done_calls, 0);
}

/* Bits: which descriptors the child has. */
static int fn_look(void *arg, struct error *err)
{
	const int *fds = arg;

	return (fcntl(fds[0], F_GETFD) >= 0 ? 1 : 0) | (fcntl(fds[1], F_GETFD) >= 0 ? 2 : 0) |
	       (fcntl(2, F_GETFD) >= 0 ? 4 : 0);
}

static void test_keeps_only_what_is_listed(void **state)
{
	int fds[2];
	struct helper helper = {0};

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	run_helper(&helper, fn_look, fds, 0);
	assert_int_equal(done_result, 4);
	helper.keep = &fds[1];
	helper.keep_count = 1;
	run_helper(&helper, fn_look, fds, 0);
	assert_int_equal(done_result, 6);
	close(fds[0]);
	close(fds[1]);
}

static void sink_to_nowhere(const char *record, size_t len, void *context)
{
	_exit(77);
}

static int fn_log(void *arg, struct error *err)
{
	close(2); /* keep the test's output clean */
	log_printf(LOG_CRIT, "x", "from the child");
	return 0;
}

static void test_log_sink_is_reset(void **state)
{
	struct helper helper = {0};

	log_set_sink(sink_to_nowhere, NULL);
	run_helper(&helper, fn_log, NULL, 0);
	log_set_sink(NULL, NULL);
	assert_int_equal(done_result, 0);
}

static void on_done_free(struct helper *helper, int result, const struct error *err)
{
	free(helper);
	done_calls++;
	done_result = result;
	assert_string_equal(err->text, "mount x");
}

static void test_freed_in_done(void **state)
{
	struct helper *helper = calloc(1, sizeof(*helper));
	struct error err = ERROR_INIT;

	helper_run(loop, helper, fn_error, (void *)"x", 1000, on_done_free, "free", &err);
	while (!done_calls)
		event_loop_step(loop, -1);
	assert_int_equal(done_result, -ENODEV);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
static const struct CMUnitTest tests[] = {
	WITH_LOOP(test_result),
	WITH_LOOP(test_error_text),
	WITH_LOOP(test_deadline),
	WITH_LOOP(test_death_without_result),
	WITH_LOOP(test_pipe_held_by_grandchild),
	WITH_LOOP(test_cancel),
	WITH_LOOP(test_cancel_after_exit),
	WITH_LOOP(test_keeps_only_what_is_listed),
	WITH_LOOP(test_log_sink_is_reset),
	WITH_LOOP(test_freed_in_done),
};
TEST_MAIN(tests)
