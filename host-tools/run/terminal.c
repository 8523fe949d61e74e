/* terminal: termios, and the guard that outlives us. */
#include "run/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

bool terminal_size(int fd, uint16_t *rows, uint16_t *columns)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		return false;
	*rows = size.ws_row;
	*columns = size.ws_col;
	return true;
}

static bool same_modes(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag;
}

/*
 * In a session of its own: what the terminal or the shell sends to our process group must not end
 * it, and a background process may set the modes of a terminal that is not its own (tty_ioctl(4)).
 * When a shell was faster and has set modes of its own, they are better than ours.
 */
static void __attribute__((noreturn)) guard(const struct terminal *terminal, int pipe_fd)
{
	const int keep[] = {
		terminal->fd < pipe_fd ? terminal->fd : pipe_fd,
		terminal->fd < pipe_fd ? pipe_fd : terminal->fd,
	};
	struct termios now;
	char byte;
	ssize_t n;

	setsid();
	prctl(PR_SET_NAME, "cradle-tty");
	fd_close_from(0, keep, 2);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	do {
		n = read(pipe_fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 0 && tcgetattr(terminal->fd, &now) == 0 && same_modes(&now, &terminal->during))
		tcsetattr(terminal->fd, TCSANOW, &terminal->before);
	_exit(0);
}

static void on_guard_exit(struct child_process *child)
{
}

static int start_guard(struct terminal *terminal, struct error *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "pipe to the terminal's guard");
	pid = child_process_fork(&terminal->guard, NULL, on_guard_exit, "terminal guard");
	if (pid == 0)
		guard(terminal, fds[0]);
	close(fds[0]);
	if (pid < 0) {
		close(fds[1]);
		return error_errno(err, -pid, "start the terminal's guard");
	}
	terminal->guard_fd = fds[1];
	return 0;
}

static void dismiss_guard(struct terminal *terminal)
{
	if (write(terminal->guard_fd, "", 1) != 1)
		child_process_signal(&terminal->guard, SIGKILL);
	close_fd(&terminal->guard_fd);
	child_process_wait(&terminal->guard);
	child_process_disown(&terminal->guard);
}

int terminal_make_raw(struct terminal *terminal, int fd, struct error *err)
{
	int r;

	memset(terminal, 0, sizeof(*terminal));
	terminal->fd = fd;
	if (tcgetattr(fd, &terminal->before) < 0)
		return error_errno(err, errno, "modes of the terminal");
	terminal->during = terminal->before;
	cfmakeraw(&terminal->during);
	r = start_guard(terminal, err);
	if (r < 0)
		return r;
	if (tcsetattr(fd, TCSADRAIN, &terminal->during) < 0) {
		r = error_errno(err, errno, "make the terminal raw");
		dismiss_guard(terminal);
		return r;
	}
	terminal->raw = true;
	return 0;
}

void terminal_renew(struct terminal *terminal)
{
	if (terminal->raw)
		tcsetattr(terminal->fd, TCSADRAIN, &terminal->during);
}

void terminal_restore(struct terminal *terminal)
{
	if (!terminal->raw)
		return;
	terminal->raw = false;
	/* Not TCSADRAIN: a terminal that nobody reads would hold us. */
	tcsetattr(terminal->fd, TCSANOW, &terminal->before);
	dismiss_guard(terminal);
}
