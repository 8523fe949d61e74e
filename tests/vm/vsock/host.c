/*
 * host: proves the vsock device against a real guest kernel. Usage: host KERNEL INITRD [SCALE] (the
 * initrd is made from guest.c); QEMU from the variable QEMU or PATH. One VM for nearly all checks,
 * rebooted twice, and a boot each for what only a new QEMU can have; a line per check, TAP. Part of
 * make test-vm (rules.mk); `make soak` runs it with SCALE 4, another QEMU, and a long transfer
 * besides.
 *
 * The device runs in this process's loop; each check's client is a forked child with the dialled
 * descriptor (host_clients.c), which does blocking input and output. The checks are those of
 * section 8 of the reference sheet vsock-device.md; what a real guest cannot show is in
 * tests/unit/vsock.
 */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vsock/vsock_listener.h"

unsigned scale = 1, soak_round;

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

	/* Nobody asked for the guest's dials: refused, whatever the port. */
	run("the guest dials and nobody asked for that", 5005, client_dial_refused, 0);
	vsock_device_set_accept(dev, accept_7001, NULL);
	run("the guest dials a host port where nobody listens", 5005, client_dial_refused, 0);
	run("500 refused dials of the guest in a row", 5012, client_dial_flood, 0);
	fd = dial_patiently(5005);
	pid = start_client(client_dial_accepted, fd);
	for (double end = now() + 10; accepted_fd < 0 && now() < end;)
		event_loop_step(loop, 10);
	check(accepted_fd >= 0 && join_client(start_client(client_echo, accepted_fd)) &&
			join_client(pid),
		"the guest dials a host port and is echoed to", NULL);
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
	int i, count = 200 * scale;
	char detail[64];

	for (i = 0; i < count; i++) {
		int fd = dial(5000);

		if (fd < 0 || !join_client(start_client(client_echo, fd)))
			break;
	}
	snprintf(detail, sizeof(detail), "%d, %.1f ms each", i, (now() - start) * 1000 / i);
	check(i == count, "200 connections in a row, 20 round trips each", detail);
}

static void check_at_once(void)
{
	pid_t pids[64];
	unsigned good = 0;

	for (int i = 0; i < 64; i++) {
		int fd = dial(5000);

		pids[i] = fd < 0 ? -1 : start_client(client_piece, fd);
	}
	for (int i = 0; i < 64; i++)
		good += pids[i] > 0 && join_client(pids[i]);
	check(good == 64, "64 connections at once, 64 KiB each both ways", NULL);
}

static void on_ready(void *owner)
{
	ready_count++;
}

static void on_gone(void *owner)
{
	gone_count++;
}

/* A guest that never reads holds up nobody else. */
static void check_never(void)
{
	int fd = dial_patiently(5003);
	pid_t pid = fd < 0 ? -1 : start_client(client_never, fd);

	run("echo beside a guest that never reads", 5000, client_echo, 0);
	check(pid > 0 && join_client(pid), "a guest that never reads", NULL);
}

static void check_flood(void)
{
	int fd = dial_patiently(5011);
	pid_t pid = fd < 0 ? -1 : start_client(client_flood, fd);

	run("echo beside a guest that floods", 5000, client_echo, 0);
	check(pid > 0 && join_client(pid), "10000 small packets from the guest, byte-exact", NULL);
}

/* The VM stops in the middle of a stream. */
static void check_pause(const char *what, uint32_t port, client_fn fn)
{
	struct vsock_device_stats before, stats;
	int fd = dial(port);
	pid_t pid = fd < 0 ? -1 : start_client(fn, fd);
	double end = now() + DEADLINE;
	bool paused;

	vsock_device_get_stats(dev, &before);
	do {
		event_loop_step(loop, 10);
		vsock_device_get_stats(dev, &stats);
	} while (now() < end && stats.bytes_from_guest + stats.bytes_to_guest <
					before.bytes_from_guest + before.bytes_to_guest + MIB);
	paused = qmp("stop") && !vsock_device_ready(dev);
	/* While it is paused a dial is told to try again. */
	paused = paused && dial(5000) == -EAGAIN;
	check(paused && qmp("cont") && pid > 0 && join_client(pid), what, NULL);
}

/* Connections end, the driver comes up again, and all is as before. */
static void check_restart(const char *how, bool (*restart)(void))
{
	unsigned before = ready_count;
	int fd = dial(5003);
	char text[96], byte;

	snprintf(text, sizeof(text), "%s: the driver comes up again", how);
	check(fd >= 0 && restart() && wait_for(&ready_count, before + 1, DEADLINE), text, NULL);
	snprintf(text, sizeof(text), "%s: a connection from before has ended", how);
	check(fd >= 0 && read(fd, &byte, 1) == 0, text, NULL);
	close(fd);
	snprintf(text, sizeof(text), "%s: echo afterwards", how);
	run(text, 5000, client_echo, 0);
}

static bool by_qmp(void)
{
	return qmp("system_reset");
}

static bool by_guest(void)
{
	int fd = dial(5009);

	return fd >= 0 && close(fd) == 0;
}

/* While one QEMU is served another on the same socket is refused, and ends by itself. */
static void check_two_at_once(const struct vm *vm)
{
	struct vm second = *vm;
	char listing[] = "second";
	pid_t pid;

	check(mkdir(listing, 0700) == 0 && chdir(listing) == 0, "a folder for a second QEMU", NULL);
	second.socket = "../vhost.sock";
	pid = start_qemu(&second);
	check(qemu_exit_code(pid) > 0, "a second QEMU at once is refused and says so", NULL);
	unlink("console.log");
	unlink("qemu.log");
	unlink("qmp.sock");
	check(chdir("..") == 0 && rmdir(listing) == 0, "nothing else is left of it", NULL);
	run("echo in the first guest goes on", 5000, client_echo, 0);
}

static void run_checks(const struct vm *vm)
{
	check(wait_for(&ready_count, 1, DEADLINE), "the driver comes up", NULL);
	run("echo, 20 round trips", 5000, client_echo, 0);
	check(dial(4999) == -ECONNREFUSED, "a port where nobody listens is refused", NULL);
	run("64 MiB to the guest, byte-exact", 5001, client_up, 64.0 * scale);
	run("64 MiB from the guest, byte-exact", 5002, client_down, 64.0 * scale);
	run("16 MiB both ways at once", 5000, client_both, 32.0 * scale);
	run("half close by the host", 5007, client_half_by_host, 0);
	run("half close by the guest", 5006, client_half_by_guest, 0);
	run("write and close, the guest reads 3 s later", 5010, client_write_and_close, 0);
	run("2000 small writes to a late reader", 5004, client_small, 0);
	run("a host that reads late", 5002, client_slow_reader, 0);
	check_never();
	check_flood();
	check_guest_dials();
	check_listener();
	check_many();
	check_at_once();
	check_pause("64 MiB from a guest that is paused meanwhile", 5002, client_down);
	check_pause("64 MiB to a guest that is paused meanwhile", 5001, client_up);
	check_two_at_once(vm);
	check_restart("system_reset", by_qmp);
	check_restart("the guest's own reboot", by_guest);
}

/* QEMU dies: seen at once, and the socket is there for the next. */
static void check_killed(pid_t qemu)
{
	unsigned gone = gone_count;
	int fd = dial(5003);
	char byte;

	end_qemu(qemu);
	check(wait_for(&gone_count, gone + 1, DEADLINE), "QEMU's death is seen", NULL);
	check(fd >= 0 && read(fd, &byte, 1) == 0, "its connections have ended", NULL);
	close(fd);
	check(dial(5000) == -ENOTCONN, "a dial after it is told so", NULL);
}

/* One more QEMU on the same socket, with other properties. Left running. */
static pid_t check_properties(const struct vm *vm, const char *what)
{
	unsigned ready = ready_count;
	pid_t qemu = start_qemu(vm);
	char text[96];

	snprintf(text, sizeof(text), "%s: the driver comes up", what);
	check(wait_for(&ready_count, ready + 1, DEADLINE), text, NULL);
	snprintf(text, sizeof(text), "%s: 64 MiB to the guest", what);
	run(text, 5001, client_up, 64.0 * scale);
	snprintf(text, sizeof(text), "%s: 64 MiB from the guest", what);
	run(text, 5002, client_down, 64.0 * scale);
	snprintf(text, sizeof(text), "%s: half close", what);
	run(text, 5007, client_half_by_host, 0);
	snprintf(text, sizeof(text), "%s: paused meanwhile", what);
	check_pause(text, 5002, client_down);
	return qemu;
}

static void check_masked(struct vm vm)
{
	unsigned gone;

	vm.device = ",event_idx=off";
	check_killed(check_properties(&vm, "no EVENT_IDX"));
	vm.device = ",indirect_desc=off";
	gone = gone_count;
	{
		pid_t qemu = check_properties(&vm, "no INDIRECT_DESC");

		close(dial_patiently(5008));
		check(wait_for(&gone_count, gone + 1, DEADLINE), "QEMU is gone after power off",
			NULL);
		end_qemu(qemu);
	}
	vm.device = ",event_idx=off,indirect_desc=off";
	vm.memory = "4G"; /* two regions of one memfd */
	end_qemu(check_properties(&vm, "4 GiB, neither"));
	wait_for(&gone_count, gone + 2, DEADLINE);
}

/* Guest memory that is not shared: the guest boots, and has no vsock; nothing of us is up. */
static void check_not_shared(struct vm vm)
{
	unsigned ready = ready_count, gone = gone_count;
	double end = now() + DEADLINE;
	pid_t qemu;

	vm.backend = "memory-backend-ram";
	qemu = start_qemu(&vm);
	while (!console_has("guest: listening") && now() < end)
		event_loop_step(loop, 50);
	check(console_has("guest: listening"), "RAM not shared: the guest boots all the same",
		NULL);
	check(ready_count == ready && dial(5000) < 0, "RAM not shared: no device is up", NULL);
	end_qemu(qemu);
	wait_for(&gone_count, gone + 1, 1);
}

/* We go away: QEMU and its guest run on. */
static void check_we_leave(struct vm vm)
{
	unsigned ready = ready_count;
	pid_t qemu = start_qemu(&vm);

	check(wait_for(&ready_count, ready + 1, DEADLINE), "the last driver comes up", NULL);
	vsock_device_free(dev);
	dev = NULL;
	check(qmp("query-status"), "the device is gone: QEMU answers on", NULL);
	end_qemu(qemu);
	check(qemu_exit_code(start_qemu(&vm)) > 0, "QEMU that finds no listener ends and says so",
		NULL);
}

/* A soak's long transfer: sizes of 1 byte to 4 MiB, every second closed half by the host first. */
static void check_long(void)
{
	double start = now();
	char detail[64];

	for (soak_round = 1; soak_round <= 400; soak_round++) {
		int fd = dial(soak_round % 2 ? 5000 : 5013);

		if (fd < 0 || !join_client(start_client(client_random, fd)))
			break;
	}
	snprintf(detail, sizeof(detail), "%u, %.0f s", soak_round - 1, now() - start);
	check(soak_round == 401, "400 transfers of random sizes with half closes", detail);
}

static void print_stats(void)
{
	struct vsock_device_stats stats;

	vsock_device_get_stats(dev, &stats);
	printf("# packets from guest %llu, to guest %llu, kicks %llu, interrupts %llu, open %u\n",
		(unsigned long long)stats.packets_from_guest,
		(unsigned long long)stats.packets_to_guest, (unsigned long long)stats.kicks,
		(unsigned long long)stats.interrupts, stats.connections);
}

int main(int argc, char **argv)
{
	struct vsock_device_events events = {.ready = on_ready, .gone = on_gone};
	_cleanup_free_ char *kernel = argc > 2 ? realpath(argv[1], NULL) : NULL;
	_cleanup_free_ char *initrd = argc > 2 ? realpath(argv[2], NULL) : NULL;
	struct vm vm = {.kernel = kernel, .initrd = initrd, .memory = "256M"};
	struct error err = ERROR_INIT;
	pid_t qemu;

	if (!kernel || !initrd || argc > 4) {
		fprintf(stderr, "usage: host KERNEL INITRD [SCALE]\n");
		return 2;
	}
	if (argc == 4)
		scale = strtoul(argv[3], NULL, 10);
	signal(SIGPIPE, SIG_IGN);
	enter_folder();
	loop = event_loop_new();
	dev = vsock_device_new(loop, "vhost.sock", 3, &err);
	if (!dev || scale == 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	vsock_device_set_events(dev, &events);
	check(dial(5000) == -EAGAIN, "a dial before QEMU is told to try again", NULL);
	qemu = start_qemu(&vm);
	while (!vsock_device_connected(dev) && waitpid(qemu, NULL, WNOHANG) == 0)
		event_loop_step(loop, 100);
	check(dial(5000) == -EAGAIN, "a dial before the driver is up is told to try again", NULL);
	run_checks(&vm);
	if (scale > 1)
		check_long();
	print_stats();
	check_killed(qemu);
	check_masked(vm);
	check_not_shared(vm);
	check_we_leave(vm);
	event_loop_free(loop);
	leave_folder();
	printf("1..%u\n", checks);
	return failures > 0;
}
