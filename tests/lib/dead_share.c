/* dead_share: see dead_share.h. */
#include "lib/dead_share.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/test_main.h"

static const char *const folders[] = {"/run/kata-containers", "/run/kata-containers/shared",
	"/run/kata-containers/shared/containers", DEAD_SHARE};

static int enter(const struct agent *agent)
{
	char path[64];

	str_format(path, sizeof(path), "/proc/%d/ns/mnt", (int)agent->pid);
	return setns(open(path, O_RDONLY | O_CLOEXEC), CLONE_NEWNS);
}

static _Noreturn void hold_share(const struct agent *agent, int ready, int hold)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128], byte;

	str_format(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || enter(agent) < 0)
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (mkdir(folders[i], 0755) < 0 && errno != EEXIST)
			_exit(1);
	if (mount("dead", DEAD_SHARE, "fuse", 0, options) < 0 || write(ready, "", 1) != 1)
		_exit(1);
	_exit(read(hold, &byte, 1) != 0);
}

void dead_share_mount(const struct agent *agent, struct dead_share *ret)
{
	int ready[2], hold[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	ret->pid = fork();
	if (ret->pid == 0) {
		close(hold[1]);
		hold_share(agent, ready[1], hold[0]);
	}
	close(ready[1]);
	close(hold[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	ret->release = hold[1];
}

void dead_share_release(struct dead_share *share)
{
	int status;

	close(share->release);
	waitpid(share->pid, &status, 0);
}

void dead_share_unmount(const struct agent *agent)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (enter(agent) < 0 || umount2(DEAD_SHARE, MNT_DETACH) < 0)
			_exit(1);
		for (size_t i = ARRAY_SIZE(folders) - 1; i > 0; i--)
			if (rmdir(folders[i]) < 0)
				_exit(1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}
