/*
 * guest: PID 1 of the vsock device's test VM. Loads the modules that /etc/cradle/modules lists
 * (rootfs-builder/build), then serves one vsock port per behaviour, a process a connection. Static,
 * knows nothing of Cradle.
 *
 *   5000 echo                       5001 sink: counts to end of file, answers "COUNT HASH\n"
 *   5002 source: reads "N\n", sends N pattern bytes, closes
 *   5003 never reads, stays open    5004 waits 3 s, then like 5001 (late reader)
 *   5005 reads "PORT\n", dials that port of the host, answers "0\n" or "ERRNO\n", then echoes
 *        what comes on the new connection
 *   5006 sends 300000 pattern bytes and end of file, then counts like 5001 and prints the line on
 *        the console (half close by the guest)
 *   5007 reads to end of file, then sends 300000 pattern bytes and closes (half close by the host)
 *   5008 power off                  5009 reboot
 *   5010 waits 3 s, then counts like 5001 and prints the line on the console (write and close)
 *   5011 reads "N\n", sends N writes of 100 pattern bytes (flood), closes
 *   5012 reads "N\n", dials host port 7002 N times, answers how often it was reset (dial flood)
 *   5013 reads to end of file, then sends all that came back, up to 4 MiB
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define FIRST_PORT 5000
#define PORTS	   14

static char buffer[256 * 1024];

static void die(const char *what)
{
	printf("guest: %s: %s\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 2654435761u >> 13 ^ at);
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n <= 0)
			_exit(1);
		data += n;
		len -= n;
	}
}

static void send_pattern(int fd, uint64_t count)
{
	for (uint64_t at = 0; at < count;) {
		/* Pieces of many sizes, from 1 byte to the whole buffer. */
		size_t len = 1 + (at * 40503u >> 3) % sizeof(buffer);

		if (len > count - at)
			len = count - at;
		for (size_t i = 0; i < len; i++)
			buffer[i] = pattern(at + i);
		send_all(fd, buffer, len);
		at += len;
	}
}

/* Writes its findings to `answer`. */
static void sink(int fd, int answer)
{
	uint64_t count = 0, hash = 14695981039346656037u;
	char line[64];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ (uint8_t)buffer[i]) * 1099511628211u;
		count += n;
	}
	send_all(answer, line,
		snprintf(line, sizeof(line), "%llu %016llx\n", (unsigned long long)count,
			(unsigned long long)hash));
}

static void echo(int fd)
{
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		send_all(fd, buffer, n);
}

static uint64_t read_number(int fd)
{
	char line[32];
	size_t len = 0;

	while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
		len++;
	line[len] = '\0';
	return strtoull(line, NULL, 10);
}

static void dial_host(int fd)
{
	struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST};
	int sock = socket(AF_VSOCK, SOCK_STREAM, 0);
	char line[32];
	int result = 0;

	to.svm_port = read_number(fd);
	if (connect(sock, (struct sockaddr *)&to, sizeof(to)) < 0)
		result = errno;
	send_all(fd, line, snprintf(line, sizeof(line), "%d\n", result));
	if (result == 0)
		echo(sock);
}

static void flood(int fd)
{
	uint64_t left = read_number(fd), at = 0;
	char piece[100];

	for (; left > 0; left--) {
		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = pattern(at + i);
		send_all(fd, piece, sizeof(piece));
		at += sizeof(piece);
	}
}

static void dial_flood(int fd)
{
	struct sockaddr_vm to = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = 7002};
	uint64_t left = read_number(fd), refused = 0;
	char line[32];

	for (; left > 0; left--) {
		int sock = socket(AF_VSOCK, SOCK_STREAM, 0);

		refused += connect(sock, (struct sockaddr *)&to, sizeof(to)) < 0 &&
			   errno == ECONNRESET;
		close(sock);
	}
	send_all(fd, line, snprintf(line, sizeof(line), "%llu\n", (unsigned long long)refused));
}

/* Nothing before the other end's end of file. */
static void echo_late(int fd)
{
	static char kept[4 * 1024 * 1024];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(kept) && (n = read(fd, kept + len, sizeof(kept) - len)) > 0)
		len += n;
	send_all(fd, kept, len);
}

static void serve(unsigned port, int fd)
{
	switch (port - FIRST_PORT) {
	case 0:
		echo(fd);
		break;
	case 4:
		sleep(3);
		/* fall through */
	case 1:
		sink(fd, fd);
		break;
	case 2:
		send_pattern(fd, read_number(fd));
		break;
	case 3:
		pause();
		break;
	case 5:
		dial_host(fd);
		break;
	case 6:
		send_pattern(fd, 300000);
		shutdown(fd, SHUT_WR);
		sink(fd, STDOUT_FILENO);
		break;
	case 7:
		while (read(fd, buffer, sizeof(buffer)) > 0)
			;
		send_pattern(fd, 300000);
		break;
	case 8:
		sync();
		kill(1, SIGTERM);
		break;
	case 9:
		kill(1, SIGHUP);
		break;
	case 10:
		sleep(3);
		sink(fd, STDOUT_FILENO);
		break;
	case 11:
		flood(fd);
		break;
	case 12:
		dial_flood(fd);
		break;
	case 13:
		echo_late(fd);
		break;
	}
	_exit(0);
}

static void accept_loop(unsigned port)
{
	struct sockaddr_vm at = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
	int sock = socket(AF_VSOCK, SOCK_STREAM, 0);

	signal(SIGCHLD, SIG_IGN);
	if (sock < 0 || bind(sock, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(sock, 128) < 0)
		die("listen");
	for (;;) {
		int fd = accept(sock, NULL, NULL);

		if (fd < 0)
			continue;
		if (fork() == 0)
			serve(port, fd);
		close(fd);
	}
}

static void load_modules(void)
{
	FILE *list = fopen("/etc/cradle/modules", "re");
	char path[512];

	while (list && fgets(path, sizeof(path), list)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
			die(path);
		close(fd);
	}
	if (list)
		fclose(list);
}

static void power_off(int sig)
{
	reboot(sig == SIGHUP ? RB_AUTOBOOT : RB_POWER_OFF);
}

int main(void)
{
	load_modules();
	signal(SIGTERM, power_off);
	signal(SIGHUP, power_off);
	for (unsigned i = 0; i < PORTS; i++)
		if (fork() == 0)
			accept_loop(FIRST_PORT + i);
	printf("guest: listening\n");
	for (;;)
		pause();
}
