/*
 * child_process: owns SIGCHLD and the table of living children. launch/, helper_process and
 * worker_process fork through it; nobody else calls waitid().
 */
#include "base/child_process.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/socket.h"

#define BUCKETS	  64
#define BATCH_MAX 256 /* exits handed out before the loop sees to others */
#define SIGNALS	  64  /* of the kernel; glibc hides 32 and 33 */

static struct {
	struct list_node table[BUCKETS]; /* living children by pid; heads zeroed until used */
	unsigned count;
	uint64_t orphans;
	struct event_loop *loop;
	int signal_fd;
	struct event_source source;
	struct event_task again;
	void (*hook)(void *context);
	void *hook_context;
} reaper = {.signal_fd = -1};

/* ---- table ------------------------------------------------------------------------------------
 */

static struct list_node *bucket_of(pid_t pid)
{
	struct list_node *head = &reaper.table[(unsigned)pid % BUCKETS];

	if (!head->next)
		list_init(head);
	return head;
}

static void table_add(struct child_process *child)
{
	list_append(bucket_of(child->pid), &child->node);
	reaper.count++;
}

static void table_remove(struct child_process *child)
{
	if (list_empty(&child->node))
		return;
	list_remove(&child->node);
	reaper.count--;
}

static struct child_process *table_find(pid_t pid)
{
	struct list_node *head = bucket_of(pid);

	list_for_each (node, head) {
		struct child_process *child = list_entry(node, struct child_process, node);

		if (child->pid == pid)
			return child;
	}
	return NULL;
}

unsigned child_process_count(void)
{
	return reaper.count;
}

uint64_t child_reaper_orphans(void)
{
	return reaper.orphans;
}

/* ---- reaping ----------------------------------------------------------------------------------
 */

/* The owner may free the struct in on_exit: everything of ours leaves it before. */
static void hand_out(struct child_process *child, const siginfo_t *info)
{
	child_exit_fn on_exit = child->on_exit;

	table_remove(child);
	child->exited = true;
	child->exit_signal = info->si_code == CLD_EXITED ? 0 : info->si_status;
	child->exit_status = info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
	if (on_exit)
		on_exit(child);
}

static int wait_info(idtype_t type, id_t id, siginfo_t *info, int flags)
{
	int r;

	info->si_pid = 0;
	do
		r = waitid(type, id, info, WEXITED | __WALL | flags);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* One exit: peeked, handed to its owner, reaped. False when there is none. */
static bool reap_one(void)
{
	struct child_process *child;
	siginfo_t info, gone;

	if (wait_info(P_ALL, 0, &info, WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
		return false;
	child = table_find(info.si_pid);
	if (child)
		hand_out(child, &info);
	else
		reaper.orphans++;
	wait_info(P_PID, (id_t)info.si_pid, &gone, WNOHANG);
	return true;
}

static void reap_batch(void);

static void on_again(struct event_task *task)
{
	reap_batch();
}

static void reap_batch(void)
{
	unsigned n = 0;

	while (n < BATCH_MAX && reap_one())
		n++;
	if (n > 0 && reaper.hook)
		reaper.hook(reaper.hook_context);
	/* There may be more, and no signal will tell: those are merged into one. */
	if (n == BATCH_MAX && reaper.loop)
		event_task_defer(reaper.loop, &reaper.again, on_again);
}

static void on_signal(struct event_source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	while (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
	reap_batch();
}

int child_reaper_init(struct event_loop *loop)
{
	sigset_t set;
	int r;

	if (reaper.loop)
		return -EBUSY;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* ignored by our parent, it would reap behind our back */
	reaper.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (reaper.signal_fd < 0)
		return -errno;
	r = event_source_add(
		loop, &reaper.source, reaper.signal_fd, EPOLLIN, on_signal, "child-reaper");
	if (r < 0) {
		close_fd(&reaper.signal_fd);
		return r;
	}
	reaper.loop = loop;
	/* Children that ended before the signal was blocked. */
	event_task_defer(loop, &reaper.again, on_again);
	return 0;
}

void child_reaper_release(void)
{
	event_task_cancel(&reaper.again);
	event_source_remove(&reaper.source);
	close_fd(&reaper.signal_fd);
	reaper.loop = NULL;
	reaper.hook = NULL;
}

void child_reaper_set_batch_hook(void (*hook)(void *context), void *context)
{
	reaper.hook = hook;
	reaper.hook_context = context;
}

/* ---- forking ----------------------------------------------------------------------------------
 */

/* By system call: glibc refuses to touch signals 32 and 33. What is all zero is SIG_DFL. */
static void reset_signals(void)
{
	unsigned long action[8] = {
		0}; /* the kernel's struct sigaction, larger than it is anywhere */
	sigset_t none;

	for (int sig = 1; sig <= SIGNALS; sig++)
		syscall(SYS_rt_sigaction, sig, action, NULL, SIGNALS / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The copies of the parent's table are nobody's children here. Descriptors stay open. */
static void forget_parent(void)
{
	memset(reaper.table, 0, sizeof(reaper.table));
	reaper.count = 0;
	reaper.loop = NULL;
	reaper.hook = NULL;
	reaper.source = (struct event_source){0};
	reaper.again = (struct event_task){0};
	reaper.signal_fd = -1;
}

/*
 * Not fork(): new namespaces and CLONE_INTO_CGROUP exist in clone3(2) only. What glibc
 * would refresh in the child (its robust list, fork handlers) nothing here uses: one thread.
 */
static pid_t clone_with(uint64_t flags, int exit_signal, int cgroup_fd, int *pidfd)
{
	struct clone_args args = {
		.flags = flags | (pidfd ? CLONE_PIDFD : 0),
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = (uint64_t)exit_signal,
		.cgroup = flags & CLONE_INTO_CGROUP ? (uint64_t)cgroup_fd : 0,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

/* What the process in between says: 0 and the child's pidfd, or a negative errno. */
static void send_answer(int socket, int r, int pidfd)
{
	if (r >= 0)
		socket_send_fds(socket, &r, sizeof(r), &pidfd, 1);
	else
		socket_send_fds(socket, &r, sizeof(r), NULL, 0);
}

static int receive_answer(int socket, int *pidfd)
{
	size_t fds = 1;
	int answer = 0;
	ssize_t n = socket_recv_fds(socket, &answer, sizeof(answer), pidfd, &fds);

	if (n != sizeof(answer))
		return n < 0 ? (int)n : -EPIPE;
	if (answer < 0)
		return answer;
	return fds == 1 ? 0 : -EPROTO;
}

/*
 * Between us and the child: joins, clones, tells. The child is ours and not its (CLONE_PARENT,
 * clone(2)). It is in no group of the child's: a frozen one would freeze us with it. Comes back in
 * the child alone.
 */
static void stand_between(const struct child_fork_options *options, int socket)
{
	int pidfd = -1, r = 0;

	/* It is in the other namespace for a moment with all of our memory. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setns(options->user_fd, CLONE_NEWUSER) < 0)
		r = -errno;
	if (r >= 0)
		r = clone_with(options->clone_flags | CLONE_PARENT, 0, options->cgroup_fd, &pidfd);
	if (r == 0)
		return;
	send_answer(socket, r, pidfd);
	_exit(0);
}

/* Its number as we have it: the clone told it in numbers of the namespace it was called in. */
static pid_t pid_of(int pidfd)
{
	char path[48], text[512];
	const char *at;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	if (file_read(path, text, sizeof(text)) < 0)
		return -errno;
	at = strstr(text, "\nPid:");
	return at && sscanf(at, "\nPid: %d", &pid) == 1 && pid > 0 ? pid : -ESRCH;
}

static pid_t clone_in_user(const struct child_fork_options *options)
{
	int sockets[2] = {-1, -1}, r = socket_pair(SOCK_SEQPACKET, sockets);
	_cleanup_fd_ int pidfd = -1;
	pid_t pid;

	if (r < 0)
		return r;
	pid = clone_with(0, SIGCHLD, -1, NULL);
	/* stand_between() comes back in the child that is asked for, and in no other. */
	if (pid == 0)
		stand_between(options, sockets[1]);
	close_fd(&sockets[1]);
	if (pid > 0) {
		/* Microseconds, and its end is an end of file: no peer has a part in it. */
		r = receive_answer(sockets[0], &pidfd);
		waitid(P_PID, (id_t)pid, NULL, WEXITED);
		pid = r < 0 ? r : pid_of(pidfd);
	}
	close_fd(&sockets[0]);
	return pid;
}

static pid_t clone_child(const struct child_fork_options *options)
{
	if (!options)
		return clone_with(0, SIGCHLD, -1, NULL);
	if (options->join_user)
		return clone_in_user(options);
	return clone_with(options->clone_flags, SIGCHLD, options->cgroup_fd, NULL);
}

/*
 * All signals are blocked here. What the terminal sent between the clone and setsid() is thrown
 * away: to ignore a pending signal discards it.
 */
static void leave_session(void)
{
	static const int from_terminal[] = {SIGINT, SIGQUIT, SIGTSTP, SIGHUP};

	setsid();
	for (size_t i = 0; i < ARRAY_SIZE(from_terminal); i++)
		signal(from_terminal[i], SIG_IGN);
}

pid_t child_process_fork(struct child_process *child, const struct child_fork_options *options,
	child_exit_fn on_exit, const char *name)
{
	sigset_t all, before;
	pid_t pid;

	/* No handler of ours may run in the child before the dispositions are reset. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = clone_child(options);
	if (pid == 0) {
		if (options && options->new_session)
			leave_session();
		reset_signals();
		forget_parent();
		return 0;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return pid;
	*child = (struct child_process){.pid = pid, .on_exit = on_exit, .name = name};
	table_add(child);
	return pid;
}

int child_process_signal(struct child_process *child, int sig)
{
	_cleanup_fd_ int pidfd = -1;

	if (child->pid == 0 || child->exited)
		return -ESRCH;
	pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	/* out of descriptors: the number is as good, nobody but us can make it free */
	if (pidfd < 0)
		return kill(child->pid, sig) < 0 ? -errno : 0;
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

void child_process_disown(struct child_process *child)
{
	if (child->pid == 0)
		return;
	table_remove(child);
	child->pid = 0;
	child->on_exit = NULL;
}

bool child_process_has_ended(const struct child_process *child)
{
	siginfo_t info;

	return child->exited || child->pid == 0 ||
	       (wait_info(P_PID, (id_t)child->pid, &info, WNOWAIT | WNOHANG) == 0 &&
		       info.si_pid == child->pid);
}

int child_process_wait(struct child_process *child)
{
	siginfo_t info, gone;
	pid_t pid = child->pid;
	int r;

	if (pid == 0)
		return -ESRCH;
	if (child->exited)
		return 0;
	r = wait_info(P_PID, (id_t)pid, &info, WNOWAIT);
	if (r < 0)
		return r;
	hand_out(child, &info);
	return wait_info(P_PID, (id_t)pid, &gone, 0);
}
