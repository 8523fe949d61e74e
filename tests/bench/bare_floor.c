/*
 * bare_floor: what starting and ending a container costs at least. One container by hand: make a
 * cgroup, clone3 into it with the namespaces, the root file system, proc, a /dev with its nodes and
 * links, devpts, move in, exec; then wait and take it down. No configuration, no checks, no
 * capabilities, no seccomp. Written before anything was measured, and left alone since: it is what
 * `make bench` divides by. Static; knows nothing of Cradle. Prints the microseconds.
 *
 *   bare_floor [-a] [-d DISK] [-s FILTER] ROOTFS CGROUP PROGRAM
 *     -a       all four namespaces new (pid, mount, ipc, uts), as crun makes them; otherwise pid
 * and mount, as in a pod, whose ipc and uts namespaces are there already -d DISK  ROOTFS is a mount
 * point: the disk (erofs) below, a tmpfs, and an overlay of both are mounted for it first and
 * unmounted last, as `cradle run` asks of the agent
 *     -s FILTER  load this seccomp filter before the exec: a file of BPF instructions, as
 * libseccomp exports them (added later; nothing else was changed for it)
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#define OVER "/run/bare_floor"

static void must(long result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "bare_floor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void make_dev(void)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = {{"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7},
		{"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
	static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},
		{"/proc/self/fd/0", "dev/stdin"}, {"/proc/self/fd/1", "dev/stdout"},
		{"/proc/self/fd/2", "dev/stderr"}, {"pts/ptmx", "dev/ptmx"}};

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)),
			nodes[i].path);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		must(symlink(links[i][0], links[i][1]), links[i][1]);
}

static int filter_fd = -1;

static void load_filter(void)
{
	static struct sock_filter instructions[BPF_MAXINSNS];
	ssize_t bytes = read(filter_fd, instructions, sizeof(instructions));
	struct sock_fprog program = {.filter = instructions};

	must(bytes, "read the filter");
	program.len = (unsigned short)((size_t)bytes / sizeof(instructions[0]));
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

static void child(const char *rootfs, char *const argv[])
{
	static char *const env[] = {(char *)"PATH=/bin", NULL};

	umask(0);
	setsid();
	must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "make mounts slaves");
	must(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "bind the root");
	must(chdir(rootfs), "enter the root");
	must(mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL), "proc");
	must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"),
		"/dev");
	must(mkdir("dev/pts", 0755), "/dev/pts");
	must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		     "newinstance,ptmxmode=0666,mode=0620,gid=5"),
		"devpts");
	make_dev();
	/* an initramfs cannot be pivoted away: EINVAL there */
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		must(umount2(".", MNT_DETACH), "detach the old root");
	} else {
		must(mount(".", "/", NULL, MS_MOVE, NULL), "move the root");
		must(chroot("."), "chroot");
	}
	must(chdir("/"), "chdir");
	umask(022);
	if (filter_fd >= 0)
		load_filter();
	execve(argv[0], argv, env);
	must(-1, argv[0]);
}

static void run(const char *rootfs, const char *cgroup, uint64_t namespaces, char *const argv[])
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	int status, fd;
	pid_t pid;

	must(mkdir(cgroup, 0755), cgroup);
	fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd, cgroup);
	args.flags = namespaces | CLONE_INTO_CGROUP;
	args.cgroup = (uint64_t)fd;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	must(pid, "clone3");
	if (pid == 0)
		child(rootfs, argv);
	must(waitpid(pid, &status, 0), "wait");
	if (status != 0)
		_exit(1);
	close(fd);
	must(rmdir(cgroup), cgroup);
}

static void mount_storages(const char *disk)
{
	must(mkdir(OVER, 0755), OVER);
	must(mkdir(OVER "/lower", 0755), "lower");
	must(mkdir(OVER "/rw", 0755), "rw");
	must(mkdir(OVER "/root", 0755), "root");
	must(mount(disk, OVER "/lower", "erofs", MS_RDONLY, NULL), disk);
	must(mount("tmpfs", OVER "/rw", "tmpfs", 0, "mode=0755"), "tmpfs");
	must(mkdir(OVER "/rw/upper", 0755), "upper");
	must(mkdir(OVER "/rw/work", 0755), "work");
	must(mount("overlay", OVER "/root", "overlay", 0,
		     "lowerdir=" OVER "/lower,upperdir=" OVER "/rw/upper,workdir=" OVER "/rw/work"),
		"overlay");
}

static void unmount_storages(void)
{
	must(umount2(OVER "/root", 0), "unmount the overlay");
	must(umount2(OVER "/rw", 0), "unmount the tmpfs");
	must(umount2(OVER "/lower", 0), "unmount the disk");
	must(rmdir(OVER "/root"), "root");
	must(rmdir(OVER "/rw"), "rw");
	must(rmdir(OVER "/lower"), "lower");
	must(rmdir(OVER), OVER);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int main(int argc, char *argv[])
{
	uint64_t namespaces = CLONE_NEWPID | CLONE_NEWNS, start;
	const char *disk = NULL;
	int option;

	while ((option = getopt(argc, argv, "+ad:s:")) != -1) {
		if (option == 'a')
			namespaces |= CLONE_NEWIPC | CLONE_NEWUTS;
		else if (option == 'd')
			disk = optarg;
		else if (option == 's')
			must(filter_fd = open(optarg, O_RDONLY | O_CLOEXEC), optarg);
		else
			return 2;
	}
	if (argc - optind < 3)
		return 2;
	start = now_us();
	if (disk)
		mount_storages(disk);
	run(disk ? OVER "/root" : argv[optind], argv[optind + 1], namespaces, argv + optind + 2);
	if (disk)
		unmount_storages();
	printf("%llu\n", (unsigned long long)(now_us() - start));
	return 0;
}
