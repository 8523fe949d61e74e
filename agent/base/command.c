/* command: see command.h. Used by launch/hooks and by sandbox/ for modprobe. */
#include "base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"

struct running {
	struct command *command;
	pid_t pid;
	int pidfd, output;
	uint64_t deadline_ns;
	size_t len; /* of command->output */
};

static _Noreturn void exec_command(const struct command *command, int output, pid_t parent)
{
	int input = command->input;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	umask(022); /* a container's child has none while it sets up */
	if (input < 0)
		input = open("/dev/null", O_RDONLY);
	if (getppid() == parent && dup2(input, STDIN_FILENO) >= 0 &&
		dup2(command->stdout_fd > 2 ? command->stdout_fd : output, STDOUT_FILENO) >= 0 &&
		dup2(output, STDERR_FILENO) >= 0 && fd_close_from(STDERR_FILENO + 1, NULL, 0) >= 0)
		execve(command->path, command->args, command->env);
	dprintf(STDERR_FILENO, "%s", errno_name(errno));
	_exit(127);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int start(struct running *r, struct error *err)
{
	_cleanup_fd_ int output = -1;
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "pipe2");
	r->output = fds[0];
	output = fds[1];
	fd_set_nonblock(r->output, true);
	r->deadline_ns = now_ns() + r->command->timeout_s * 1000000000ull;
	r->pid = fork();
	if (r->pid == 0)
		exec_command(r->command, output, parent);
	if (r->pid < 0)
		return error_errno(err, errno, "fork");
	r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	return r->pidfd < 0 ? error_errno(err, errno, "pidfd_open") : 0;
}

/* Keeps the end. */
static void read_output(struct running *r)
{
	const size_t room = sizeof(r->command->output) - 1;
	char bytes[512], *tail = r->command->output;
	ssize_t n;

	while ((n = read(r->output, bytes, sizeof(bytes))) > 0) {
		size_t keep = (size_t)n < room ? (size_t)n : room;
		size_t drop = r->len + keep < room ? 0 : r->len + keep - room;

		memmove(tail, tail + drop, r->len - drop);
		r->len -= drop;
		memcpy(tail + r->len, bytes + (size_t)n - keep, keep);
		r->len += keep;
	}
	if (n == 0)
		close_fd(&r->output); /* it may run on without (c48) */
}

/* True when it has ended; false when its time is up. */
static bool wait_for_end(struct running *r)
{
	for (;;) {
		struct pollfd fds[] = {{r->pidfd, POLLIN, 0}, {r->output, POLLIN, 0}};
		uint64_t now = now_ns();

		if (now >= r->deadline_ns)
			return false;
		if (poll(fds, r->output < 0 ? 1 : 2, (int)((r->deadline_ns - now) / 1000000 + 1)) <
			0)
			continue;
		if (r->output >= 0)
			read_output(r);
		if (fds[0].revents)
			return true;
	}
}

static void make_one_line(struct running *r)
{
	char *text = r->command->output;

	while (r->len > 0 && text[r->len - 1] == '\n')
		r->len--;
	text[r->len] = '\0';
	for (size_t i = 0; i < r->len; i++)
		if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f)
			text[i] = ' ';
}

static int finish(struct running *r, bool ended, struct error *err)
{
	const char *text = r->command->output, *colon;
	siginfo_t info;

	if (!ended) { /* ours, not reaped: its number is its own; it may not have its group yet */
		kill(r->pid, SIGKILL);
		kill(-r->pid, SIGKILL);
	}
	while (waitid(P_PID, (id_t)r->pid, &info, WEXITED) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "wait for it");
	make_one_line(r);
	colon = *text ? ": " : "";
	if (!ended)
		return error_errno(err, ETIMEDOUT, "killed after %u s%s%s", r->command->timeout_s,
			colon, text);
	if (info.si_code != CLD_EXITED)
		return error_set(err, STATUS_INTERNAL, 0, "killed by signal %d%s%s", info.si_status,
			colon, text);
	if (info.si_status != 0)
		return error_set(
			err, STATUS_INTERNAL, 0, "exit code %d%s%s", info.si_status, colon, text);
	return 0;
}

int command_run(struct command *command, struct error *err)
{
	struct running r = {.command = command, .pidfd = -1, .output = -1};
	int result = start(&r, err);

	if (result == 0)
		result = finish(&r, wait_for_end(&r), err);
	else if (r.pid > 0)
		finish(&r, false, NULL);
	close_fd(&r.pidfd);
	close_fd(&r.output);
	return result;
}

void command_unprotect(void)
{
	/* raising it needs no privilege; without /proc there was no lowering either */
	file_write("/proc/self/oom_score_adj", "0");
}
