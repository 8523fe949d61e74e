/*
 * namespace: see namespace.h. Used by launch/ (joining, parent and child) and by sandbox/
 * (pinning).
 */
#include "kernel/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"

static const struct {
	const char *name; /* in /proc/PID/ns */
	const char *word; /* other name in OCI specs, or NULL */
	uint64_t flag;
} types[NAMESPACE_COUNT] = {
	[NAMESPACE_USER] = {"user", NULL, CLONE_NEWUSER},
	[NAMESPACE_PID] = {"pid", NULL, CLONE_NEWPID},
	[NAMESPACE_IPC] = {"ipc", NULL, CLONE_NEWIPC},
	[NAMESPACE_UTS] = {"uts", NULL, CLONE_NEWUTS},
	[NAMESPACE_NET] = {"net", "network", CLONE_NEWNET},
	[NAMESPACE_CGROUP] = {"cgroup", NULL, CLONE_NEWCGROUP},
	[NAMESPACE_TIME] = {"time", NULL, CLONE_NEWTIME},
	[NAMESPACE_MNT] = {"mnt", "mount", CLONE_NEWNS},
};

void namespace_set_init(struct namespace_set *set)
{
	for (int i = 0; i < NAMESPACE_COUNT; i++)
		set->fd[i] = -1;
}

void namespace_set_release(struct namespace_set *set)
{
	for (int i = 0; i < NAMESPACE_COUNT; i++)
		close_fd(&set->fd[i]);
}

/* A kernel without such namespaces has the caller's own. */
int namespace_pin(enum namespace_type type, pid_t pid, int *ret, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat theirs, own;
	char path[64];

	*ret = -1;
	snprintf(path, sizeof(path), "/proc/self/ns/%s", types[type].name);
	if (stat(path, &own) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_errno(err, errno, "stat %s", path);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, types[type].name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	if (fstat(fd, &theirs) < 0)
		return error_errno(err, errno, "fstat %s", path);
	if (theirs.st_dev != own.st_dev || theirs.st_ino != own.st_ino)
		*ret = take_fd(&fd);
	return 0;
}

int namespace_set_pin(struct namespace_set *set, pid_t pid, struct error *err)
{
	struct namespace_set pinned;

	namespace_set_init(&pinned);
	for (int i = 0; i < NAMESPACE_COUNT; i++) {
		int r = namespace_pin((enum namespace_type)i, pid, &pinned.fd[i], err);

		if (r < 0) {
			namespace_set_release(&pinned);
			return r;
		}
	}
	*set = pinned;
	return 0;
}

int namespace_type_parse(const char *word)
{
	for (int i = 0; i < NAMESPACE_COUNT; i++)
		if (strcmp(word, types[i].name) == 0 ||
			(types[i].word && strcmp(word, types[i].word) == 0))
			return i;
	return -EINVAL;
}

uint64_t namespace_clone_flag(enum namespace_type type)
{
	return types[type].flag;
}

const char *namespace_name(enum namespace_type type)
{
	return types[type].name;
}

int namespace_open(enum namespace_type type, const char *path, struct error *err)
{
	/* O_NONBLOCK: the path may name a fifo. */
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int kind;

	if (fd < 0)
		return error_errno(err, errno, "%s namespace: open %s", types[type].name, path);
	kind = ioctl(fd, NS_GET_NSTYPE);
	if (kind < 0 || (uint64_t)kind != types[type].flag)
		return error_set(err, STATUS_INVALID_ARGUMENT, EINVAL, "%s is no %s namespace",
			path, types[type].name);
	return take_fd(&fd);
}

int namespace_open_own(enum namespace_type type, struct error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", types[type].name);
	return namespace_open(type, path, err);
}

int namespace_enter(enum namespace_type type, int fd, struct error *err)
{
	if (setns(fd, (int)types[type].flag) < 0)
		return error_errno(err, errno, "setns: join the %s namespace", types[type].name);
	return 0;
}
