/* agent/telemetry/log_sink.c: never waits, keeps records whole, counts what it drops, and says so.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "telemetry/log_sink.h"
#include "lib/test_main.h"

static char seen[4 << 20];
static size_t seen_len;

static void read_all(int fd)
{
	ssize_t n;

	while ((n = read(fd, seen + seen_len, sizeof(seen) - 1 - seen_len)) > 0)
		seen_len += (size_t)n;
	seen[seen_len] = '\0';
}

static int count(const char *needle)
{
	int found = 0;

	for (const char *p = seen; (p = strstr(p, needle)); p++)
		found++;
	return found;
}

/* A pipe as small as Linux has them stands in for a console; its reader sleeps. */
static void open_pipe(int fds[2])
{
	struct error err = ERROR_INIT;

	seen_len = 0;
	seen[0] = '\0';
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
	assert_true(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	assert_int_equal(log_sink_use_fd(fds[1], &err), 0);
}

static void close_pipe(int fds[2])
{
	log_sink_close();
	close(fds[0]);
}

static void assert_whole_records(void)
{
	for (char *line = seen; *line;) {
		char *end = strchr(line, '\n');

		assert_non_null(end);
		assert_int_equal(*line, '{');
		assert_int_equal(end[-1], '}');
		line = end + 1;
	}
}

static void test_flows(void **state)
{
	int fds[2];

	open_pipe(fds);
	log_printf(LOG_INFO, "test", "hello");
	read_all(fds[0]);
	assert_int_equal(count("hello"), 1);
	assert_whole_records();
	close_pipe(fds);
}

static void test_console_that_nobody_reads(void **state)
{
	uint64_t before = log_sink_dropped(), dropped;
	int fds[2];

	open_pipe(fds);
	for (int i = 0; i < 1000; i++)
		log_printf(LOG_INFO, "test", "record %d.", i);
	dropped = log_sink_dropped() - before;
	assert_true(dropped > 0 && dropped < 1000);
	/* The reader wakes up: what was kept arrives, oldest first, and the loss is told. */
	for (int i = 0; i < 50; i++) {
		read_all(fds[0]);
		log_printf(LOG_INFO, "test", "later");
	}
	read_all(fds[0]);
	assert_whole_records();
	assert_int_equal(count("record 0."), 1);
	assert_int_equal(count("record 999."), 0);
	assert_int_equal(count("\"record "), 1000 - (int)dropped);
	assert_int_equal(count("\"later\""), 50);
	assert_int_equal(count("log records were lost"), 1);
	close_pipe(fds);
}

static void test_loop_writes_the_rest(void **state)
{
	struct event_loop *loop = event_loop_new();
	int fds[2];

	open_pipe(fds);
	log_sink_attach(loop);
	for (int i = 0; i < 60; i++)
		log_printf(LOG_INFO, "test", "record %d.", i);
	read_all(fds[0]);
	assert_int_equal(count("record 59."), 0);
	for (int i = 0; i < 100 && !count("record 59."); i++) {
		assert_true(event_loop_step(loop, 1000) > 0);
		read_all(fds[0]);
	}
	assert_int_equal(count("\"record "), 60);
	/* Nothing left to write: the loop is not woken by a writable console. */
	assert_int_equal(event_loop_step(loop, 0), 0);
	close_pipe(fds);
	event_loop_free(loop);
}

static void test_child_does_not_repeat_its_parents_records(void **state)
{
	int fds[2], status;
	pid_t pid;

	open_pipe(fds);
	for (int i = 0; i < 60; i++)
		log_printf(LOG_INFO, "test", "record %d.", i);
	read_all(fds[0]);
	pid = fork();
	if (pid == 0) {
		log_printf(LOG_INFO, "test", "from the child");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_all(fds[0]);
	for (int i = 0; i < 50; i++) {
		log_sink_flush(0);
		read_all(fds[0]);
	}
	assert_int_equal(count("from the child"), 1);
	assert_int_equal(count("\"record "), 60);
	close_pipe(fds);
}

static void test_flush_ends(void **state)
{
	uint64_t start = event_loop_now_ns();
	int fds[2];

	open_pipe(fds);
	for (int i = 0; i < 1000; i++)
		log_printf(LOG_INFO, "test", "record %d.", i);
	log_sink_flush(50);
	assert_true(event_loop_now_ns() - start < 10ull * 1000 * 1000 * 1000);
	close_pipe(fds);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_flows),
	cmocka_unit_test(test_console_that_nobody_reads),
	cmocka_unit_test(test_loop_writes_the_rest),
	cmocka_unit_test(test_child_does_not_repeat_its_parents_records),
	cmocka_unit_test(test_flush_ends),
};
TEST_MAIN(tests)
