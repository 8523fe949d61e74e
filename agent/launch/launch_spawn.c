/*
 * launch_spawn: see launch_spawn.h. Part of the parent's side of a launch; called by launch.c.
 */
#include "launch/launch_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "kernel/mount_tree.h"
#include "launch/launch_sync.h"

/* Of /proc/PID/?id_map: 340 lines of three columns, 10 digits and a blank each. */
#define ID_MAP_SIZE_MAX (340 * 3 * 11 + 1)

static int check_labels(const struct launch_plan *plan, struct error *err)
{
	if ((plan->selinux_label || plan->selinux_mounts) &&
		!file_exists("/sys/fs/selinux/enforce"))
		return error_set(err, STATUS_FAILED_PRECONDITION, 0,
			"%s: this kernel has no SELinux",
			plan->selinux_label ? "Process.SelinuxLabel" : "Linux.MountLabel");
	if (plan->apparmor_profile && !file_exists("/proc/self/attr/apparmor/exec"))
		return error_set(err, STATUS_FAILED_PRECONDITION, 0,
			"Process.ApparmorProfile %.100s: this kernel has no AppArmor",
			plan->apparmor_profile);
	return 0;
}

int spawn_check_kernel(const struct launch_plan *plan, struct error *err)
{
	char path[64];

	for (int i = 0; i < NAMESPACE_COUNT; i++) {
		const char *name = namespace_name((enum namespace_type)i);

		snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
		if (plan->namespaces[i].how == PLAN_NAMESPACE_NEW && !file_exists(path))
			return error_set(err, STATUS_FAILED_PRECONDITION, 0,
				"Linux.Namespaces: this kernel has no %s namespaces", name);
	}
	return check_labels(plan, err);
}

/* Everything that is joined, as descriptors of our own. */
int spawn_open_joined(
	const struct launch_request *request, struct namespace_set *join, struct error *err)
{
	/* The agent's own would be the alternative. */
	if (request->plan->exec && (!request->join || request->join->fd[NAMESPACE_MNT] < 0))
		return error_errno(
			err, EBADF, "launch: an exec without the container's namespaces");
	for (int i = 0; i < NAMESPACE_COUNT; i++) {
		const struct plan_namespace *ns = &request->plan->namespaces[i];
		int fd = request->join ? request->join->fd[i] : -1;

		if (ns->how == PLAN_NAMESPACE_FD)
			fd = ns->fd;
		if (ns->how == PLAN_NAMESPACE_PATH) {
			join->fd[i] = namespace_open((enum namespace_type)i, ns->path, err);
			if (join->fd[i] < 0)
				return error_prefix(err, "Linux.Namespaces");
		} else if (fd >= 0) {
			join->fd[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
			if (join->fd[i] < 0)
				return error_errno(err, errno, "duplicate a %s namespace",
					namespace_name((enum namespace_type)i));
		}
	}
	return 0;
}

int spawn_own_pipes(const struct launch_request *request, struct error *err)
{
	const int fds[] = {request->stdio.in, request->stdio.out, request->stdio.err};
	uid_t uid = request->plan->guest_uid;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct stat st;

		if (fds[i] < 0 || fstat(fds[i], &st) < 0 || !S_ISFIFO(st.st_mode) ||
			st.st_uid == uid)
			continue;
		if (fchown(fds[i], uid, (gid_t)-1) < 0)
			return error_errno(
				err, errno, "give standard stream %zu to user %u", i, uid);
	}
	return 0;
}

static uint64_t clone_flags(const struct launch_request *request)
{
	uint64_t flags = request->cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0;

	for (int i = 0; i < NAMESPACE_COUNT; i++)
		if (request->plan->namespaces[i].how == PLAN_NAMESPACE_NEW &&
			i != NAMESPACE_CGROUP) /* made in the child, once it is in its cgroup */
			flags |= namespace_clone_flag((enum namespace_type)i);
	return flags;
}

/*
 * Namespaces that we enter for the moment of the clone, so that the child is born in them: a PID
 * namespace always, there is no other way; with a new user namespace all that belong to the guest,
 * because the child will have no rights over those.
 */
static bool joined_by_parent(const struct launch_plan *plan, enum namespace_type type)
{
	if (type == NAMESPACE_PID)
		return true;
	return plan->uid_map && (type == NAMESPACE_IPC || type == NAMESPACE_UTS ||
					type == NAMESPACE_NET || type == NAMESPACE_TIME);
}

static int enter(const struct launch_plan *plan, struct namespace_set *join,
	struct namespace_set *own, struct error *err)
{
	for (int i = 0; i < NAMESPACE_COUNT; i++) {
		enum namespace_type type = (enum namespace_type)i;
		int r;

		if (join->fd[i] < 0 || !joined_by_parent(plan, type))
			continue;
		own->fd[i] = namespace_open_own(type, err);
		if (own->fd[i] < 0)
			return own->fd[i];
		r = namespace_enter(type, join->fd[i], err);
		if (r < 0) {
			close_fd(&own->fd[i]); /* nothing to come back from */
			return r;
		}
		close_fd(&join->fd[i]);
	}
	return 0;
}

/* An agent that cannot come home would do everything from now on in a container's namespace. */
static void come_back(struct namespace_set *own)
{
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];

	for (int i = 0; i < NAMESPACE_COUNT; i++) {
		if (own->fd[i] < 0 ||
			namespace_enter((enum namespace_type)i, own->fd[i], &err) >= 0)
			continue;
		log_record(LOG_CRIT, "launch", error_render(&err, text, sizeof(text)), NULL);
		abort();
	}
	namespace_set_release(own);
}

static int clone_error(int r, const struct launch_request *request, struct error *err)
{
	/* What a PID namespace answers when its init has ended (pid_namespaces(7)). */
	if (r == -ENOMEM && request->join && request->join->fd[NAMESPACE_PID] >= 0)
		return error_set(err, STATUS_INTERNAL, ENOMEM,
			"clone3: the container's PID namespace has ended, or there is no memory");
	return error_errno(err, -r, "clone3: start a child%s",
		request->cgroup_fd >= 0 ? " in the container's cgroup" : "");
}

/*
 * A message queue file system belongs to an ipc namespace, and a user namespace may mount it only
 * for one of its own. The pod's is mounted by us, while we are in that namespace. When that fails,
 * the child's own try says why.
 */
static int mount_mqueue(const struct launch_plan *plan)
{
	struct error ignored = ERROR_INIT;

	if (!plan->uid_map || plan->namespaces[NAMESPACE_IPC].how == PLAN_NAMESPACE_NEW)
		return -1;
	for (size_t i = 0; i < plan->mount_count; i++)
		if (str_eq(plan->mounts[i].type, "mqueue"))
			return mount_tree_new("mqueue", &ignored);
	return -1;
}

/* A container's own user namespace by path: not joined by the child, which is to be born in it. */
static void join_user(const struct launch_plan *plan, struct namespace_set *join,
	struct child_fork_options *options)
{
	if (!plan->uid_map || join->fd[NAMESPACE_USER] < 0)
		return;
	options->join_user = true;
	options->user_fd = join->fd[NAMESPACE_USER];
	join->fd[NAMESPACE_USER] = -1;
}

/* Returns in the parent only. */
int spawn_child(struct child_process *process, const struct launch_request *request,
	struct launch_child *child, child_exit_fn on_exit, struct error *err)
{
	struct child_fork_options options = {
		.clone_flags = clone_flags(request),
		.cgroup_fd = request->cgroup_fd,
	};
	struct namespace_set own;
	pid_t pid;
	int r;

	namespace_set_init(&own);
	join_user(request->plan, &child->join, &options);
	r = enter(request->plan, &child->join, &own, err);
	if (r >= 0) {
		child->mqueue = mount_mqueue(request->plan);
		pid = child_process_fork(
			process, &options, on_exit, request->plan->exec ? "exec" : "init");
		if (pid == 0)
			launch_child_run(child);
		if (pid < 0)
			r = clone_error(pid, request, err);
	}
	come_back(&own);
	if (options.join_user)
		close_fd(&options.user_fd);
	return r;
}

static int write_proc(pid_t pid, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_write(path, text);
}

/* Always written: 0 too, or the agent's own would be inherited. */
int spawn_set_oom_score(const struct launch_plan *plan, pid_t pid, struct error *err)
{
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d", plan->oom_score_adj);
	r = write_proc(pid, "oom_score_adj", text);
	if (r == -ESRCH || r == -ENOENT) /* it has failed already, and will say why */
		return 0;
	return r < 0 ? error_errno(err, -r, "Process.OOMScoreAdj: set it to %s", text) : 0;
}

static int write_maps(const struct launch_plan *plan, pid_t pid, struct error *err)
{
	int r = write_proc(pid, "uid_map", plan->uid_map);

	if (r < 0)
		return error_errno(err, -r, "Linux.UIDMappings: write the map");
	r = write_proc(pid, "gid_map", plan->gid_map);
	if (r == -EPERM) {
		/* Without CAP_SETGID the kernel wants setgroups(2) given up (user_namespaces(7)).
		 */
		write_proc(pid, "setgroups", "deny");
		r = write_proc(pid, "gid_map", plan->gid_map);
	}
	return r < 0 ? error_errno(err, -r, "Linux.GIDMappings: write the map") : 0;
}

/* Words, whatever blanks are between them: the kernel sets its columns apart. */
static bool same_words(const char *a, const char *b)
{
	for (;;) {
		size_t n;

		a += strspn(a, " \n");
		b += strspn(b, " \n");
		n = strcspn(a, " \n");
		if (n != strcspn(b, " \n") || strncmp(a, b, n) != 0)
			return false;
		if (n == 0)
			return true;
		a += n;
		b += n;
	}
}

/* The maps of a namespace that is joined say who owns what in it: the spec's must be these. */
static int check_map(
	pid_t pid, const char *name, const char *field, const char *wanted, struct error *err)
{
	char path[64];
	_cleanup_free_ char *text = NULL;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = file_read_alloc(path, ID_MAP_SIZE_MAX, &text);
	if (n < 0)
		return error_errno(err, (int)-n, "%s: read the map", field);
	return same_words(text, wanted)
		       ? 0
		       : error_invalid(err, "%s: the user namespace that is joined has another map",
				 field);
}

int spawn_map_ids(const struct launch_plan *plan, pid_t pid, int sync, struct error *err)
{
	int r;

	if (!plan->uid_map)
		return 0;
	if (plan->namespaces[NAMESPACE_USER].how == PLAN_NAMESPACE_NEW) {
		r = write_maps(plan, pid, err);
	} else {
		r = check_map(pid, "uid_map", "Linux.UIDMappings", plan->uid_map, err);
		if (r >= 0)
			r = check_map(pid, "gid_map", "Linux.GIDMappings", plan->gid_map, err);
	}
	if (r < 0)
		return r;
	r = launch_sync_send(sync, LAUNCH_STEP_MAPPED, NULL);
	/* EPIPE: it has failed already, and its message says why. */
	return r < 0 && r != -EPIPE ? error_errno(err, -r, "tell the child of its ids") : 0;
}
