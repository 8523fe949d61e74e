/* host_vm: see host.h. */
#include "host.h"

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
#include "base/fd.h"

struct event_loop *loop;
struct vsock_device *dev;
unsigned ready_count, gone_count, checks, failures;

void check(bool good, const char *what, const char *detail)
{
	checks++;
	if (!good)
		failures++;
	printf("%sok %u - %s%s%s\n", good ? "" : "not ", checks, what, detail ? ": " : "",
		detail ? detail : "");
	fflush(stdout);
}

double now(void)
{
	return event_loop_now_ns() / 1e9;
}

/* Steps the loop until *flag, at most `seconds`. */
bool wait_for(const unsigned *flag, unsigned at_least, double seconds)
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
int dial(uint32_t port)
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
int dial_patiently(uint32_t port)
{
	double end = now() + 30;
	int fd;

	while ((fd = dial(port)) == -ECONNREFUSED && now() < end)
		event_loop_step(loop, 50);
	return fd;
}

pid_t start_client(client_fn fn, int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(fd));
	}
	close(fd);
	return pid;
}

bool join_client(pid_t pid)
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

void run(const char *what, uint32_t port, client_fn fn, double mib)
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

int connect_unix(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		perror(path);
	return fd;
}

pid_t start_qemu(const struct vm *vm)
{
	const char *qemu = getenv("QEMU") ? getenv("QEMU") : "qemu-system-x86_64";
	char chardev[256], memory[128], device[128], *argv[48];
	unsigned n = 0;
	pid_t pid;

	unlink("qmp.sock");
	snprintf(chardev, sizeof(chardev), "socket,id=c0,path=%s",
		vm->socket ? vm->socket : "vhost.sock");
	snprintf(memory, sizeof(memory), "%s,id=mem0,size=%s%s",
		vm->backend ? vm->backend : "memory-backend-memfd", vm->memory,
		vm->backend ? "" : ",share=on");
	snprintf(device, sizeof(device), "vhost-user-vsock-pci,chardev=c0%s",
		vm->device ? vm->device : "");
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(open("console.log", O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
	dup2(open("qemu.log", O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
	const char *const fixed[] = {qemu, "-nodefaults", "-no-user-config", "-nic", "none",
		"-display", "none", "-qmp", "unix:qmp.sock,server=on,wait=off", "-accel", "tcg",
		"-object", memory, "-m", vm->memory, "-machine", "q35,memory-backend=mem0",
		"-chardev", chardev, "-device", device, "-serial", "stdio", "-kernel", vm->kernel,
		"-initrd", vm->initrd, "-append", "console=ttyS0 panic=-1 quiet"};

	for (; n < ARRAY_SIZE(fixed); n++)
		argv[n] = (char *)fixed[n];
	argv[n] = NULL;
	execvp(qemu, argv);
	perror(qemu);
	_exit(127);
}

void end_qemu(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int qemu_exit_code(pid_t pid)
{
	double end = now() + DEADLINE;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now() > end) {
			end_qemu(pid);
			return -1;
		}
		event_loop_step(loop, 20);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Both commands are answered: the greeting's capabilities, and this one. */
bool qmp(const char *command)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "qmp.sock"};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[4096], *at;
	double end = now() + DEADLINE;
	size_t len = 0;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("qmp.sock");
		return false;
	}
	dprintf(fd, "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"%s\"}\n", command);
	while (now() < end && len < sizeof(answer) - 1) {
		ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, MSG_DONTWAIT);

		if (n == 0)
			return false;
		len += n > 0 ? n : 0;
		answer[len] = '\0';
		at = strstr(answer, "\"return\"");
		if (at && strstr(at + 1, "\"return\""))
			return true;
		event_loop_step(loop, 20);
	}
	return false;
}

bool console_has(const char *text)
{
	_cleanup_fd_ int fd = open("console.log", O_RDONLY | O_CLOEXEC);
	static char console[65536];
	ssize_t n = fd_read_full(fd, console, sizeof(console) - 1);

	console[n > 0 ? n : 0] = '\0';
	return strstr(console, text);
}

static char folder[256];

void enter_folder(void)
{
	snprintf(folder, sizeof(folder), "%s/vsock.XXXXXX",
		getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(folder) || chdir(folder) < 0) {
		perror(folder);
		exit(2);
	}
}

void leave_folder(void)
{
	FILE *console = fopen("console.log", "re");
	char line[256];

	while (failures && console && fgets(line, sizeof(line), console))
		printf("# console: %s", line);
	if (console)
		fclose(console);
	unlink("console.log");
	unlink("qemu.log");
	unlink("qmp.sock");
	rmdir(folder);
}
