/* qemu_version: `qemu-system-... --version`, and its first line. */
#include "vm/qemu_version.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "base/strings.h"

#define PATIENCE_MS 2000

bool qemu_version_too_old(const char *text, char *version, size_t size)
{
	static const char mark[] = "QEMU emulator version ";
	const char *at = strstr(text, mark);
	unsigned long major, minor = 0;
	char *end;

	if (!at)
		return false;
	at += strlen(mark);
	major = strtoul(at, &end, 10);
	if (end == at)
		return false;
	if (*end == '.')
		minor = strtoul(end + 1, NULL, 10);
	str_format(version, size, "%.*s", (int)strspn(at, "0123456789."), at);
	return major < QEMU_OLDEST_MAJOR ||
	       (major == QEMU_OLDEST_MAJOR && minor < QEMU_OLDEST_MINOR);
}

static void __attribute__((noreturn)) exec_version(const char *program, int out)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	out = fd_move_above(out, 3);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 2);
	}
	dup2(out, 1);
	fd_close_from(3, NULL, 0);
	execlp(program, program, "--version", (char *)NULL);
	_exit(127);
}

/* Up to the end of a line, the end of the output, or the deadline. */
static void read_line(int fd, char *text, size_t size)
{
	uint64_t deadline = event_loop_now_ns() + PATIENCE_MS * 1000000ull, now;
	size_t len = 0;

	while (len < size - 1 && (now = event_loop_now_ns()) < deadline) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, (int)((deadline - now) / 1000000) + 1) <= 0)
			continue;
		n = read(fd, text + len, size - 1 - len);
		if (n <= 0 || memchr(text + len, '\n', (size_t)n))
			deadline = 0;
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
}

bool qemu_program_too_old(const char *program, char *version, size_t size)
{
	struct child_process child = {0};
	char text[256];
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	pid = child_process_fork(&child, NULL, NULL, "qemu-version");
	if (pid == 0)
		exec_version(program, fds[1]);
	close(fds[1]);
	text[0] = '\0';
	if (pid > 0) {
		read_line(fds[0], text, sizeof(text));
		child_process_signal(&child, SIGKILL);
		child_process_wait(&child);
	}
	close(fds[0]);
	return qemu_version_too_old(text, version, size);
}
