/* cgroup_procs: see cgroup_procs.h. */
#include "kernel/cgroup_procs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "kernel/cgroup_tree.h"

struct process_walk {
	void (*fn)(pid_t pid);
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
			walk->fn(pid);
	}
	return 0;
}

static int read_child(int parent, const char *name, int dir, void *context)
{
	return read_procs(dir, context);
}

int cgroup_procs_for_each(int dir, void (*fn)(pid_t pid), size_t *count)
{
	struct process_walk walk = {.fn = fn};
	int r = read_procs(dir, &walk);

	if (r == 0)
		r = cgroup_tree_walk(dir, CGROUP_DESCENDANTS_MAX, read_child, &walk);
	*count = walk.count;
	return r;
}
