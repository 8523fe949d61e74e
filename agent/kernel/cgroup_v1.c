/*
 * cgroup_v1: see cgroup_versions.h. Sources: Linux Documentation/admin-guide/cgroup-v1/
 * {cgroups,cpusets,freezer-subsystem}.rst; agent-api-containers.md 9 (SignalProcess) and 10.1.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_procs.h"
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

int cgroup_v1_populated(int fd)
{
	size_t count;
	int r = cgroup_procs_for_each(fd, NULL, &count);

	return count > 0 ? 1 : r;
}

int cgroup_v1_freeze(const struct cgroup *cgroup, bool freeze)
{
	if (!cgroup_root_v1_has(cgroup->root, "freezer"))
		return -ENODEV;
	return cgroup_write(cgroup, "freezer", "freezer.state", freeze ? "FROZEN" : "THAWED");
}

static void kill_one(pid_t pid)
{
	kill(pid, SIGKILL);
}

/*
 * Frozen, nobody forks and no number is used anew. Freezing takes its time, so that a process in
 * the middle of a fork may still have a child: looked for until no more come.
 */
int cgroup_v1_kill(const struct cgroup *cgroup)
{
	_cleanup_fd_ int fd = cgroup_open(cgroup);
	size_t before = 0;
	int r = fd < 0 ? fd : 0;

	cgroup_v1_freeze(cgroup, true);
	/* -E2BIG: those beyond have their turn when the emptied ones are removed */
	for (int i = 0; i < KILL_ROUNDS && (r == 0 || r == -E2BIG); i++) {
		size_t count;

		r = cgroup_procs_for_each(fd, kill_one, &count);
		if (i > 0 && count == before)
			break;
		before = count;
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
