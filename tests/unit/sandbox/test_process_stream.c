/* process_stream.c: reads and writes that wait, end of file, abandoned pipes. */
#include "sandbox/process_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static struct process_stream stream;
static int peer;
static int woken, value_seen;

static void on_wake(struct waiter *waiter, int value)
{
	woken++;
	value_seen = value;
}

static void open_stream(bool readable_end)
{
	int fds[2];

	loop = event_loop_new();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	process_stream_init(&stream);
	peer = fds[readable_end ? 1 : 0];
	assert_int_equal(
		process_stream_open(loop, &stream, fds[readable_end ? 0 : 1], readable_end), 0);
	woken = 0;
}

static void close_all(void)
{
	process_stream_close(&stream, -ESRCH);
	close_fd(&peer);
	event_loop_free(loop);
}

static void test_reader_waits(void **state)
{
	struct waiter waiter = {.wake = on_wake};
	char data[8];

	open_stream(true);
	assert_int_equal(process_stream_read(&stream, data, sizeof(data)), -EAGAIN);
	/* nobody waits: data on the pipe wakes nobody, the loop finds nothing to do */
	assert_int_equal(write(peer, "abc", 3), 3);
	event_loop_step(loop, 0);
	assert_int_equal(woken, 0);
	waiter_park(&stream.waiters, &waiter);
	process_stream_want(&stream);
	event_loop_step(loop, 1000);
	assert_int_equal(woken, 1);
	assert_int_equal(value_seen, 0);
	assert_int_equal(process_stream_read(&stream, data, sizeof(data)), 3);
	close_fd(&peer);
	assert_int_equal(process_stream_read(&stream, data, sizeof(data)), 0);
	assert_true(stream.end_of_file);
	assert_int_equal(process_stream_read(&stream, data, sizeof(data)), 0);
	close_all();
}

/* A grandchild holds the pipe: what is there comes out first, then end of file. */
static void test_abandoned(void **state)
{
	struct waiter waiter = {.wake = on_wake};
	char data[8];

	open_stream(true);
	waiter_park(&stream.waiters, &waiter);
	process_stream_abandon(&stream);
	assert_int_equal(woken, 1);
	assert_int_equal(write(peer, "tail", 4), 4);
	assert_int_equal(process_stream_read(&stream, data, sizeof(data)), 4);
	assert_false(stream.end_of_file);
	assert_int_equal(process_stream_read(&stream, data, sizeof(data)), 0);
	close_all();
}

static void test_writer_waits(void **state)
{
	struct waiter waiter = {.wake = on_wake};
	static char block[4096], big[1 << 20];
	ssize_t n;

	open_stream(false);
	do
		n = process_stream_write(&stream, block, sizeof(block));
	while (n > 0);
	assert_int_equal(n, -EAGAIN);
	waiter_park(&stream.waiters, &waiter);
	process_stream_want(&stream);
	event_loop_step(loop, 0);
	assert_int_equal(woken, 0);
	assert_true(read(peer, big, sizeof(big)) > 0);
	event_loop_step(loop, 1000);
	assert_int_equal(woken, 1);
	signal(SIGPIPE, SIG_IGN);
	close_fd(&peer);
	assert_int_equal(process_stream_write(&stream, block, 1), -EPIPE);
	close_all();
}

static void test_close_wakes(void **state)
{
	struct waiter waiter = {.wake = on_wake};

	open_stream(true);
	waiter_park(&stream.waiters, &waiter);
	process_stream_close(&stream, -ESRCH);
	assert_int_equal(value_seen, -ESRCH);
	assert_int_equal(process_stream_write(&stream, "x", 1), -EPIPE);
	close_all(); /* closes it once more: harmless */
}

static char block[PIPE_ROOMY];

/* Fills the pipe as it is; what the kernel calls its size afterwards. */
static int size_after_full_read(bool settled)
{
	ssize_t n;
	int size;

	open_stream(true);
	stream.roomy = settled;
	assert_int_equal(process_stream_available(&stream), 0);
	assert_int_equal(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
	n = write(peer, block, sizeof(block));
	assert_int_equal(n, PIPE_FULL);
	assert_int_equal(process_stream_available(&stream), n);
	assert_int_equal(process_stream_read(&stream, block, sizeof(block)), n);
	size = fcntl(peer, F_GETPIPE_SZ);
	close_all();
	return size;
}

/* Who fills a whole pipe gets a larger one, unless the host has said how large it is. */
static void test_full_pipe_gets_room(void **state)
{
	assert_int_equal(size_after_full_read(false), PIPE_ROOMY);
	assert_int_equal(size_after_full_read(true), PIPE_FULL);
}

static void test_little_output_keeps_its_pipe(void **state)
{
	open_stream(true);
	assert_int_equal(write(peer, block, PIPE_FULL - 1), PIPE_FULL - 1);
	assert_int_equal(process_stream_read(&stream, block, sizeof(block)), PIPE_FULL - 1);
	assert_int_equal(fcntl(peer, F_GETPIPE_SZ), PIPE_FULL);
	close_fd(&peer);
	assert_int_equal(process_stream_available(&stream), 0);
	assert_int_equal(process_stream_read(&stream, block, 1), 0);
	close_all();
}

static bool thief; /* what FIONREAD tells of is gone before it is read */

/* In place of libc's, for the code under test. */
int ioctl(int fd, unsigned long request, ...)
{
	char taken[4096];
	va_list ap;
	void *argument;
	int r;

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	r = (int)syscall(SYS_ioctl, fd, request, argument);
	if (thief && request == FIONREAD)
		assert_true(read(fd, taken, sizeof(taken)) > 0);
	return r;
}

/* A container opens /proc/self/fd/1 and takes what its agent was about to read. */
static void test_stolen_output(void **state)
{
	struct read_memory memory = {0};
	unsigned char *beside[20];
	struct arena arena;

	arena_init(&arena, 16384);
	open_stream(true);
	thief = true;
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		/* one byte at first, then so many that each could ask for memory of its own */
		size_t there = i ? 1000 + i : 1;

		assert_int_equal(write(peer, block, there), there);
		assert_int_equal(
			process_stream_take(&stream, &arena, &memory, sizeof(block)), -EAGAIN);
		beside[i] = arena_alloc(&arena, 64);
		assert_non_null(beside[i]);
		memset(beside[i], 0xa5, 64);
	}
	assert_true(arena.used < 8192);
	thief = false;
	memset(block, 'x', 512);
	assert_int_equal(write(peer, block, 512), 512);
	assert_int_equal(process_stream_take(&stream, &arena, &memory, sizeof(block)), 512);
	assert_true(memory.size >= 512);
	assert_memory_equal(memory.data, block, 512);
	close_all();
	arena_release(&arena);
}

/* The memory made for one byte is not taken for that of a read that waits. */
static void test_stolen_byte(void **state)
{
	struct read_memory memory = {0};
	unsigned char *beside;
	struct arena arena;

	arena_init(&arena, 16384);
	open_stream(true);
	thief = true;
	assert_int_equal(write(peer, "a", 1), 1);
	assert_int_equal(process_stream_take(&stream, &arena, &memory, sizeof(block)), -EAGAIN);
	thief = false;
	beside = arena_calloc(&arena, 1, 512);
	memset(block, 'x', 512);
	assert_int_equal(write(peer, block, 512), 512);
	assert_int_equal(process_stream_take(&stream, &arena, &memory, sizeof(block)), 512);
	for (size_t i = 0; i < 512; i++)
		assert_int_equal(beside[i], 0);
	/* and never more than was asked */
	assert_int_equal(write(peer, block, 512), 512);
	assert_int_equal(process_stream_take(&stream, &arena, &memory, 7), 7);
	close_all();
	arena_release(&arena);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_reader_waits),
	cmocka_unit_test(test_abandoned),
	cmocka_unit_test(test_writer_waits),
	cmocka_unit_test(test_close_wakes),
	cmocka_unit_test(test_full_pipe_gets_room),
	cmocka_unit_test(test_little_output_keeps_its_pipe),
	cmocka_unit_test(test_stolen_output),
	cmocka_unit_test(test_stolen_byte),
};
TEST_MAIN(tests)
