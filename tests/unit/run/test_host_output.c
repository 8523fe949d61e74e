/* host_output: never blocks, loses nothing, leaves the descriptor's flags alone. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lib/test_main.h"
#include "run/host_output.h"

static unsigned drained_calls;

static void on_drained(struct host_output *output)
{
	drained_calls++;
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + at / 251);
}

/* Writes more than the channel holds, then reads it all back. */
static void push_through(int write_end, int read_end)
{
	static uint8_t data[1 << 20];
	struct event_loop *loop = event_loop_new();
	struct host_output output;
	size_t got = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	drained_calls = 0;
	host_output_init(&output, loop, write_end, on_drained);
	assert_int_equal(host_output_write(&output, data, sizeof(data)), 0);
	assert_true(host_output_pending(&output) > 0);
	assert_int_equal(fcntl(write_end, F_GETFL) & O_NONBLOCK, 0);
	while (got < sizeof(data)) {
		uint8_t chunk[5000];
		ssize_t n = read(read_end, chunk, sizeof(chunk));

		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(chunk[i], pattern(got + (size_t)i));
		got += (size_t)n;
		event_loop_step(loop, 0);
	}
	assert_int_equal(host_output_pending(&output), 0);
	assert_int_equal(drained_calls, 1);
	host_output_release(&output);
	event_loop_free(loop);
}

static void pipes_and_sockets_take_all_of_it(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	push_through(fds[1], fds[0]);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	push_through(fds[1], fds[0]);
	close(fds[0]);
	close(fds[1]);
}

static void a_reader_that_goes_breaks_it(void **state)
{
	static uint8_t data[1 << 18];
	struct event_loop *loop = event_loop_new();
	struct host_output output;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	drained_calls = 0;
	host_output_init(&output, loop, fds[1], on_drained);
	assert_int_equal(host_output_write(&output, data, sizeof(data)), 0);
	close(fds[0]);
	while (!output.broken)
		event_loop_step(loop, 1000);
	assert_int_equal(drained_calls, 1);
	assert_int_equal(host_output_pending(&output), 0);
	assert_int_equal(host_output_write(&output, data, sizeof(data)), 0);
	host_output_release(&output);
	close(fds[1]);
	event_loop_free(loop);
}

static void files_are_just_written(void **state)
{
	struct event_loop *loop = event_loop_new();
	const char *path = scratch_file("out", "");
	int fd = open(path, O_WRONLY | O_APPEND);
	struct host_output output;
	struct stat st;

	host_output_init(&output, loop, fd, on_drained);
	assert_int_equal(host_output_write(&output, "hello", 5), 0);
	assert_int_equal(host_output_pending(&output), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 5);
	host_output_release(&output);
	close(fd);
	event_loop_free(loop);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pipes_and_sockets_take_all_of_it),
	cmocka_unit_test(a_reader_that_goes_breaks_it),
	cmocka_unit_test(files_are_just_written),
};

/* As cradle does it (base/child_process.h ignores SIGPIPE). */
#include <signal.h>

int main(void)
{
	test_begin(TEST_TIMEOUT);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
