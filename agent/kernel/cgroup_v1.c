/*
 * cgroup_v1: see cgroup_versions.h. Sources: Linux Documentation/admin-guide/cgroup-v1/
 * {cgroups,cpusets,freezer-subsystem}.rst; agent-api-containers.md 9 (SignalProcess) and 10.1.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_tree.h"
#include "kernel/cgroup_versions.h"

/* Rounds of looking for processes that were forked while others were being killed. */
#define KILL_ROUNDS 8

/* ---- directories ---- */

static void fill_from_parent(const char *dir, const char *file)
{
	char path[PATH_MAX], above[PATH_MAX], text[1024];

	if (path_join(path, sizeof(path), dir, file) < 0 ||
		file_read(path, text, sizeof(text)) < 0 || text[strspn(text, " \n")])
		return;
	if (str_format(above, sizeof(above), "%s/../%s", dir, file) >= 0 &&
		file_read(above, text, sizeof(text)) > 0)
		file_write(path, text);
}

/* Called from the top down: the parent, if it is no cpuset of ours, was filled by its owner. */
void cgroup_v1_fill_cpuset(const char *dir)
{
	fill_from_parent(dir, "cpuset.cpus");
	fill_from_parent(dir, "cpuset.mems");
}

/* ---- processes ---- */

typedef void (*process_fn)(pid_t pid, void *context);

struct process_walk {
	process_fn fn; /* NULL: only count */
	void *context;
	size_t count;
};

/* cgroup.procs may be longer than any buffer: read as it comes. */
static int read_procs(int dir, struct process_walk *walk)
{
	_cleanup_file_ FILE *file = NULL;
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC), pid;

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (fscanf(file, "%d", &pid) == 1) {
		walk->count++;
		/* 0: in a PID namespace that we cannot see into */
		if (walk->fn && pid > 0)
			walk->fn(pid, walk->context);
	}
	return 0;
}

static int read_child(int parent, const char *name, int dir, void *context)
{
	return read_procs(dir, context);
}

static int for_each_process(int dir, struct process_walk *walk)
{
	int r = read_procs(dir, walk);

	return r < 0 ? r : cgroup_tree_walk(dir, read_child, walk);
}

int cgroup_v1_populated(int fd)
{
	struct process_walk walk = {0};
	int r = for_each_process(fd, &walk);

	return r < 0 ? r : walk.count > 0;
}

int cgroup_v1_freeze(const struct cgroup *cgroup, bool freeze)
{
	if (!cgroup_root_v1_has(cgroup->root, "freezer"))
		return -ENODEV;
	return cgroup_write(cgroup, "freezer", "freezer.state", freeze ? "FROZEN" : "THAWED");
}

static void kill_one(pid_t pid, void *context)
{
	kill(pid, SIGKILL);
}

/*
 * Frozen, nobody forks and no number is used anew. Freezing takes its time, so that a process in
 * the middle of a fork may still have a child: looked for until no more come.
 */
int cgroup_v1_kill(const struct cgroup *cgroup)
{
	size_t before = 0;
	int r = 0;

	cgroup_v1_freeze(cgroup, true);
	for (int i = 0; i < KILL_ROUNDS && r == 0; i++) {
		struct process_walk walk = {.fn = kill_one};

		r = for_each_process(cgroup->fd, &walk);
		if (i > 0 && walk.count == before)
			break;
		before = walk.count;
	}
	cgroup_v1_freeze(cgroup, false);
	return r;
}

/* Out of the freezer's group into the one above, which is not frozen. */
void cgroup_let_die(const struct cgroup *cgroup, pid_t pid)
{
	char dir[PATH_MAX], path[PATH_MAX], number[16];

	if (!cgroup->root || !cgroup->root->v1_only ||
		cgroup_dir(cgroup, "freezer", dir, sizeof(dir)) < 0)
		return;
	*strrchr(dir, '/') = '\0';
	str_format(number, sizeof(number), "%d", (int)pid);
	if (path_join(path, sizeof(path), dir, "cgroup.procs") == 0)
		file_write(path, number);
}

int cgroup_enter_v1(const struct cgroup *cgroup, const char **failed)
{
	const struct cgroup_hierarchies *v1 = &cgroup->root->v1;
	const char *relative = cgroup->path + strlen(cgroup->root->mount);

	for (size_t i = 0; i < v1->count; i++) {
		char path[PATH_MAX];
		int r = -ENAMETOOLONG;

		*failed = v1->list[i].mount;
		if (str_format(path, sizeof(path), "%s%s/cgroup.procs", v1->list[i].mount,
			    relative) >= 0)
			r = file_write(path, "0"); /* whoever writes it */
		if (r < 0)
			return r;
	}
	return 0;
}
