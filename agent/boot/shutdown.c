/* shutdown: the last steps of the agent; see shutdown.h. */
#include "boot/shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strings.h"
#include "kernel/mount.h"
#include "telemetry/log_sink.h"

#define CLEAN_UP_MS 10000
#define FLUSH_MS    1000
/* Mount points kept to be unmounted; more than a VM of containers has. */
#define MOUNTS_MAX 512

/* The initial PID namespace's inode (linux, include/linux/proc_ns.h, PROC_PID_INIT_INO). */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCu

/*
 * Process 1 of the machine. A container's first process is number 1 as well, of its own namespace,
 * and may still be a child of ours on its way to exec: it must not take the guest down.
 */
static bool is_machine_init(void)
{
	struct stat st;

	if (getpid() != 1)
		return false;
	/* No /proc yet: so early nobody else exists. */
	return stat("/proc/self/ns/pid", &st) < 0 || st.st_ino == INITIAL_PID_NAMESPACE;
}

struct mount_list {
	char *points[MOUNTS_MAX];
	size_t count;
};

/* Kernel file systems hold nothing that could be lost, and unmounting /proc would blind us. */
static bool worth_unmounting(const struct mount_entry *entry)
{
	static const char *const kernel[] = {
		"proc", "sysfs", "devtmpfs", "devpts", "cgroup2", "cgroup", "rootfs"};

	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++)
		if (str_eq(entry->fstype, kernel[i]))
			return false;
	return !str_eq(entry->mount_point, "/");
}

static int remember_mount(const struct mount_entry *entry, void *context)
{
	struct mount_list *list = context;

	if (worth_unmounting(entry) && list->count < MOUNTS_MAX) {
		list->points[list->count] = strdup(entry->mount_point);
		if (list->points[list->count])
			list->count++;
	}
	return 0;
}

/* Newest first. What is busy is made read-only at least, so that its journal is closed. */
static void unmount_all(void)
{
	struct mount_list list = {.count = 0};

	mountinfo_for_each(NULL, remember_mount, &list);
	while (list.count) {
		const char *point = list.points[--list.count];

		if (umount2(point, UMOUNT_NOFOLLOW) == 0 || errno != EBUSY)
			continue;
		mount(NULL, point, NULL, MS_REMOUNT | MS_RDONLY, NULL);
		umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
}

/* In a child of its own, so that what hangs there hangs alone. */
static void clean_up(void)
{
	pid_t pid = fork();
	struct pollfd poller;

	if (pid == 0) {
		unmount_all();
		sync();
		_exit(0);
	}
	if (pid < 0) {
		log_printf(LOG_ERROR, "boot", "shutdown: fork: %s: not unmounted, not synced",
			errno_name(errno));
		return;
	}
	poller.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	poller.events = POLLIN;
	if (poller.fd < 0 || poll(&poller, 1, CLEAN_UP_MS) != 1)
		log_printf(LOG_ERROR, "boot",
			"shutdown: unmounting and syncing did not end within %d s",
			CLEAN_UP_MS / 1000);
}

static _Noreturn void power_off(void)
{
	log_record(LOG_INFO, "boot", "powering off", NULL);
	/* Every process but this one; those in containers' PID namespaces too. */
	kill(-1, SIGKILL);
	clean_up();
	log_sink_flush(FLUSH_MS);
	reboot(RB_POWER_OFF);
	/* Not reached where the kernel knows how; process 1 must not end. */
	for (;;)
		pause();
}

_Noreturn void shutdown_end(int exit_code)
{
	if (is_machine_init())
		power_off();
	log_sink_flush(FLUSH_MS);
	exit(exit_code);
}

_Noreturn void bug(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_record(LOG_CRIT, "bug", text, NULL);
	if (is_machine_init())
		power_off();
	log_sink_flush(FLUSH_MS);
	abort();
}
