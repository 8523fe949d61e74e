/*
 * bench_guest: the bench's hand inside the guest. Started as PID 1 it forks itself and becomes the
 * agent, so that the agent under test is PID 1 of a guest as it always is, started by exec; the
 * child waits for the agent and takes one order a line on vsock port BENCH_PORT, answering each
 * with "OK numbers...\n" in microseconds (or what the order counts). It talks to the agent over the
 * unix socket that cradle.also_listen= made, reads what StatsContainer reads, and starts crun and
 * the bare floor.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/socket.h"
#include "base/strings.h"
#include "bench/bench_calls.h"
#include "memory/memory_stats.h"

#define AGENT	   "/bench/cradle-agent"
#define BUNDLE	   "/run/bench"
#define CONTAINERS "/sys/fs/cgroup/cradle"
#define OOM_GROUP  "/sys/fs/cgroup/cradle/bench-oom"
#define FILTER	   "/run/bench/filter"
#define FLOOR_ROOT "/sys/fs/cgroup/cradle/floor"

static struct bench_agent agent;

/* ---- programs -------------------------------------------------------------------------------- */

/* Runs a program to its end with /dev/null for input; its standard output goes to out (-1: null).
 */
static pid_t spawn(const char *const *argv, int out)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork", strerror(errno));
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(out >= 0 ? out : null, 1);
		execv(argv[0], (char **)argv);
		bench_die(argv[0], strerror(errno));
	}
	return pid;
}

static void join(pid_t pid, const char *what)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			bench_die(what, strerror(errno));
	if (status != 0)
		bench_die(what, "it failed");
}

static double run(const char *const *argv)
{
	double start = bench_now_us();

	join(spawn(argv, -1), argv[0]);
	return bench_now_us() - start;
}

static double run_floor(bool all, bool storages, bool seccomp)
{
	const char *argv[12] = {"/bench/bare_floor"};
	char text[64] = "";
	size_t n = 1;
	ssize_t got;
	int out[2];
	pid_t pid;

	if (all)
		argv[n++] = "-a";
	if (storages) {
		argv[n++] = "-d";
		argv[n++] = "/dev/vda";
	}
	if (seccomp) {
		argv[n++] = "-s";
		argv[n++] = FILTER;
	}
	argv[n++] = BENCH_ROOTFS;
	argv[n++] = FLOOR_ROOT;
	argv[n++] = "/bin/true";
	if (pipe2(out, O_CLOEXEC) < 0)
		bench_die("pipe", strerror(errno));
	pid = spawn(argv, out[1]);
	close(out[1]);
	join(pid, argv[0]);
	got = read(out[0], text, sizeof(text) - 1);
	close(out[0]);
	return got > 0 ? strtod(text, NULL) : 0;
}

/* The bundle's profile as instructions, for the bare floor. */
static void write_filter(void)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	_cleanup_fd_ int fd = open(FILTER, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	int r = context && fd >= 0 ? 0 : -EIO;

	for (size_t i = 0; r == 0 && i < SECCOMP_RULES; i++)
		r = seccomp_rule_add(context, SCMP_ACT_ALLOW,
			seccomp_syscall_resolve_name(bench_seccomp_names()[i]), 0);
	if (r == 0)
		r = seccomp_export_bpf(context, fd);
	if (r < 0)
		bench_die(FILTER, errno_name(r));
	seccomp_release(context);
}

/* ---- crun's bundle: the same container as bench_calls asks the agent for --------------------- */

static void write_seccomp(FILE *f)
{
	fprintf(f,
		",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":"
		"[\"SCMP_ARCH_X86_64\"],\"syscalls\":[{\"action\":\"SCMP_ACT_ALLOW\",\"names\":[");
	for (size_t i = 0; i < SECCOMP_RULES; i++)
		fprintf(f, "%s\"%s\"", i ? "," : "", bench_seccomp_names()[i]);
	fprintf(f, "]}]}");
}

#define CAPS "[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]"

static void write_bundle(const char *dir, bool seccomp, const char *args)
{
	char path[128];
	FILE *f;

	str_format(path, sizeof(path), "%s/config.json", dir);
	if (path_mkdirs(dir, 0755) < 0 || !(f = fopen(path, "we")))
		bench_die(path, strerror(errno));
	fprintf(f,
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"" BENCH_ROOTFS "\"},"
		"\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],"
		"\"args\":[%s],\"capabilities\":{\"bounding\":" CAPS ",\"effective\":" CAPS
		",\"permitted\":" CAPS "}},\"mounts\":["
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\","
		"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
		"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
		"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
		"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode="
		"0620\","
		"\"gid=5\"]}],"
		"\"linux\":{\"cgroupsPath\":\"/cradle/"
		"crun-bench\",\"namespaces\":[{\"type\":\"pid\"},"
		"{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"}]",
		args);
	if (seccomp)
		write_seccomp(f);
	fprintf(f, "}}\n");
	fclose(f);
}

static double run_crun(const char *bundle)
{
	const char *argv[] = {"/bench/bin/crun", "--cgroup-manager=cgroupfs", "run", "--no-pivot",
		"--bundle", bundle, "crun-bench", NULL};

	return run(argv);
}

/* Exec into a container of crun's that sleeps, made for this and removed again. */
static void crun_exec(size_t count, double *us)
{
	const char *start[] = {"/bench/bin/crun", "--cgroup-manager=cgroupfs", "run", "--detach",
		"--no-pivot", "--bundle", BUNDLE "/sleep", "crun-sleep", NULL};
	const char *exec[] = {"/bench/bin/crun", "--cgroup-manager=cgroupfs", "exec", "crun-sleep",
		"/bin/true", NULL};
	const char *end[] = {"/bench/bin/crun", "--cgroup-manager=cgroupfs", "delete", "--force",
		"crun-sleep", NULL};

	run(start);
	for (size_t i = 0; i < count; i++)
		us[i] = run(exec);
	run(end);
}

/* ---- what the agent weighs ------------------------------------------------------------------- */

static unsigned number_after(const char *path, const char *key)
{
	char text[4096];
	const char *at;

	if (file_read(path, text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, key);
	return at ? (unsigned)strtoul(at + strlen(key), NULL, 10) : 0;
}

/* Summed over all processes that run the agent's program: KiB, processes, threads. */
static void weigh(double *out)
{
	_cleanup_dir_ DIR *proc = opendir("/proc");
	struct dirent *entry;

	out[0] = out[1] = out[2] = 0;
	while (proc && (entry = readdir(proc))) {
		char path[300], exe[64];
		ssize_t n;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		str_format(path, sizeof(path), "/proc/%s/exe", entry->d_name);
		n = readlink(path, exe, sizeof(exe) - 1);
		if (n < 0)
			continue;
		exe[n] = '\0';
		if (!str_eq(exe, AGENT))
			continue;
		str_format(path, sizeof(path), "/proc/%s/smaps_rollup", entry->d_name);
		out[0] += number_after(path, "\nPss:");
		str_format(path, sizeof(path), "/proc/%s/status", entry->d_name);
		out[2] += number_after(path, "\nThreads:");
		out[1]++;
	}
}

/* What the whole guest has forked and switched so far (/proc/stat): two counts. */
static void count_work(double *out)
{
	char text[8192];
	const char *forks, *switches;

	if (file_read("/proc/stat", text, sizeof(text)) < 0)
		bench_die("/proc/stat", strerror(errno));
	forks = strstr(text, "\nprocesses ");
	switches = strstr(text, "\nctxt ");
	out[0] = forks ? strtod(forks + strlen("\nprocesses "), NULL) : 0;
	out[1] = switches ? strtod(switches + strlen("\nctxt "), NULL) : 0;
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* The files that StatsContainer reads, as plainly as it can be done: open, read to the end, close.
 */
static double read_stats(const char *id)
{
	static char buffer[16384];
	double start = bench_now_us();
	_cleanup_fd_ int dir = -1;
	char path[128];

	str_format(path, sizeof(path), CONTAINERS "/%s", id);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		bench_die(path, strerror(errno));
	for (size_t i = 0; i < memory_stats_file_count; i++) {
		int fd = openat(dir, memory_stats_files[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue; /* as on every kernel without that controller */
		while (read(fd, buffer, sizeof(buffer)) > 0)
			;
		close(fd);
	}
	return bench_now_us() - start;
}

/* ---- OOM kills ------------------------------------------------------------------------------- */

static void reset_clock(void)
{
	const uint64_t none = 0;
	_cleanup_fd_ int fd =
		open(BENCH_ROOTFS BENCH_CLOCK, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0 || fd_write_full(fd, &none, sizeof(none)) != sizeof(none))
		bench_die(BENCH_CLOCK, strerror(errno));
}

/* When the hog touched the page it was killed for, by the guest's clock. */
static double killed_us(void)
{
	_cleanup_fd_ int fd = open(BENCH_ROOTFS BENCH_CLOCK, O_RDONLY | O_CLOEXEC);
	uint64_t ns = 0;

	if (fd < 0 || fd_read_full(fd, &ns, sizeof(ns)) != sizeof(ns) || ns == 0)
		bench_die(BENCH_CLOCK, "the hog wrote no time");
	return (double)ns / 1e3;
}

static pid_t spawn_hog(void)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork", strerror(errno));
	if (pid == 0) {
		if (file_write(OOM_GROUP "/cgroup.procs", "0") < 0)
			bench_die(OOM_GROUP, "cannot be entered");
		execl(BENCH_ROOTFS "/bin/oom_hog", "oom_hog", BENCH_ROOTFS BENCH_CLOCK, NULL);
		bench_die("oom_hog", strerror(errno));
	}
	return pid;
}

/* The least there could be: one reader of one group's counters. */
static double oom_bare(void)
{
	_cleanup_fd_ int notify = inotify_init1(IN_CLOEXEC);
	char events[1024];
	double seen;
	pid_t pid;

	reset_clock();
	str_format(events, sizeof(events), "%d", BENCH_LIMIT);
	if (path_mkdirs(OOM_GROUP, 0755) < 0 || file_write(OOM_GROUP "/memory.max", events) < 0)
		bench_die(OOM_GROUP, "cannot be made");
	if (inotify_add_watch(notify, OOM_GROUP "/memory.events", IN_MODIFY) < 0)
		bench_die("inotify", strerror(errno));
	pid = spawn_hog();
	do {
		if (read(notify, events, sizeof(events)) <= 0)
			bench_die("inotify", strerror(errno));
	} while (number_after(OOM_GROUP "/memory.events", "\noom_kill ") == 0);
	seen = bench_now_us();
	while (waitpid(pid, NULL, 0) < 0)
		;
	if (rmdir(OOM_GROUP) < 0)
		bench_die(OOM_GROUP, strerror(errno));
	return seen - killed_us();
}

static double oom_agent(void)
{
	reset_clock();
	bench_oom(&agent);
	return killed_us();
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* Carries out one order; how many numbers it has put into out. */
static size_t obey(char *line, double out[64])
{
	char *word = strsep(&line, " "), *arg = line ? line : (char *)"";

	if (str_eq(word, "container")) {
		bench_container(&agent, (enum bench_kind)atol(arg), out);
		return BENCH_STEPS;
	}
	if (str_eq(word, "floor"))
		out[0] = run_floor(strchr(arg, 'a'), strchr(arg, 's'), strchr(arg, 'f'));
	else if (str_eq(word, "crun"))
		out[0] = run_crun(str_eq(arg, "seccomp") ? BUNDLE "/seccomp" : BUNDLE "/plain");
	else if (str_eq(word, "exec"))
		out[0] = bench_exec(&agent, arg);
	else if (str_eq(word, "stats"))
		out[0] = bench_stats(&agent, arg);
	else if (str_eq(word, "statsbare"))
		out[0] = read_stats(arg);
	else if (str_eq(word, "clock"))
		out[0] = bench_now_us();
	else if (str_eq(word, "oombare"))
		out[0] = oom_bare();
	else if (str_eq(word, "oomagent"))
		out[0] = oom_agent();
	else if (str_eq(word, "health")) {
		for (size_t i = 0; i < BENCH_TRIPS; i++)
			out[i] = bench_health(&agent);
		return BENCH_TRIPS;
	} else if (str_eq(word, "hold"))
		bench_hold(&agent, arg), out[0] = 0;
	else if (str_eq(word, "drop"))
		bench_drop(&agent, arg), out[0] = 0;
	else if (str_eq(word, "weigh"))
		return weigh(out), 3;
	else if (str_eq(word, "work"))
		return count_work(out), 2;
	else if (str_eq(word, "crunexec"))
		return crun_exec(10, out), 10;
	else
		bench_die("unknown order", word);
	return 1;
}

static void serve(int sock)
{
	FILE *f = fdopen(sock, "r+");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		double out[64];
		size_t n;

		line[strcspn(line, "\n")] = '\0';
		n = obey(line, out);
		fprintf(f, "OK");
		for (size_t i = 0; i < n; i++)
			fprintf(f, " %.1f", out[i]);
		fprintf(f, "\n");
		fflush(f);
	}
}

static void take_orders(void)
{
	static const char *const bare[] = {"/bench/bare_vsock", "serve", "6001", NULL};
	struct address address = {.kind = ADDRESS_VSOCK, .cid = (uint32_t)-1, .port = BENCH_PORT};
	struct error err = ERROR_INIT;
	int sock, fd;

	bench_connect(&agent, "unix://" BENCH_SOCKET);
	write_bundle(BUNDLE "/plain", false, "\"/bin/true\"");
	write_bundle(BUNDLE "/seccomp", true, "\"/bin/true\"");
	write_bundle(BUNDLE "/sleep", false, "\"/bin/sleep\",\"1000000\"");
	write_filter();
	spawn(bare, -1);
	sock = address_listen(&address, 4, &err);
	if (sock < 0)
		bench_die("listen for orders", err.text);
	fd_set_nonblock(sock, false);
	while ((fd = accept(sock, NULL, NULL)) >= 0)
		serve(fd);
	bench_die("accept", strerror(errno));
}

int main(int argc, char *argv[])
{
	if (getpid() != 1)
		bench_die("bench_guest", "must be PID 1");
	signal(SIGPIPE, SIG_IGN);
	switch (fork()) {
	case -1:
		bench_die("fork", strerror(errno));
	case 0:
		setsid();
		take_orders();
		return 1;
	default:
		execv(AGENT, argv);
		bench_die(AGENT, strerror(errno));
	}
}
