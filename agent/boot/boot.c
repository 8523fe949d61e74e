/* boot: process 1's first steps; see boot.h. Called by main.c. */
#include "boot/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strings.h"
#include "boot/boot_min_free.h"
#include "boot/boot_modules.h"
#include "boot/boot_root.h"
#include "boot/boot_size.h"
#include "kernel/mount.h"
#include "telemetry/log_sink.h"

/* The kernel's own maximum is 2 KiB on x86 and 4 KiB on s390x; anything over this is cut off there.
 */
#define CMDLINE_MAX 16384
/*
 * Descriptors of the agent: a container takes about ten, plus three a process. The hard limit is
 * what containers may raise theirs to.
 */
#define NOFILE_SOFT 65536
#define NOFILE_HARD 1048576
/* As Kata's unit file has it: after every container, but not exempt. */
#define AGENT_OOM_SCORE_ADJ "-997"

#define CGROUP_MOUNT "/sys/fs/cgroup"

struct boot_mount {
	const char *source, *target, *fstype;
	unsigned long flags;
	const char *data;
};

static bool mounted_as(const char *target, const char *fstype);

/* A target that carries this file system already is left alone (CONFIG_DEVTMPFS_MOUNT). */
static int mount_one(const struct boot_mount *m, struct error *err)
{
	int r = path_mkdirs(m->target, 0755);

	if (r < 0)
		return error_errno(err, -r, "make mount point %s", m->target);
	if (mounted_as(m->target, m->fstype))
		return 0;
	return mount_call(m->source, m->target, m->fstype, m->flags, m->data, err);
}

struct mounted_query {
	const char *target, *fstype;
	bool topmost_matches;
};

static int compare_mount(const struct mount_entry *entry, void *context)
{
	struct mounted_query *query = context;

	/* Later lines cover earlier ones: the last one counts. */
	if (str_eq(entry->mount_point, query->target))
		query->topmost_matches = str_eq(entry->fstype, query->fstype);
	return 0;
}

static bool mounted_as(const char *target, const char *fstype)
{
	struct mounted_query query = {target, fstype, false};

	/* Before /proc is there, nothing is mounted that matters. */
	return mountinfo_for_each(NULL, compare_mount, &query) == 0 && query.topmost_matches;
}

static int step_mounts(struct boot *boot, struct error *err)
{
	static const struct boot_mount mounts[] = {
		{"proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
		{"sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
		{"dev", "/dev", "devtmpfs", MS_NOSUID, NULL},
		{"tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, NULL},
		{"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620"},
		/*
		 * Containers' upper directories may lie here: their pages and inodes are charged
		 * to the container, whose limit is the one that should be met, not half of RAM.
		 */
		{"tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=100%,nr_inodes=0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		int r = mount_one(&mounts[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* A kernel that found no /dev/console starts process 1 without descriptors 0 to 2. */
static int step_stdio(struct boot *boot, struct error *err)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR);

		if (fd < 0)
			return error_errno(err, errno, "open /dev/null");
		if (fd > 2)
			return close(fd);
	}
}

static int step_console(struct boot *boot, struct error *err)
{
	return log_sink_open_console("/dev/console", err);
}

static int step_config(struct boot *boot, struct error *err)
{
	char cmdline[CMDLINE_MAX];
	ssize_t len = file_read("/proc/cmdline", cmdline, sizeof(cmdline));

	if (len < 0)
		return error_errno(err, (int)-len, "read /proc/cmdline");
	agent_config_parse_cmdline(boot->config, cmdline, boot->report);
	return 0;
}

static int step_environment(struct boot *boot, struct error *err)
{
	agent_config_parse_environment(boot->config, getenv("KATA_AGENT_SERVER_ADDR"),
		getenv("KATA_AGENT_LOG_LEVEL"), boot->report);
	log_set_level(boot->config->log_level);
	/* The first thing that can be logged: the launcher takes it for the kernel's hand-over. */
	log_printf(LOG_DEBUG, "boot", "the kernel started the agent");
	return 0;
}

static int step_modules(struct boot *boot, struct error *err)
{
	uint64_t start = event_loop_now_ns();
	struct boot_modules_result result =
		boot_modules_load(BOOT_MODULES_LIST, boot->config->skip_modules, NULL, NULL);

	boot->modules_ns = event_loop_now_ns() - start;
	log_printf(LOG_DEBUG, "boot", "%u kernel modules loaded, %u skipped, %u failed",
		result.loaded, result.skipped, result.failed);
	return 0;
}

static int step_size(struct boot *boot, struct error *err)
{
	return boot_size_check(boot->config, err);
}

static int step_min_free(struct boot *boot, struct error *err)
{
	return boot_min_free_set(err);
}

/* Found and not usable: what the launcher meant to start is not there, so nothing is. */
static int step_root(struct boot *boot, struct error *err)
{
	return boot_root_switch(boot->config, err);
}

static int step_cgroup(struct boot *boot, struct error *err)
{
	static const struct boot_mount cgroup2 = {"cgroup2", CGROUP_MOUNT, "cgroup2",
		MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, "nsdelegate"};

	return mount_one(&cgroup2, err);
}

/* One write a controller: a single one that is refused must not take the others with it. */
static int step_controllers(struct boot *boot, struct error *err)
{
	char list[512], word[64], *rest = list, *name;
	ssize_t len = file_read(CGROUP_MOUNT "/cgroup.controllers", list, sizeof(list));
	int failed = 0;

	if (len < 0)
		return error_errno(err, (int)-len, "read %s/cgroup.controllers", CGROUP_MOUNT);
	while ((name = strsep(&rest, " \n"))) {
		int r;

		if (!*name)
			continue;
		if (str_format(word, sizeof(word), "+%s", name) < 0)
			continue;
		r = file_write(CGROUP_MOUNT "/cgroup.subtree_control", word);
		if (r < 0)
			failed = error_errno(err, -r, "enable cgroup controller %s", name);
	}
	return failed;
}

static int step_ptmx(struct boot *boot, struct error *err)
{
	if (unlink("/dev/ptmx") < 0 && errno != ENOENT)
		return error_errno(err, errno, "remove /dev/ptmx");
	if (symlink("/dev/pts/ptmx", "/dev/ptmx") < 0)
		return error_errno(err, errno, "link /dev/ptmx to /dev/pts/ptmx");
	return 0;
}

/* What programs expect in /dev and devtmpfs does not make. */
static int step_dev_links(struct boot *boot, struct error *err)
{
	static const struct {
		const char *target, *name;
	} links[] = {
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i].target, links[i].name) < 0 && errno != EEXIST)
			return error_errno(err, errno, "link %s", links[i].name);
	return 0;
}

static int step_session(struct boot *boot, struct error *err)
{
	/* EPERM: process 1 leads a session already when the kernel was told to run it so. */
	if (setsid() < 0 && errno != EPERM)
		return error_errno(err, errno, "setsid");
	ioctl(STDIN_FILENO, TIOCSCTTY, 1);
	return 0;
}

static int step_path(struct boot *boot, struct error *err)
{
	if (setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1) < 0)
		return error_errno(err, errno, "set PATH");
	return 0;
}

static int step_hostname(struct boot *boot, struct error *err)
{
	char text[256], *rest = text, *word = NULL;
	const char *name;

	if (file_read("/etc/hostname", text, sizeof(text)) > 0)
		while ((word = strsep(&rest, " \t\r\n")) && !*word)
			;
	name = str_empty(word) ? "localhost" : word;
	if (sethostname(name, strlen(name)) < 0)
		return error_errno(err, errno, "set hostname %.64s", name);
	return 0;
}

static int step_loopback(struct boot *boot, struct error *err)
{
	_cleanup_fd_ int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	if (sock < 0)
		return error_errno(err, errno, "open a socket to set lo up");
	if (ioctl(sock, SIOCGIFFLAGS, &request) < 0)
		return error_errno(err, errno, "read flags of lo");
	request.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &request) < 0)
		return error_errno(err, errno, "set lo up");
	return 0;
}

/* Orphans of containers become our children: their exits are ours to reap. */
static int step_subreaper(struct boot *boot, struct error *err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "become child subreaper");
	return 0;
}

static int step_signals(struct boot *boot, struct error *err)
{
	umask(022);
	/* A peer that went away is an error of one write. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return error_errno(err, errno, "ignore SIGPIPE");
	return 0;
}

/*
 * As a service too: nobody else sees to it. Helpers inherit it; the launch of a container sets its
 * own (launch_plan.h), and what is not ours gives it up first (command_unprotect()).
 */
static int step_oom(struct boot *boot, struct error *err)
{
	int r = file_write("/proc/self/oom_score_adj", AGENT_OOM_SCORE_ADJ);

	if (r < 0)
		return error_errno(
			err, -r, "write %s to /proc/self/oom_score_adj", AGENT_OOM_SCORE_ADJ);
	return 0;
}

static int step_rlimits(struct boot *boot, struct error *err)
{
	struct rlimit nofile = {NOFILE_SOFT, NOFILE_HARD}, core = {0, RLIM_INFINITY};

	if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return error_errno(err, errno, "set RLIMIT_NOFILE");
	if (setrlimit(RLIMIT_CORE, &core) < 0)
		return error_errno(err, errno, "set RLIMIT_CORE");
	return 0;
}

/* clang-format off */
const struct boot_step boot_steps[] = {
	/* name          function          fatal  init_only */
	{"signals",      step_signals,     true,  false},
	{"mounts",       step_mounts,      true,  true},  /* /proc and /dev: all below needs them */
	{"stdio",        step_stdio,       true,  true},
	{"console",      step_console,     false, true},  /* from here on, records are seen */
	{"config",       step_config,      false, true},
	{"environment",  step_environment, false, false},
	{"size",         step_size,        false, true},
	{"min-free",     step_min_free,    false, true},
	{"modules",      step_modules,     false, true},  /* disks and vsock */
	{"root",         step_root,        true,  true},  /* a disk's; all below belongs to it */
	{"cgroup",       step_cgroup,      true,  true},
	{"controllers",  step_controllers, false, true},
	{"ptmx",         step_ptmx,        true,  true},
	{"dev-links",    step_dev_links,   false, true},
	{"session",      step_session,     true,  true},
	{"path",         step_path,        false, true},
	{"hostname",     step_hostname,    false, true},
	{"loopback",     step_loopback,    false, true},
	{"subreaper",    step_subreaper,   false, false},
	{"oom",          step_oom,         false, false},
	{"rlimits",      step_rlimits,     false, true},
};
/* clang-format on */
const size_t boot_step_count = ARRAY_SIZE(boot_steps);

static void log_step_failure(const struct boot_step *step, const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	log_record(LOG_WARN, "boot", "boot step failed, going on without it", "step", step->name,
		"error", error_render(err, text, sizeof(text)), NULL);
}

int boot_run(struct boot *boot, bool is_init, struct error *err)
{
	for (size_t i = 0; i < boot_step_count; i++) {
		const struct boot_step *step = &boot_steps[i];
		struct error failure = ERROR_INIT;
		int r;

		if (step->init_only && !is_init)
			continue;
		r = step->run(boot, &failure);
		if (r >= 0)
			continue;
		if (step->fatal) {
			if (err)
				*err = failure;
			error_prefix(err, "boot step %s", step->name);
			return r;
		}
		log_step_failure(step, &failure);
	}
	return 0;
}
