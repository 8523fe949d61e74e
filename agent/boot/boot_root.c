/* boot_root: see the header. */
#include "boot/boot_root.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strings.h"
#include "kernel/mount.h"

#define NEW_ROOT      "/root"
#define NEW_INIT      "/sbin/init"
#define DISK_WAIT_MS  10000
#define SERIAL_LENGTH 20 /* virtio-blk's; the kernel prints it without a newline */

int boot_root_find(const char *sysfs, const char *serial, char *out, size_t size)
{
	char path[PATH_MAX], text[SERIAL_LENGTH + 2];
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;

	if (str_format(path, sizeof(path), "%s/block", sysfs) < 0)
		return -ENAMETOOLONG;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
			str_format(path, sizeof(path), "%s/block/%s/serial", sysfs, entry->d_name) <
				0 ||
			file_read(path, text, sizeof(text)) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (str_eq(text, serial))
			return str_copy(out, size, entry->d_name);
	}
	return -ENOENT;
}

/* The node in devtmpfs is the last thing to appear: the watch comes first, then the look. */
static int await_disk(const char *serial, char *node, size_t size, struct error *err)
{
	uint64_t end = event_loop_now_ns() / 1000000 + DISK_WAIT_MS, now;
	_cleanup_fd_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char name[64], events[4096];

	if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE) < 0)
		return error_errno(err, errno, "watch /dev");
	for (;;) {
		struct pollfd poller = {.fd = watch, .events = POLLIN};

		if (boot_root_find("/sys", serial, name, sizeof(name)) == 0) {
			str_format(node, size, "/dev/%s", name);
			if (file_exists(node))
				return 0;
		}
		now = event_loop_now_ns() / 1000000;
		if (now >= end)
			return error_errno(err, ETIMEDOUT, "no disk with serial number %s", serial);
		poll(&poller, 1, (int)(end - now));
		while (read(watch, events, sizeof(events)) > 0)
			;
	}
}

/* What is mounted already goes along; an image without the folder cannot be a root. */
static int move_mounts(struct error *err)
{
	static const char *const mounts[] = {"/dev", "/proc", "/sys", "/run"};
	char target[32];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(mounts); i++) {
		str_format(target, sizeof(target), "%s%s", NEW_ROOT, mounts[i]);
		r = mount_call(mounts[i], target, NULL, MS_MOVE, NULL, err);
	}
	return r;
}

static int become_its_init(const char *node, struct error *err)
{
	char *argv[] = {(char *)NEW_INIT, NULL};

	log_record(LOG_INFO, "boot", "going over to the root file system of a disk", "disk", node,
		NULL);
	/* This program's file, which nobody will see any more, would stay in memory. */
	unlink("/init");
	if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
		chdir("/") < 0)
		return error_errno(err, errno, "make %s the root", node);
	execv(NEW_INIT, argv);
	return error_errno(err, errno, "start %s of %s", NEW_INIT, node);
}

int boot_root_switch(const struct agent_config *config, struct error *err)
{
	char node[80];
	struct statfs fs;
	int r;

	if (!config->root_serial[0] || statfs("/", &fs) < 0 ||
		(fs.f_type != RAMFS_MAGIC && fs.f_type != TMPFS_MAGIC))
		return 0;
	r = await_disk(config->root_serial, node, sizeof(node), err);
	if (r == 0)
		r = path_mkdirs(NEW_ROOT, 0755);
	if (r == 0)
		r = mount_call(node, NEW_ROOT, config->root_fstype, MS_RDONLY, NULL, err);
	if (r == 0)
		r = move_mounts(err);
	return r < 0 ? r : become_its_init(node, err);
}
