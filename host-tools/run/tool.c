/* tool: fork, exec, keep the end of stderr, wait. */
#include "run/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/fd.h"

#define COMPLAINT_MAX 2048

static void __attribute__((noreturn)) become(const char *const *argv, int complaints)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	complaints = fd_move_above(complaints, 3);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
	dup2(complaints, 2);
	fd_close_from(3, NULL, 0);
	execvp(argv[0], (char *const *)argv);
	dprintf(2, "%s: %s\n", argv[0], errno_text(errno));
	_exit(127);
}

/* Keeps the last COMPLAINT_MAX - 1 bytes; returns the last line that says something. */
static const char *read_complaint(int fd, char *text)
{
	char chunk[1024], *line;
	size_t len = 0;
	ssize_t n;

	while ((n = fd_read_full(fd, chunk, sizeof(chunk))) > 0) {
		size_t add = (size_t)n, room = COMPLAINT_MAX - 1 - len;

		if (add > room) {
			memmove(text, text + (add - room), len - (add - room));
			len -= add - room;
		}
		memcpy(text + len, chunk, add);
		len += add;
	}
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

int tool_run(const char *what, const char *const *argv, struct error *err)
{
	struct child_process child = {0};
	char text[COMPLAINT_MAX];
	const char *complaint;
	int pipes[2];
	pid_t pid;
	int r;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s: pipe", what);
	pid = child_process_fork(&child, NULL, NULL, "tool");
	if (pid == 0)
		become(argv, pipes[1]);
	close(pipes[1]);
	if (pid < 0) {
		close(pipes[0]);
		return error_errno(err, -pid, "%s: fork", what);
	}
	complaint = read_complaint(pipes[0], text);
	close(pipes[0]);
	r = child_process_wait(&child);
	if (r < 0)
		return error_errno(err, -r, "%s: waiting for %s", what, argv[0]);
	if (child.exit_status == 0)
		return 0;
	return error_set(err, STATUS_INTERNAL, 0, "%s: %s ended with %d: %s", what, argv[0],
		child.exit_status, *complaint ? complaint : "it gave no reason");
}
