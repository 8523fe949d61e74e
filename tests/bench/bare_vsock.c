/*
 * bare_vsock: the least that a vsock transfer costs: blocking sockets, a static buffer, no
 * protocol. `make bench` divides the agent's figures by these. Static; knows nothing of Cradle. A
 * process a connection.
 *
 *   bare_vsock serve PORT   PORT: echo; PORT+1: sink, answers one byte at end of file;
 *                           PORT+2: source, reads "N\n" and sends N bytes
 *   bare_vsock write N      N bytes to standard output: what a container prints
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static char buffer[64 * 1024];

static void send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n <= 0)
			_exit(1);
		data += n;
		len -= (size_t)n;
	}
}

static void echo(int fd)
{
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		send_all(fd, buffer, (size_t)n);
}

static void sink(int fd)
{
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	send_all(fd, ".", 1);
}

static void source(int fd, unsigned long long left)
{
	while (left > 0) {
		size_t len = left < sizeof(buffer) ? (size_t)left : sizeof(buffer);

		send_all(fd, buffer, len);
		left -= len;
	}
}

static unsigned long long read_number(int fd)
{
	char line[32];
	size_t len = 0;

	while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
		len++;
	line[len] = '\0';
	return strtoull(line, NULL, 10);
}

static void serve(unsigned port, unsigned kind)
{
	struct sockaddr_vm at = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port + kind};
	int sock = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (sock < 0 || bind(sock, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(sock, 16) < 0) {
		perror("bare_vsock: listen");
		_exit(1);
	}
	for (;;) {
		int fd = accept(sock, NULL, NULL);

		if (fd < 0 || fork() > 0) {
			close(fd);
			continue;
		}
		if (kind == 0)
			echo(fd);
		else if (kind == 1)
			sink(fd);
		else
			source(fd, read_number(fd));
		_exit(0);
	}
}

int main(int argc, char *argv[])
{
	if (argc != 3)
		return 2;
	memset(buffer, 'x', sizeof(buffer));
	if (strcmp(argv[1], "write") == 0) {
		source(STDOUT_FILENO, strtoull(argv[2], NULL, 10));
		return 0;
	}
	signal(SIGCHLD, SIG_IGN);
	for (unsigned kind = 0; kind < 2; kind++)
		if (fork() == 0)
			serve((unsigned)strtoul(argv[2], NULL, 10), kind);
	serve((unsigned)strtoul(argv[2], NULL, 10), 2);
}
