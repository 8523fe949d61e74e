/* Tests agent/base/fd.c and cleanup.h. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_close_fd(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), number = fd;

	errno = EXDEV;
	close_fd(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EXDEV);
	assert_false(is_open(number));
	close_fd(&fd);
}

static void test_take(void **state)
{
	int fd = 7;
	const char *text = "x", *taken = take_ptr(text);

	assert_int_equal(take_fd(&fd), 7);
	assert_int_equal(fd, -1);
	assert_string_equal(taken, "x");
	assert_null(text);
}

static void test_flags(void **state)
{
	_cleanup_fd_ int fd = open("/dev/null", O_RDONLY);

	assert_int_equal(fd_set_nonblock(fd, true), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fd_set_nonblock(fd, false), 0);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fd_set_cloexec(fd, true), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fd_set_nonblock(-1, true), -EBADF);
	assert_int_equal(fd_set_cloexec(-1, true), -EBADF);
}

static void test_full_io(void **state)
{
	char out[8] = "";
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fd_write_full(fds[1], "abc", 3), 3);
	assert_int_equal(fd_write_full(fds[1], "def", 3), 3);
	close_fd(&fds[1]);
	assert_int_equal(fd_read_full(fds[0], out, sizeof(out)), 6);
	assert_string_equal(out, "abcdef");
	close_fd(&fds[0]);
	assert_int_equal(fd_read_full(-1, out, 1), -EBADF);
	assert_int_equal(fd_write_full(-1, out, 1), -EBADF);
}

static void test_move(void **state)
{
	int fd = open("/dev/null", O_RDONLY), moved = fd_move_above(fd, 50);

	assert_true(moved >= 50);
	assert_false(is_open(fd));
	assert_int_equal(fcntl(moved, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fd_move_above(moved, 50), moved);
	close_fd(&moved);
	assert_int_equal(fd_move_above(-1, 50), -EBADF);
}

/* In a child, because it takes the test program's own descriptors along. Bits of its exit code. */
static int close_from_child(void)
{
	const int keep[] = {-1, 2, 20, 22, 23};
	int bad = 0;

	for (int fd = 20; fd < 25; fd++)
		if (dup2(0, fd) < 0)
			return 1;
	if (fd_close_from(10, keep, ARRAY_SIZE(keep)) != 0)
		return 2;
	bad |= is_open(20) && is_open(22) && is_open(23) ? 0 : 4;
	bad |= is_open(21) || is_open(24) ? 8 : 0;
	bad |= is_open(2) ? 0 : 16;
	if (fd_close_from(0, NULL, 0) != 0)
		return 32;
	return bad | (is_open(0) || is_open(20) ? 64 : 0);
}

static void test_close_from(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(close_from_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_close_fd),
	cmocka_unit_test(test_take),
	cmocka_unit_test(test_flags),
	cmocka_unit_test(test_full_io),
	cmocka_unit_test(test_move),
	cmocka_unit_test(test_close_from),
};
TEST_MAIN(tests)
