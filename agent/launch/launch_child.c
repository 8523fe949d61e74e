/*
 * launch_child: see launch_child.h. Steps in one table, one error exit. The child is charged to the
 * container's cgroup, may be seen by its processes (hence not dumpable), and must not log: standard
 * error is the container's. Warnings go to the parent as messages.
 */
#include "launch/launch_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kernel/seccomp.h"
#include "kernel/terminal.h"
#include "launch/child_fds.h"
#include "launch/credentials.h"
#include "launch/hooks.h"
#include "launch/launch_sync.h"
#include "launch/program.h"
#include "launch/rootfs.h"

struct state {
	struct launch_child *child;
	const struct launch_plan *plan;
	int root; /* O_PATH, of the container's root file system */
	int spare_ptmx;
	pid_t guest_pid; /* our number as the guest has it, for hooks; 0 = not known */
	struct program program;
};

/* ---- surroundings --------------------------------------------------------------------------- */

/* First of all: what comes is charged to the container, and the guest's /sys is still there. */
static int step_groups(struct state *s, struct error *err)
{
	const char *failed = "";
	int r = s->child->cgroup ? cgroup_enter_v1(s->child->cgroup, &failed) : 0;

	return r < 0 ? error_errno(err, -r, "enter the container's cgroup in %s", failed) : 0;
}

static int step_descriptors(struct state *s, struct error *err)
{
	int r;

	if (s->plan->terminal)
		s->child->stdio = (struct launch_stdio){-1, -1, -1};
	r = child_fds_keep_only(s->child, err);
	if (r >= 0)
		r = child_fds_open_streams(s->child, err);
	/* For a container without a devpts; opened while the guest's /dev is still there. */
	if (r >= 0 && s->plan->terminal)
		s->spare_ptmx = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return r;
}

static int step_isolate(struct state *s, struct error *err)
{
	umask(0); /* modes of what is made for the container are meant as written */
	if (setsid() < 0)
		return error_errno(err, errno, "setsid");
	/* Processes of the container that share its PID namespace may look at us from now on. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "prctl PR_SET_DUMPABLE");
	/* The agent's keys are not the container's. A kernel without keyrings has none to share. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
	return 0;
}

/*
 * The mount namespace last but one: before, its files are the guest's. The user namespace last: the
 * agent's privileges are good for all the others, whoever owns them.
 */
static int step_join(struct state *s, struct error *err)
{
	static const enum namespace_type order[] = {NAMESPACE_IPC, NAMESPACE_UTS, NAMESPACE_NET,
		NAMESPACE_TIME, NAMESPACE_CGROUP, NAMESPACE_MNT, NAMESPACE_USER};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		int *fd = &s->child->join.fd[order[i]], r;

		if (*fd < 0)
			continue;
		r = namespace_enter(order[i], *fd, err);
		if (r < 0)
			return r;
		close_fd(fd);
	}
	return 0;
}

/* Not by clone3(2): its root is to be the container's cgroup, in which we are only now. */
static int step_cgroup_namespace(struct state *s, struct error *err)
{
	if (s->plan->namespaces[NAMESPACE_CGROUP].how != PLAN_NAMESPACE_NEW)
		return 0;
	if (unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(err, errno, "unshare the cgroup namespace");
	return 0;
}

static int step_hostname(struct state *s, struct error *err)
{
	if (!s->plan->hostname)
		return 0;
	if (sethostname(s->plan->hostname, strlen(s->plan->hostname)) < 0)
		return error_errno(err, errno, "set the host name %s", s->plan->hostname);
	return 0;
}

/* Before the root is left: its /proc is ours, whatever the container mounts; and as the guest's
 * root. */
static int step_sysctls(struct state *s, struct error *err)
{
	for (size_t i = 0; i < s->plan->sysctl_count; i++) {
		const struct plan_sysctl *sysctl = &s->plan->sysctls[i];
		int r = file_write(sysctl->path, sysctl->value);

		if (r == -ENOENT) {
			struct error warning = ERROR_INIT;

			error_errno(&warning, ENOENT, "Linux.Sysctl %s skipped", sysctl->name);
			launch_sync_send(s->child->sync, LAUNCH_STEP_WARNING, &warning);
		} else if (r < 0) {
			return error_errno(err, -r, "Linux.Sysctl: write %s", sysctl->name);
		}
	}
	return 0;
}

/* ---- root file system ----------------------------------------------------------------------- */

/* The guest's directories may be closed to the container's root user: opened before we become it.
 */
static int step_root(struct state *s, struct error *err)
{
	if (s->plan->new_rootfs)
		s->root = rootfs_open(s->plan, err);
	else
		s->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0)
		return s->plan->new_rootfs ? s->root : error_errno(err, errno, "open /");
	return 0;
}

static int step_mapped(struct state *s, struct error *err)
{
	int r;

	if (!s->plan->uid_map)
		return 0;
	r = launch_sync_wait(s->child->sync, LAUNCH_STEP_MAPPED);
	if (r < 0)
		return error_errno(err, -r, "wait for the id maps");
	return credentials_become_root(err);
}

static int step_mounts(struct state *s, struct error *err)
{
	int r;

	if (!s->plan->new_rootfs)
		return 0;
	r = rootfs_mount_all(s->plan, s->root, s->child->mqueue, err);
	close_fd(&s->child->mqueue);
	if (r >= 0 && s->plan->make_dev)
		r = rootfs_make_dev(s->plan, s->root, err);
	return r;
}

static int step_terminal(struct state *s, struct error *err)
{
	struct terminal terminal;
	_cleanup_fd_ int master = -1, slave = -1;
	int r;

	if (!s->plan->terminal)
		return 0;
	r = terminal_open(s->root, take_fd(&s->spare_ptmx), &terminal, err);
	if (r < 0)
		return r;
	master = terminal.master;
	slave = terminal.slave;
	if (s->plan->new_rootfs && s->plan->make_dev)
		r = rootfs_bind_console(s->root, slave, err);
	if (r < 0)
		return r;
	if (s->plan->rows || s->plan->columns)
		r = terminal_set_size(slave, s->plan->rows, s->plan->columns);
	if (r < 0)
		return error_errno(err, -r, "Process.ConsoleSize: set %u x %u", s->plan->rows,
			s->plan->columns);
	for (int i = 0; i <= STDERR_FILENO; i++)
		if (dup2(slave, i) < 0)
			return error_errno(err, errno, "standard stream %d", i);
	r = terminal_make_controlling(STDIN_FILENO, err);
	if (r < 0)
		return r;
	r = launch_sync_send_terminal(s->child->sync, master);
	return r < 0 ? error_errno(err, -r, "terminal: send the master") : 0;
}

/* Hooks in the container print into the log, not into the container's output. */
static void say(void *context, const struct error *news)
{
	const struct state *s = context;

	launch_sync_send(s->child->sync, LAUNCH_STEP_WARNING, news);
}

static int run_hooks(struct state *s, enum hook_kind kind, struct error *err)
{
	if (!hooks_wanted(s->plan->hooks, kind))
		return 0;
	return hooks_run(s->plan->hooks, kind, s->guest_pid, say, s, err);
}

/* /proc is still the guest's here. */
static int step_create_hooks(struct state *s, struct error *err)
{
	const struct hook_set *hooks = s->plan->hooks;
	char number[16] = "";
	int r = 0;

	if (!hooks)
		return 0;
	if (readlink("/proc/self", number, sizeof(number) - 1) > 0)
		s->guest_pid = (pid_t)strtol(number, NULL, 10);
	if (hooks_wanted(hooks, HOOK_PRESTART) || hooks_wanted(hooks, HOOK_CREATE_RUNTIME)) {
		r = launch_sync_send(s->child->sync, LAUNCH_STEP_HOOKS, NULL);
		if (r >= 0)
			r = launch_sync_wait(s->child->sync, LAUNCH_STEP_HOOKED);
	}
	if (r < 0)
		return error_errno(err, -r, "wait for the hooks");
	return run_hooks(s, HOOK_CREATE_CONTAINER, err);
}

static int step_enter(struct state *s, struct error *err)
{
	int r;

	if (s->plan->new_rootfs) {
		r = rootfs_seal(s->plan, s->root, err);
		if (r >= 0)
			r = rootfs_enter(s->plan, s->root, err);
		if (r < 0)
			return r;
	}
	close_fd(&s->root);
	umask(022);
	return 0;
}

/* As root. The kernel gives no path for a directory that is not below our root. */
static int step_cwd(struct state *s, struct error *err)
{
	char path[PATH_MAX];

	if (chdir(s->plan->cwd) < 0)
		return error_errno(err, errno, "working directory %s", s->plan->cwd);
	if (!getcwd(path, sizeof(path)) || path[0] != '/')
		return error_errno(err, ENOENT, "working directory %s: it is outside the container",
			s->plan->cwd);
	return 0;
}

/* ---- the program ---------------------------------------------------------------------------- */

/* /dev/tty and the like are opened anew by programs. (Pipes were given to the user by the parent.)
 */
static int step_own_terminal(struct state *s, struct error *err)
{
	if (!s->plan->terminal || s->plan->uid == 0)
		return 0;
	if (fchown(STDIN_FILENO, s->plan->uid, (gid_t)-1) < 0)
		return error_errno(err, errno, "give the terminal to user %u", s->plan->uid);
	return 0;
}

static int step_user(struct state *s, struct error *err)
{
	return credentials_set_user(s->plan, err);
}

static int step_program(struct state *s, struct error *err)
{
	return program_prepare(s->plan, &s->program, err);
}

static int step_close(struct state *s, struct error *err)
{
	return child_fds_close_for_exec(s->child, err);
}

static int step_privileges(struct state *s, struct error *err)
{
	struct error warning = ERROR_INIT;
	uint64_t missing = 0;
	char names[300];
	int r = credentials_drop(s->plan, s->child->seccomp_fd, &missing, &warning, err);

	if (r < 0)
		return r;
	if (warning.status)
		launch_sync_send(s->child->sync, LAUNCH_STEP_WARNING, &warning);
	if (missing) {
		error_set(&warning, STATUS_PERMISSION_DENIED, 0,
			"capabilities that the agent does not have are left out: %s",
			capability_format(missing, names, sizeof(names)));
		launch_sync_send(s->child->sync, LAUNCH_STEP_WARNING, &warning);
	}
	return 0;
}

static int step_wait_for_start(struct state *s, struct error *err)
{
	int r = launch_sync_send(s->child->sync, LAUNCH_STEP_CREATED, NULL);

	if (r >= 0)
		r = launch_sync_wait(s->child->sync, LAUNCH_STEP_START);
	return r < 0 ? error_errno(err, -r, "wait for the start") : 0;
}

static int step_start_hooks(struct state *s, struct error *err)
{
	return run_hooks(s, HOOK_START_CONTAINER, err);
}

static int step_exec(struct state *s, struct error *err)
{
	if (s->plan->has_seccomp && !s->plan->seccomp_before && s->child->seccomp_fd >= 0) {
		int r = seccomp_install(s->child->seccomp_fd, s->plan->seccomp_flags, err);

		if (r < 0)
			return r;
	}
	return program_exec(s->plan, &s->program, err);
}

_Noreturn void launch_child_run(struct launch_child *child)
{
	static int (*const steps[])(struct state * s, struct error * err) = {
		step_groups,
		step_descriptors,
		step_isolate,
		step_join,
		step_cgroup_namespace,
		step_hostname,
		step_sysctls,
		step_root,
		step_mapped,
		step_mounts,
		step_terminal,
		step_create_hooks,
		step_enter,
		step_cwd,
		step_own_terminal,
		step_user,
		step_program,
		step_close,
		step_privileges,
		step_wait_for_start,
		step_start_hooks,
		step_exec,
	};
	struct state s = {.child = child, .plan = child->plan, .root = -1, .spare_ptmx = -1};
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i](&s, &err) < 0)
			break;
	launch_sync_send(child->sync, LAUNCH_STEP_FAILED, &err);
	_exit(err.errnum == ENOENT ? 127 : 126);
}
