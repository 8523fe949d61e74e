/* accel: is KVM here and does it work? */
#include "vm/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/strings.h"
#include "vm/qemu_command.h"

#define CPUINFO_MAX (4u << 20)
#define TRY_MS	    1000

static bool has_word(const char *line, size_t len, const char *word)
{
	size_t word_len = strlen(word);

	for (size_t i = 0; i + word_len <= len; i++) {
		bool begins = i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t';
		bool ends = i + word_len == len || line[i + word_len] == ' ';

		if (begins && ends && memcmp(line + i, word, word_len) == 0)
			return true;
	}
	return false;
}

bool accel_cpu_can_virtualize(const char *cpuinfo)
{
	while (*cpuinfo) {
		size_t len = strcspn(cpuinfo, "\n");

		if (str_starts(cpuinfo, "flags"))
			return has_word(cpuinfo, len, "vmx") || has_word(cpuinfo, len, "svm");
		cpuinfo += len + (cpuinfo[len] == '\n');
	}
	return false;
}

/* Reads QMP until `want` was seen; false at the deadline or QEMU's end. */
static bool await_text(int fd, const char *want, uint64_t deadline_ns)
{
	char seen[8192];
	size_t len = 0;

	for (;;) {
		uint64_t now = event_loop_now_ns();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (now >= deadline_ns || len == sizeof(seen) - 1)
			return false;
		if (poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1) <= 0)
			continue;
		n = read(fd, seen + len, sizeof(seen) - 1 - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		seen[len] = '\0';
		if (strstr(seen, want))
			return true;
	}
}

static bool converse(int fd)
{
	static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
	static const char status[] = "{\"execute\":\"query-status\"}\n";
	uint64_t deadline = event_loop_now_ns() + TRY_MS * 1000000ull;

	return await_text(fd, "\"QMP\"", deadline) && fd_write_full(fd, hello, strlen(hello)) > 0 &&
	       await_text(fd, "\"return\"", deadline) &&
	       fd_write_full(fd, status, strlen(status)) > 0 &&
	       await_text(fd, "\"running\"", deadline);
}

static void __attribute__((noreturn)) exec_trial(const char *arch, const char *program, int sock)
{
	int null = open("/dev/null", O_RDWR);
	char chardev[48];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	sock = fd_move_above(sock, 3);
	fd_set_cloexec(sock, false);
	fd_close_from(3, &sock, 1);
	str_format(chardev, sizeof(chardev), "socket,id=q,fd=%d", sock);
	execlp(program, program, "-S", "-nodefaults", "-no-user-config", "-display", "none",
		"-machine", qemu_machine(arch), "-accel", "kvm", "-cpu",
		qemu_cpu(arch, VM_ACCEL_KVM), "-m", "64M", "-chardev", chardev, "-mon",
		"chardev=q,mode=control", (char *)NULL);
	_exit(127);
}

static bool try_paused(const char *arch, const char *program)
{
	struct child_process child = {0};
	int socks[2];
	bool works;
	pid_t pid;

	if (socket_pair(SOCK_STREAM, socks) < 0)
		return false;
	pid = child_process_fork(&child, NULL, NULL, "qemu-try");
	if (pid == 0)
		exec_trial(arch, program, socks[1]);
	close(socks[1]);
	works = pid > 0 && converse(socks[0]);
	close(socks[0]);
	if (pid > 0) {
		child_process_signal(&child, SIGKILL);
		child_process_wait(&child);
	}
	return works;
}

static const char *why_not_kvm(const char *arch, const char *program)
{
	_cleanup_free_ char *cpuinfo = NULL;
	struct utsname host;

	if (uname(&host) < 0 || !str_eq(host.machine, arch))
		return "the guest's architecture is not this machine's";
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return errno == ENOENT ? "there is no /dev/kvm" : "/dev/kvm may not be opened";
	if (str_eq(arch, "x86_64") &&
		(file_read_alloc("/proc/cpuinfo", CPUINFO_MAX, &cpuinfo) < 0 ||
			!accel_cpu_can_virtualize(cpuinfo)))
		return "the CPU offers neither vmx nor svm";
	if (!try_paused(arch, program))
		return "a trial start of QEMU with KVM failed";
	return NULL;
}

enum vm_accel accel_choose(const char *arch, const char *qemu, char *why, size_t size)
{
	const char *program = qemu ? qemu : qemu_default_program(arch);
	const char *reason = program ? why_not_kvm(arch, program) : "no QEMU is known for it";

	str_copy(why, size, "");
	if (!reason)
		return VM_ACCEL_KVM;
	str_format(why, size,
		"no KVM here (%s): emulating the CPU (TCG), which is several times slower", reason);
	return VM_ACCEL_TCG;
}
