/*
 * bad_agent: PID 1 of a guest that misbehaves as the kernel's command line says ("bad=VERB": the
 * kernel hands such a word to its first process as a variable). Loads the modules that
 * /etc/cradle/modules lists, then serves one connection on the agent's port; apart from that it
 * knows of the agent's protocol only what it takes to break it. Started by test_failures.sh.
 *
 *   crash     ends by a signal before it did anything
 *   deaf      brings up vsock, listens nowhere
 *   mute      takes the connection, answers nothing
 *   garbage   answers with bytes that are no protocol
 *   hangup    closes the connection when the container is to be made
 *   twice     answers each call twice
 *   long      gives more output than was asked for
 *   stall     a container that says hello; then nothing is answered any more
 *   events    the same, but answers every GetOOMEvent at once, and says how long fifty took
 *   signals   the same, and says on its console which signals it is to deliver; DestroySandbox it
 *             answers, and stays
 *   refuse    the same, but answers DestroySandbox with an error
 *   segv      crashes when the container is to be made
 *   console   the same, and writes its console full, for as long as it lives
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define AGENT_PORT 1024
#define HEADER	   10 /* length, stream: big-endian; type; flags */
#define REQUEST	   1
#define RESPONSE   2

static const char *verb;
static unsigned char frame[4 << 20];

static int is(const char *name)
{
	return strcmp(verb, name) == 0;
}

static void stay(void)
{
	for (;;)
		pause();
}

static void say(const char *what)
{
	printf("bad agent: %s: %s\n", what, strerror(errno));
	fflush(stdout);
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
			say(path);
		close(fd);
	}
	if (list)
		fclose(list);
}

static int take_connection(void)
{
	struct sockaddr_vm at = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = AGENT_PORT};
	int sock = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (sock < 0 || bind(sock, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(sock, 8) < 0)
		say("listen");
	return accept(sock, NULL, NULL);
}

static int read_all(int fd, unsigned char *to, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, to, len);

		if (n <= 0)
			return 0;
		to += n;
		len -= (size_t)n;
	}
	return 1;
}

static void answer(int fd, uint32_t stream, const unsigned char *body, uint32_t len)
{
	unsigned char header[HEADER] = {len >> 24, len >> 16, len >> 8, len, stream >> 24,
		stream >> 16, stream >> 8, stream, RESPONSE, 0};

	if (write(fd, header, sizeof(header)) < 0 || write(fd, body, len) < 0)
		say("answer");
}

/* ttrpc's Response (payload is field 2) around ReadStreamResponse (data is field 1). */
static void answer_output(int fd, uint32_t stream)
{
	static unsigned char body[200000];
	uint32_t len = is("long") ? 100000 : 6, inner = len + 4;
	unsigned char *at = body;

	*at++ = 2 << 3 | 2;
	*at++ = inner | 0x80, *at++ = inner >> 7 | 0x80, *at++ = inner >> 14;
	*at++ = 1 << 3 | 2;
	*at++ = len | 0x80, *at++ = len >> 7 | 0x80, *at++ = len >> 14;
	memset(at, 'x', len);
	memcpy(at, "hello\n", 6);
	answer(fd, stream, body, (uint32_t)(at - body) + len);
}

/* The first asks for the second, and so on: a caller that never rests asks thousands of times. */
static void count_event(void)
{
	static struct timespec first;
	static unsigned count;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (count++ == 0)
		first = now;
	if (count == 50)
		printf("bad agent: 50 events in %lld ms\n",
			(now.tv_sec - first.tv_sec) * 1000ll +
				(now.tv_nsec - first.tv_nsec) / 1000000);
	fflush(stdout);
}

/* ttrpc's Response with a Status (field 1): code 13, INTERNAL, and a message. */
static void refuse(int fd, uint32_t stream)
{
	static const unsigned char body[] = {
		1 << 3 | 2, 9, 1 << 3, 13, 2 << 3 | 2, 5, 'n', 'e', 'v', 'e', 'r'};

	answer(fd, stream, body, sizeof(body));
}

static void misbehave(int fd, uint32_t stream, const char *method)
{
	static int said_hello;

	if (strcmp(method, "ReadStdout") == 0 && !said_hello) {
		said_hello = 1;
		answer_output(fd, stream);
	} else if (strcmp(method, "GetOOMEvent") == 0) {
		if (is("events")) {
			count_event();
			answer(fd, stream, NULL, 0);
		}
	} else if (said_hello && is("stall")) {
		return;
	} else if (strcmp(method, "CreateContainer") == 0 && is("segv")) {
		*(volatile int *)NULL =
			0; /* SIGSEGV of the kernel's: one of its own process 1 ignores */
	} else if (strcmp(method, "DestroySandbox") == 0 && is("refuse")) {
		refuse(fd, stream);
	} else if (strcmp(method, "CreateContainer") == 0 && is("hangup")) {
		close(fd);
		stay();
	} else if (strncmp(method, "Read", 4) != 0 && strcmp(method, "WaitProcess") != 0) {
		answer(fd, stream, NULL, 0);
		if (is("twice"))
			answer(fd, stream, NULL, 0);
	}
}

static const unsigned char *varint(
	const unsigned char *at, const unsigned char *end, uint64_t *value)
{
	int shift = 0;

	for (*value = 0; at < end && shift < 63; shift += 7) {
		*value |= (uint64_t)(*at & 0x7f) << shift;
		if (!(*at++ & 0x80))
			break;
	}
	return at;
}

/*
 * What follows the method: the payload is field 3; a time limit, field 4, may stand before it.
 * SignalProcessRequest ends with its field 3, the signal's number, always below 128.
 */
static void tell_signal(const unsigned char *at, const unsigned char *end)
{
	uint64_t value;

	while (at < end) {
		unsigned char tag = *at;

		at = varint(at + 1, end, &value);
		if (tag != (3 << 3 | 2))
			continue;
		if (value > 0 && value <= (uint64_t)(end - at))
			printf("bad agent: signal %d\n", at[value - 1]);
		break;
	}
	fflush(stdout);
}

/* ttrpc's Request: service is field 1, method field 2, both shorter than 128. */
static void serve(int fd)
{
	unsigned char header[HEADER];

	while (read_all(fd, header, HEADER)) {
		uint32_t len =
			(uint32_t)header[0] << 24 | header[1] << 16 | header[2] << 8 | header[3];
		uint32_t stream =
			(uint32_t)header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7];
		char method[128] = "";

		if (len >= sizeof(frame) || !read_all(fd, frame, len))
			break;
		memcpy(method, frame + 4 + frame[1], frame[3 + frame[1]]);
		if (is("signals") && strcmp(method, "SignalProcess") == 0)
			tell_signal(frame + 4 + frame[1] + strlen(method), frame + len);
		misbehave(fd, stream, method);
	}
	say("the connection ended");
}

static void send_garbage(int fd)
{
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (unsigned char)(i * 2654435761u >> 13 ^ i);
	while (write(fd, frame, 16384) > 0)
		;
}

int main(void)
{
	int fd;

	verb = getenv("bad") ?: "";
	printf("bad agent: %s\n", verb);
	fflush(stdout);
	if (is("crash"))
		__builtin_trap();
	load_modules();
	if (is("deaf"))
		stay();
	if (is("console") && fork() == 0)
		for (;;)
			say("nobody wants to know");
	fd = take_connection();
	if (is("garbage"))
		send_garbage(fd);
	else if (!is("mute"))
		serve(fd);
	stay();
}
