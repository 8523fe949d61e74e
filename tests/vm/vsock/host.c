/*
 * host: proves the vsock device against a real guest kernel. Usage: host KERNEL INITRD (made from
 * guest.c); QEMU from the variable QEMU or PATH. Three boots, a line per check, TAP. Part of
 * make test-vm (rules.mk).
 *
 * The device runs in this process's loop; each check's client is a forked child with the dialled
 * descriptor, which does blocking input and output and ends with 0 when all was as it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "vsock/vsock_device.h"
#include "vsock/vsock_listener.h"

#define MIB	 (1024 * 1024)
#define BIG	 (64 * MIB)
#define DEADLINE 120 /* seconds for one check: TCG on a shared machine */

static struct event_loop *loop;
static struct vsock_device *dev;
static unsigned ready_count, gone_count, checks, failures;
static char buffer[256 * 1024];

static void check(bool good, const char *what, const char *detail)
{
	checks++;
	if (!good)
		failures++;
	printf("%sok %u - %s%s%s\n", good ? "" : "not ", checks, what, detail ? ": " : "",
		detail ? detail : "");
	fflush(stdout);
}

static double now(void)
{
	return event_loop_now_ns() / 1e9;
}

/* Steps the loop until *flag, at most `seconds`. */
static bool wait_for(const unsigned *flag, unsigned at_least, double seconds)
{
	double end = now() + seconds;

	while (*flag < at_least && now() < end)
		event_loop_step(loop, 100);
	return *flag >= at_least;
}

struct dialled {
	unsigned done;
	int result, fd;
};

static void on_dialled(void *owner, int result, int fd)
{
	struct dialled *d = owner;

	d->done = 1;
	d->result = result;
	d->fd = fd;
}

/* A connected blocking descriptor, or a negative errno. */
static int dial(uint32_t port)
{
	struct dialled d = {0};
	struct vsock_dial *under_way;
	int r = vsock_device_dial(dev, port, 10000, on_dialled, &d, &under_way, NULL);

	if (r < 0)
		return r;
	if (!wait_for(&d.done, 1, 20))
		return -ETIME;
	if (d.result < 0)
		return d.result;
	fd_set_nonblock(d.fd, false);
	return d.fd;
}

/* Dials until the guest's server is up. */
static int dial_patiently(uint32_t port)
{
	double end = now() + 30;
	int fd;

	while ((fd = dial(port)) == -ECONNREFUSED && now() < end)
		event_loop_step(loop, 50);
	return fd;
}

typedef int (*client_fn)(int fd);

/* Runs fn in a child; closes fd here. True when it returned 0. */
static pid_t start_client(client_fn fn, int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(fd));
	}
	close(fd);
	return pid;
}

static bool join_client(pid_t pid)
{
	double end = now() + DEADLINE;
	int status = -1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
		event_loop_step(loop, 5);
	}
	return status == 0;
}

static void run(const char *what, uint32_t port, client_fn fn, double mib)
{
	double start = now();
	int fd = dial_patiently(port);
	char detail[96];
	bool good;

	if (fd < 0) {
		snprintf(detail, sizeof(detail), "dial: %s", strerror(-fd));
		check(false, what, detail);
		return;
	}
	good = join_client(start_client(fn, fd));
	if (mib > 0)
		snprintf(detail, sizeof(detail), "%.2f s, %.0f MiB/s", now() - start,
			mib / (now() - start));
	else
		snprintf(detail, sizeof(detail), "%.2f s", now() - start);
	check(good, what, detail);
}

/* ---- clients: return 0 when good, else the number of what went wrong ---- */

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 2654435761u >> 13 ^ at);
}

static uint64_t hash_more(uint64_t hash, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)data[i]) * 1099511628211u;
	return hash;
}

#define HASH_START 14695981039346656037u

/* Sends count bytes in pieces of 1 byte to 256 KiB; their hash. */
static int send_pattern(int fd, uint64_t count, uint64_t *hash)
{
	*hash = HASH_START;
	for (uint64_t at = 0; at < count;) {
		size_t len = 1 + (at * 40503u >> 3) % sizeof(buffer);

		if (len > count - at)
			len = count - at;
		for (size_t i = 0; i < len; i++)
			buffer[i] = pattern(at + i);
		*hash = hash_more(*hash, buffer, len);
		if (fd_write_full(fd, buffer, len) != (ssize_t)len)
			return -1;
		at += len;
	}
	return 0;
}

/* Waits for the text to appear on the guest's console. */
static int expect_on_console(const char *text)
{
	for (int tries = 0; tries < 1000; tries++) {
		_cleanup_fd_ int fd = open("console.log", O_RDONLY | O_CLOEXEC);
		ssize_t n = fd_read_full(fd, buffer, sizeof(buffer) - 1);

		buffer[n > 0 ? n : 0] = '\0';
		if (strstr(buffer, text))
			return 0;
		usleep(10000);
	}
	return 31;
}

/* Reads exactly count pattern bytes, then end of file if wanted. */
static int expect_pattern(int fd, uint64_t count, bool end)
{
	uint64_t at = 0;

	while (at < count) {
		ssize_t n = read(fd, buffer, sizeof(buffer));

		if (n <= 0)
			return 11;
		if (at + n > count)
			return 12;
		for (ssize_t i = 0; i < n; i++)
			if ((uint8_t)buffer[i] != pattern(at + i))
				return 13;
		at += n;
	}
	return !end || read(fd, buffer, 1) == 0 ? 0 : 14;
}

static int expect_sink_answer(int fd, uint64_t count, uint64_t hash)
{
	char line[64], want[64];
	ssize_t n = fd_read_full(fd, line, sizeof(line) - 1);

	if (n < 0)
		return 21;
	line[n] = '\0';
	snprintf(want, sizeof(want), "%llu %016llx\n", (unsigned long long)count,
		(unsigned long long)hash);
	if (strcmp(line, want))
		fprintf(stderr, "got %s want %s", line, want);
	return strcmp(line, want) ? 22 : 0;
}

static int client_echo(int fd)
{
	char answer[6];

	for (int i = 0; i < 20; i++)
		if (fd_write_full(fd, "hello", 5) != 5 || fd_read_full(fd, answer, 5) != 5 ||
			memcmp(answer, "hello", 5))
			return 1;
	shutdown(fd, SHUT_WR);
	return read(fd, answer, 1) == 0 ? 0 : 2;
}

static int client_up(int fd)
{
	uint64_t hash;

	if (send_pattern(fd, BIG, &hash) < 0)
		return 1;
	shutdown(fd, SHUT_WR);
	return expect_sink_answer(fd, BIG, hash);
}

static int client_down(int fd)
{
	dprintf(fd, "%u\n", BIG);
	return expect_pattern(fd, BIG, true);
}

/* Both directions at once through echo: a child writes, we read. */
static int client_both(int fd)
{
	uint64_t hash;

	if (fork() == 0) {
		int r = send_pattern(fd, 16 * MIB, &hash);

		shutdown(fd, SHUT_WR);
		_exit(r < 0);
	}
	return expect_pattern(fd, 16 * MIB, true);
}

static int client_half_by_host(int fd)
{
	uint64_t hash;

	if (send_pattern(fd, 100000, &hash) < 0)
		return 1;
	shutdown(fd, SHUT_WR);
	return expect_pattern(fd, 300000, true);
}

static int client_half_by_guest(int fd)
{
	char line[64];
	uint64_t hash;
	int r = expect_pattern(fd, 300000, true);

	if (r)
		return r;
	if (send_pattern(fd, 300000, &hash) < 0)
		return 1;
	shutdown(fd, SHUT_WR);
	snprintf(line, sizeof(line), "300000 %016llx", (unsigned long long)hash);
	return expect_on_console(line);
}

/* Writes and closes while the guest is asleep: the guest must still get all (it cannot answer). */
static int client_small(int fd)
{
	for (int i = 0; i < 2000; i++)
		if (fd_write_full(fd, buffer, 200) != 200)
			return 1;
	shutdown(fd, SHUT_WR);
	return expect_sink_answer(fd, 400000, ({
		char zero[200] = {0};
		uint64_t hash = HASH_START;

		for (int i = 0; i < 2000; i++)
			hash = hash_more(hash, zero, 200);
		hash;
	}));
}

/* The guest never reads: we must block, after at least its buffer and before everything. */
static int client_never(int fd)
{
	size_t sent = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int idle = 0; idle < 10;) {
		ssize_t n = write(fd, buffer, sizeof(buffer));

		if (n > 0)
			sent += n;
		else if (usleep(100000) == 0)
			idle++;
	}
	return sent >= 256 * 1024 && sent < 2 * MIB ? 0 : 1;
}

/* A host that does not read for 3 s, then gets every byte. */
static int client_slow_reader(int fd)
{
	dprintf(fd, "%u\n", 8 * MIB);
	sleep(3);
	return expect_pattern(fd, 8 * MIB, true);
}

static int client_dial_refused(int fd)
{
	char answer[16] = "";

	dprintf(fd, "7000\n");
	return read(fd, answer, sizeof(answer) - 1) > 0 && strtol(answer, NULL, 10) == ECONNRESET
		       ? 0
		       : 1;
}

static int client_dial_accepted(int fd)
{
	char answer[16] = "";

	dprintf(fd, "7001\n");
	return read(fd, answer, sizeof(answer) - 1) > 0 && answer[0] == '0' ? 0 : 1;
}

/* ---- checks ---- */

static int accepted_fd = -1;

static int accept_7001(void *context, uint32_t port)
{
	int pair[2];

	if (port != 7001 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -ECONNREFUSED;
	accepted_fd = pair[1];
	return pair[0];
}

static void check_guest_dials(void)
{
	pid_t pid;
	int fd;

	vsock_device_set_accept(dev, accept_7001, NULL);
	run("the guest dials a host port where nobody listens", 5005, client_dial_refused, 0);
	fd = dial_patiently(5005);
	pid = start_client(client_dial_accepted, fd);
	for (double end = now() + 10; accepted_fd < 0 && now() < end;)
		event_loop_step(loop, 10);
	check(accepted_fd >= 0 && join_client(start_client(client_echo, accepted_fd)) &&
			join_client(pid),
		"the guest dials a host port and is echoed to", NULL);
}

/* Byte-exact, with a half close, through the hybrid socket: CONNECT and stream in one write. */
static int client_hybrid(int fd)
{
	static const char line[] = "CONNECT 5001\n";
	char answer[9] = "";
	uint64_t hash;

	if (fd_write_full(fd, line, sizeof(line) - 1) < 0 || fd_read_full(fd, answer, 8) != 8 ||
		strcmp(answer, "OK 5001\n"))
		return 1;
	if (send_pattern(fd, 8 * MIB, &hash) < 0)
		return 2;
	shutdown(fd, SHUT_WR);
	return expect_sink_answer(fd, 8 * MIB, hash);
}

static int client_hybrid_refused(int fd)
{
	char byte;

	return dprintf(fd, "CONNECT 4999\n") > 0 && read(fd, &byte, 1) == 0 ? 0 : 1;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		perror(path);
	return fd;
}

static void check_listener(void)
{
	struct vsock_dialer dialer = vsock_device_dialer(dev);
	struct vsock_listener *listener = vsock_listener_new(loop, &dialer, "hybrid", NULL);

	check(join_client(start_client(client_hybrid, connect_unix("hybrid"))),
		"8 MiB and a half close through the hybrid socket", NULL);
	check(join_client(start_client(client_hybrid_refused, connect_unix("hybrid"))),
		"a refused CONNECT is closed without a line", NULL);
	vsock_listener_free(listener);
}

static void check_many(void)
{
	double start = now();
	char detail[64];
	int i;

	for (i = 0; i < 200; i++) {
		int fd = dial(5000);

		if (fd < 0 || !join_client(start_client(client_echo, fd)))
			break;
	}
	snprintf(detail, sizeof(detail), "%d, %.1f ms each", i, (now() - start) * 1000 / i);
	check(i == 200, "200 connections in a row, 20 round trips each", detail);
}

static void check_at_once(void)
{
	pid_t pids[64];
	unsigned good = 0;

	for (int i = 0; i < 64; i++) {
		int fd = dial(5000);

		pids[i] = fd < 0 ? -1 : start_client(client_echo, fd);
	}
	for (int i = 0; i < 64; i++)
		good += pids[i] > 0 && join_client(pids[i]);
	check(good == 64, "64 connections at once", NULL);
}

static void on_ready(void *owner)
{
	ready_count++;
}

static void on_gone(void *owner)
{
	gone_count++;
}

static pid_t start_qemu(const char *kernel, const char *initrd, const char *socket_path)
{
	const char *qemu = getenv("QEMU") ? getenv("QEMU") : "qemu-system-x86_64";
	char chardev[256];
	pid_t pid;

	unlink("qmp.sock");
	snprintf(chardev, sizeof(chardev), "socket,id=c0,path=%s", socket_path);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(open("console.log", O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
	execlp(qemu, qemu, "-nodefaults", "-no-user-config", "-nic", "none", "-display", "none",
		"-qmp", "unix:qmp.sock,server=on,wait=off", "-accel", "tcg", "-object",
		"memory-backend-memfd,id=mem0,size=256M,share=on", "-m", "256M", "-machine",
		"q35,memory-backend=mem0", "-chardev", chardev, "-device",
		"vhost-user-vsock-pci,chardev=c0", "-serial", "stdio", "-kernel", kernel, "-initrd",
		initrd, "-append", "console=ttyS0 panic=-1 quiet", (char *)NULL);
	perror(qemu);
	_exit(127);
}

/* QMP without waiting for answers: QEMU's main loop may be waiting for us. */
static void qmp(const char *command)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "qmp.sock"};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	double end = now() + 1;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		perror("qmp.sock");
	dprintf(fd, "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"%s\"}\n", command);
	while (now() < end)
		event_loop_step(loop, 50);
}

/* The VM stops for a second in the middle of a stream. */
static void check_pause(void)
{
	int fd = dial(5002);
	pid_t pid = start_client(client_down, fd);
	bool paused;

	for (double end = now() + 0.1; now() < end;)
		event_loop_step(loop, 10);
	qmp("stop");
	paused = !vsock_device_ready(dev);
	qmp("cont");
	check(paused && join_client(pid), "64 MiB from a guest that is paused meanwhile", NULL);
}

static void check_reset(void)
{
	unsigned before = ready_count;
	int fd = dial(5003);
	char byte;

	qmp("system_reset");
	check(wait_for(&ready_count, before + 1, 60), "the driver comes up after a reset", NULL);
	check(fd >= 0 && read(fd, &byte, 1) == 0, "a connection from before the reset has ended",
		NULL);
	close(fd);
	run("echo after the reset", 5000, client_echo, 0);
}

static void run_checks(void)
{
	check(wait_for(&ready_count, 1, 60), "the driver comes up", NULL);
	run("echo, 20 round trips", 5000, client_echo, 0);
	check(dial(4999) == -ECONNREFUSED, "a port where nobody listens is refused", NULL);
	run("64 MiB to the guest, byte-exact", 5001, client_up, 64);
	run("64 MiB from the guest, byte-exact", 5002, client_down, 64);
	run("16 MiB both ways at once", 5000, client_both, 32);
	run("half close by the host", 5007, client_half_by_host, 0);
	run("half close by the guest", 5006, client_half_by_guest, 0);
	run("2000 small writes to a late reader", 5004, client_small, 0);
	run("a guest that never reads", 5003, client_never, 0);
	run("a host that reads late", 5002, client_slow_reader, 0);
	check_guest_dials();
	check_listener();
	check_many();
	check_at_once();
	check_pause();
	check_reset();
}

/* QEMU dies; another one comes to the same socket, and the guest powers off by itself. */
static void check_second_qemu(char **argv, pid_t first)
{
	unsigned ready = ready_count, gone = gone_count;
	int fd = dial(5003);
	char byte;
	pid_t qemu;

	kill(first, SIGKILL);
	waitpid(first, NULL, 0);
	check(wait_for(&gone_count, gone + 1, 5), "QEMU's death is seen", NULL);
	check(fd >= 0 && read(fd, &byte, 1) == 0, "its connections have ended", NULL);
	close(fd);
	check(dial(5000) == -ENOTCONN, "a dial after it is told so", NULL);
	qemu = start_qemu(argv[1], argv[2], "vhost.sock");
	check(wait_for(&ready_count, ready + 1, 60), "a second QEMU's driver comes up", NULL);
	run("echo in the second guest", 5000, client_echo, 0);
	close(dial_patiently(5008));
	check(wait_for(&gone_count, gone + 2, 30), "it is gone after power off", NULL);
	kill(qemu, SIGKILL);
	waitpid(qemu, NULL, 0);
}

static char folder[256];

/* Works in a folder of its own, gone at the end: sockets, and the console for a failed run. */
static void enter_folder(void)
{
	snprintf(folder, sizeof(folder), "%s/vsock.XXXXXX",
		getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(folder) || chdir(folder) < 0) {
		perror(folder);
		exit(2);
	}
}

static void leave_folder(void)
{
	FILE *console = fopen("console.log", "re");
	char line[256];

	while (failures && console && fgets(line, sizeof(line), console))
		printf("# console: %s", line);
	if (console)
		fclose(console);
	unlink("console.log");
	unlink("qmp.sock");
	rmdir(folder);
}

int main(int argc, char **argv)
{
	struct vsock_device_events events = {.ready = on_ready, .gone = on_gone};
	struct vsock_device_stats stats;
	struct error err = ERROR_INIT;
	pid_t qemu;

	if (argc != 3 || !(argv[1] = realpath(argv[1], NULL)) ||
		!(argv[2] = realpath(argv[2], NULL))) {
		fprintf(stderr, "usage: host KERNEL INITRD\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	enter_folder();
	loop = event_loop_new();
	dev = vsock_device_new(loop, "vhost.sock", 3, &err);
	if (!dev) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	vsock_device_set_events(dev, &events);
	check(dial(5000) == -EAGAIN, "a dial before QEMU is told to try again", NULL);
	qemu = start_qemu(argv[1], argv[2], "vhost.sock");
	while (!vsock_device_connected(dev) && waitpid(qemu, NULL, WNOHANG) == 0)
		event_loop_step(loop, 100);
	check(dial(5000) == -EAGAIN, "a dial before the driver is up is told to try again", NULL);
	run_checks();
	vsock_device_get_stats(dev, &stats);
	printf("# packets from guest %llu, to guest %llu, kicks %llu, interrupts %llu, open %u\n",
		(unsigned long long)stats.packets_from_guest,
		(unsigned long long)stats.packets_to_guest, (unsigned long long)stats.kicks,
		(unsigned long long)stats.interrupts, stats.connections);
	check_second_qemu(argv, qemu);
	vsock_device_free(dev);
	event_loop_free(loop);
	leave_folder();
	free(argv[1]);
	free(argv[2]);
	printf("1..%u\n", checks);
	return failures > 0;
}
