/* share_child: from a fresh clone to virtiofsd. Every step that fails ends it with a line. */
#include "vm/share_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"

#define EXIT_NOT_STARTED 125
/* mount_setattr(2), Linux 5.12: newer than the C library's wrapper. */
#define ATTR_READ_ONLY 1
struct mount_attributes {
	uint64_t set, clear, propagation, userns_fd;
};
/* What virtiofsd would like to have: an open descriptor for each file the guest knows. */
#define OPEN_FILES_WANTED 1000000

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__s390x__)
#define NATIVE_ARCH AUDIT_ARCH_S390X
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE_ARCH AUDIT_ARCH_PPC64LE
#else
#error "the system call ABI of this architecture is not in the table"
#endif

static void __attribute__((noreturn)) give_up(const char *step, const char *object)
{
	dprintf(2, "%s %s: %s: %s\n", step, object, errno_name(errno), errno_text(errno));
	_exit(EXIT_NOT_STARTED);
}

/* ---- who we are ---------------------------------------------------------------------------------
 */

static void write_map(const char *path, const char *text)
{
	int r = file_write(path, text);

	if (r < 0) {
		errno = -r;
		give_up("write", path);
	}
}

/*
 * One user and one group, which needs no helper with privileges. setgroups is denied because the
 * kernel asks for that.
 */
static void map_ids(const struct share_child *child)
{
	char text[64];

	/* Or these files are root's: of a program that its user may run but not read. */
	prctl(PR_SET_DUMPABLE, 1);
	write_map("/proc/self/setgroups", "deny");
	str_format(text, sizeof(text), "%u %u 1", child->uid_inside, child->uid);
	write_map("/proc/self/uid_map", text);
	str_format(text, sizeof(text), "%u %u 1", child->gid_inside, child->gid);
	write_map("/proc/self/gid_map", text);
}

/* Who is not user 0 in there would lose at exec what may be done in our own namespaces only. */
static void keep_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		give_up("read", "capabilities");
	data[0].inheritable = data[0].permitted;
	data[1].inheritable = data[1].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		give_up("keep", "capabilities");
	for (unsigned cap = 0; cap < 64; cap++) {
		if (data[cap / 32].permitted & 1u << cap % 32 &&
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			give_up("keep", "capabilities");
	}
}

/*
 * virtiofsd drops its groups, and takes on the user and group that act in the guest before it makes
 * a file. With one user mapped neither can be, and either ends it or the guest's call with an
 * error. So these calls do nothing and say that they did: what is made belongs to our user.
 */
static void stay_who_we_are(void)
{
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setgroups, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setresuid, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setresgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = ARRAY_SIZE(code), .filter = (struct sock_filter *)code};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		give_up("install", "the filter of system calls");
}

/* ---- what can be seen ---------------------------------------------------------------------------
 */

static void make_read_only(const char *path, bool all_below)
{
	struct mount_attributes attributes = {.set = ATTR_READ_ONLY};

	if (syscall(SYS_mount_setattr, AT_FDCWD, path, all_below ? AT_RECURSIVE : 0, &attributes,
		    sizeof(attributes)) < 0)
		give_up("make read-only", path);
}

/* The file, and nothing beside it: its folder is an empty one of ours that cannot be written. */
static void mount_file(const char *from, const char *source, bool read_only)
{
	char path[PATH_MAX];
	int fd;

	path_join(path, sizeof(path), source, SHARE_FILE_NAME);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		give_up("make", path);
	close(fd);
	if (mount(from, path, NULL, MS_BIND, NULL) < 0)
		give_up("bind", "the file");
	if (read_only)
		make_read_only(path, false);
}

/*
 * The share at FOLDER/source, whatever its own path looks like (virtiofsd splits at commas), with
 * what is mounted below it. Opened first: it may lie where the tmpfs will be.
 */
static void place_share(const struct share_child *child, char source[PATH_MAX])
{
	const struct vm_share *share = child->share;
	char from[64];
	int fd;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		give_up("make private", "all mounts");
	/* Of our pid namespace; where the host's is partly covered the kernel refuses this, and the
	 * virtiofsd that we have can do without. */
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	fd = open(share->host, O_PATH | O_CLOEXEC | (share->file ? 0 : O_DIRECTORY));
	if (fd < 0)
		give_up("open", share->host);
	str_format(from, sizeof(from), "/proc/self/fd/%d", fd);
	if (mount("share", child->folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=64k") < 0)
		give_up("mount a tmpfs on", child->folder);
	path_join(source, PATH_MAX, child->folder, "source");
	if (mkdir(source, 0755) < 0)
		give_up("make", source);
	if (share->file) {
		mount_file(from, source, share->read_only);
		make_read_only(child->folder, false);
	} else {
		if (mount(from, source, NULL, MS_BIND | MS_REC, NULL) < 0)
			give_up("bind", share->host);
		if (share->read_only)
			make_read_only(source, true);
	}
	close(fd);
}

/* ---- the program --------------------------------------------------------------------------------
 */

static void raise_open_files(void)
{
	struct rlimit limit = {OPEN_FILES_WANTED, OPEN_FILES_WANTED};

	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Nothing but the three standard ones and, returned, the listening socket. */
static int take_descriptors(int listen_fd, int err_fd)
{
	int null = open("/dev/null", O_RDWR);

	listen_fd = fd_move_above(listen_fd, 3);
	err_fd = fd_move_above(err_fd, 3);
	if (null >= 0)
		dup2(null, 0);
	dup2(err_fd, 1);
	dup2(err_fd, 2);
	if (fd_set_cloexec(listen_fd, false) < 0)
		give_up("keep", "its socket");
	fd_close_from(3, &listen_fd, 1);
	return listen_fd;
}

void share_child_run(const struct share_child *child, int err_fd)
{
	char source[PATH_MAX], word[PATH_MAX + 16], fd[32];
	const char *argv[] = {
		child->program, fd, "-o", word, "-o", "modcaps=-mknod", "--rlimit-nofile=0", NULL};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	str_format(fd, sizeof(fd), "--fd=%d", take_descriptors(child->listen_fd, err_fd));
	if (child->own_user_namespace)
		map_ids(child);
	place_share(child, source);
	str_format(word, sizeof(word), "source=%s", source);
	raise_open_files();
	if (child->own_user_namespace) {
		keep_capabilities();
		stay_who_we_are();
	}
	execv(child->program, (char *const *)argv);
	give_up("start", child->program);
}
