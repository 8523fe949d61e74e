/* host_clients: see host.h. Blocking input and output on one connection, in a forked child. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

static char buffer[256 * 1024];

/* What the big transfers move, bytes. */
static uint64_t big(void)
{
	return 64ull * MIB * scale;
}

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

int client_echo(int fd)
{
	char answer[6];

	for (int i = 0; i < 20; i++)
		if (fd_write_full(fd, "hello", 5) != 5 || fd_read_full(fd, answer, 5) != 5 ||
			memcmp(answer, "hello", 5))
			return 1;
	shutdown(fd, SHUT_WR);
	return read(fd, answer, 1) == 0 ? 0 : 2;
}

int client_up(int fd)
{
	uint64_t hash;

	if (send_pattern(fd, big(), &hash) < 0)
		return 1;
	shutdown(fd, SHUT_WR);
	return expect_sink_answer(fd, big(), hash);
}

int client_down(int fd)
{
	dprintf(fd, "%llu\n", (unsigned long long)big());
	return expect_pattern(fd, big(), true);
}

/* Both directions at once through echo: a child writes, we read. */
static int both(int fd, uint64_t count)
{
	uint64_t hash;

	if (fork() == 0) {
		int r = send_pattern(fd, count, &hash);

		shutdown(fd, SHUT_WR);
		_exit(r < 0);
	}
	return expect_pattern(fd, count, true);
}

int client_both(int fd)
{
	return both(fd, 16ull * MIB * scale);
}

/* One of many at once: a MiB each in a soak. */
int client_piece(int fd)
{
	return both(fd, scale > 1 ? MIB : 64 * 1024);
}

/* A size of its own each time, by the number that the parent counts; both ends are closed half. */
int client_random(int fd)
{
	uint64_t size = 1 + (soak_round * 2654435761u) % (4 * MIB), hash;

	if (soak_round % 2)
		return both(fd, size);
	if (send_pattern(fd, size, &hash) < 0)
		return 1;
	shutdown(fd, SHUT_WR);
	return expect_pattern(fd, size, true);
}

int client_half_by_host(int fd)
{
	uint64_t hash;

	if (send_pattern(fd, 100000, &hash) < 0)
		return 1;
	shutdown(fd, SHUT_WR);
	return expect_pattern(fd, 300000, true);
}

int client_half_by_guest(int fd)
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

/* Small writes to a guest that reads late: at most buffer / 1024 packets may be unread. */
int client_small(int fd)
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
int client_never(int fd)
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
int client_slow_reader(int fd)
{
	dprintf(fd, "%u\n", 8 * MIB);
	sleep(3);
	return expect_pattern(fd, 8 * MIB, true);
}

/* Writes and closes at once; the guest begins to read later and must get all (it cannot answer). */
int client_write_and_close(int fd)
{
	char line[64];
	uint64_t hash;

	if (send_pattern(fd, 200000, &hash) < 0)
		return 1;
	close(fd);
	snprintf(line, sizeof(line), "200000 %016llx", (unsigned long long)hash);
	return expect_on_console(line);
}

/* The guest sends as many small packets as it can. */
int client_flood(int fd)
{
	unsigned count = 10000 * scale;

	dprintf(fd, "%u\n", count);
	return expect_pattern(fd, 100ull * count, true);
}

/* Dials of the guest that nobody answers, one after another: each is refused. */
int client_dial_flood(int fd)
{
	unsigned count = 500 * scale;
	char answer[16] = "";

	dprintf(fd, "%u\n", count);
	return read(fd, answer, sizeof(answer) - 1) > 0 && strtoul(answer, NULL, 10) == count ? 0
											      : 1;
}

int client_dial_refused(int fd)
{
	char answer[16] = "";

	dprintf(fd, "7000\n");
	return read(fd, answer, sizeof(answer) - 1) > 0 && strtol(answer, NULL, 10) == ECONNRESET
		       ? 0
		       : 1;
}

int client_dial_accepted(int fd)
{
	char answer[16] = "";

	dprintf(fd, "7001\n");
	return read(fd, answer, sizeof(answer) - 1) > 0 && answer[0] == '0' ? 0 : 1;
}

/* "OK " and the port of the host's end (as Firecracker has it), not a byte more. */
static bool is_accepted(int fd)
{
	char line[32];
	size_t len = 0;

	while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
		len++;
	line[len] = '\0';
	return strncmp(line, "OK ", 3) == 0 && strtoul(line + 3, NULL, 10) >= 1u << 30;
}

/* Byte-exact, with a half close, through the hybrid socket: CONNECT and stream in one write. */
int client_hybrid(int fd)
{
	static const char line[] = "CONNECT 5001\n";
	uint64_t hash;

	if (fd_write_full(fd, line, sizeof(line) - 1) < 0 || !is_accepted(fd))
		return 1;
	if (send_pattern(fd, 8 * MIB, &hash) < 0)
		return 2;
	shutdown(fd, SHUT_WR);
	return expect_sink_answer(fd, 8 * MIB, hash);
}

int client_hybrid_refused(int fd)
{
	char byte;

	return dprintf(fd, "CONNECT 4999\n") > 0 && read(fd, &byte, 1) == 0 ? 0 : 1;
}
