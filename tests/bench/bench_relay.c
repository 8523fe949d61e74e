/*
 * bench_relay: `make bench-relay`, a part of `make bench`. What `cradle relay` adds to a direct
 * connection: its latency and throughput, once with a peer that is nothing but sockets (hybrid
 * vsock) and once with an agent, direct and relayed in turn in one run, so that a disturbance of
 * the machine meets both; then 1,000 clients at once, clients one after another, and a million
 * small calls, after which the relay must hold what it held before: descriptors, memory.
 *
 *   bench_relay OUTPUT [quick]
 *
 * Prints a table, writes JSON. Exit code 1 when something was lost or has grown.
 */
#include "lib/agent_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/strings.h"
#include "bench/bench_calls.h"
#include "bench/relay_peer.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define MIB	     (1024.0 * 1024)
#define ROUND_TRIPS  200 /* a sample of latency is their mean */
#define ECHO_BYTES   64
#define SEGMENT	     (64u << 20)
#define IN_FLIGHT    32
#define CROWD	     1000
#define RSS_MORE_KIB 256 /* what may come and stay: the heap's own rounding */
#define SAMPLES_MAX  256

static struct {
	unsigned rounds, transfers, calls, passers;
} amounts = {100, 24, 1000000, 10000};

static unsigned complaints;

static void complain(const char *what, double value, double limit)
{
	fprintf(stderr, "bench_relay: %s: %.0f, at most %.0f\n", what, value, limit);
	complaints++;
}

/* ---- samples --------------------------------------------------------------------------------- */

struct series {
	double samples[SAMPLES_MAX];
	unsigned count;
};

static void series_add(struct series *series, double value)
{
	if (series->count < SAMPLES_MAX)
		series->samples[series->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double series_median(struct series *series)
{
	qsort(series->samples, series->count, sizeof(double), compare);
	return series->count ? series->samples[series->count / 2] : 0;
}

/* ---- relays ---------------------------------------------------------------------------------- */

struct relay {
	pid_t pid;
	char at[128]; /* unix://... */
};

static void relay_start(struct relay *relay, const char *name, const char *to)
{
	char line[200] = "";
	int out[2];

	str_format(relay->at, sizeof(relay->at), "unix://%s/%s", scratch_dir(), name);
	if (pipe2(out, O_CLOEXEC) < 0)
		bench_die("pipe", strerror(errno));
	relay->pid = fork();
	if (relay->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], 1);
		execl(HOST_CRADLE_PATH, "cradle", "relay", "--listen", relay->at, to, NULL);
		bench_die(HOST_CRADLE_PATH, strerror(errno));
	}
	close(out[1]);
	if (read(out[0], line, sizeof(line) - 1) <= 0 || !str_starts(line, "ready "))
		bench_die("cradle relay", "it did not get ready");
	close(out[0]);
}

static void relay_stop(struct relay *relay)
{
	int status;

	kill(relay->pid, SIGTERM);
	if (waitpid(relay->pid, &status, 0) != relay->pid || status != 0)
		bench_die("cradle relay", "it did not end well");
}

static unsigned relay_fds(const struct relay *relay)
{
	char path[64];
	unsigned count = 0;
	DIR *dir;

	str_format(path, sizeof(path), "/proc/%d/fd", relay->pid);
	dir = opendir(path);
	if (!dir)
		bench_die(path, strerror(errno));
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2; /* . and .. */
}

static double relay_rss_kib(const struct relay *relay)
{
	char path[64], text[4096], *at;

	str_format(path, sizeof(path), "/proc/%d/status", relay->pid);
	if (file_read(path, text, sizeof(text)) < 0 || !(at = strstr(text, "VmRSS:")))
		bench_die(path, "cannot be read");
	return strtod(at + strlen("VmRSS:"), NULL);
}

/* A client that has hung up is gone when the relay has noticed: asked until then. */
static void expect_fds(const struct relay *relay, unsigned want, const char *what)
{
	double end = bench_now_us() + 30e6;

	while (relay_fds(relay) != want && bench_now_us() < end)
		usleep(1000);
	if (relay_fds(relay) != want)
		complain(what, relay_fds(relay), want);
}

/* ---- the bare peer --------------------------------------------------------------------------- */

static int dial_blocking(const char *address)
{
	int fd = bench_dial(address);

	fd_set_nonblock(fd, false);
	return fd;
}

static void exchange(int fd)
{
	char data[ECHO_BYTES] = "x";

	if (fd_write_full(fd, data, sizeof(data)) != sizeof(data) ||
		fd_read_full(fd, data, sizeof(data)) != sizeof(data))
		bench_die("echo", "the connection ended");
}

static void echo(int fd, struct series *series)
{
	double start = bench_now_us();

	for (int i = 0; i < ROUND_TRIPS; i++)
		exchange(fd);
	series_add(series, (bench_now_us() - start) / ROUND_TRIPS);
}

static void transfer(int fd, struct series *series)
{
	static char data[65536];
	double start = bench_now_us();

	for (size_t got = 0; got < SEGMENT;) {
		ssize_t n = recv(fd, data, sizeof(data), 0);

		if (n <= 0)
			bench_die("source", "the connection ended");
		got += (size_t)n;
	}
	series_add(series, SEGMENT / MIB / ((bench_now_us() - start) / 1e6));
}

static struct series bare_echo[2], bare_rate[2]; /* direct, relayed */

static void bench_bare(const char *direct, const char *direct_source, const struct relay *relay,
	const struct relay *source)
{
	int echoes[2] = {dial_blocking(direct), dial_blocking(relay->at)};

	for (unsigned i = 0; i < amounts.rounds; i++)
		for (int k = 0; k < 2; k++)
			echo(echoes[k], &bare_echo[k]);
	close(echoes[0]);
	close(echoes[1]);
	/* One at a time: a source that nobody reads is still, one that is read is not. */
	for (unsigned i = 0; i < amounts.transfers; i++)
		for (int k = 0; k < 2; k++) {
			int fd = dial_blocking(k ? source->at : direct_source);

			transfer(fd, &bare_rate[k]);
			close(fd);
		}
}

/* All connected, each answered, and answered again when all are there. */
static void bench_crowd(const struct relay *relay, double *took_ms, double *rss_kib)
{
	static int fds[CROWD];
	unsigned before = relay_fds(relay);
	double start = bench_now_us();

	for (int i = 0; i < CROWD; i++)
		fds[i] = dial_blocking(relay->at);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < CROWD; i++)
			exchange(fds[i]);
	*took_ms = (bench_now_us() - start) / 1e3;
	*rss_kib = relay_rss_kib(relay);
	if (relay_fds(relay) != before + 2 * CROWD)
		complain("descriptors with the crowd", relay_fds(relay), before + 2 * CROWD);
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
	expect_fds(relay, before, "descriptors after the crowd");
}

/* Clients one after another, each with one round trip. */
static double bench_passers(const struct relay *relay)
{
	unsigned before = relay_fds(relay);
	double rss = 0, start = bench_now_us(), took;

	for (unsigned i = 0; i < amounts.passers; i++) {
		int fd = dial_blocking(relay->at);

		exchange(fd);
		close(fd);
		if (i == amounts.passers / 10)
			rss = relay_rss_kib(relay);
	}
	took = bench_now_us() - start;
	expect_fds(relay, before, "descriptors after the passers-by");
	if (relay_rss_kib(relay) > rss + RSS_MORE_KIB)
		complain("memory after the passers-by, KiB", relay_rss_kib(relay),
			rss + RSS_MORE_KIB);
	return took / amounts.passers;
}

/* ---- an agent -------------------------------------------------------------------------------- */

static struct agent agent;
static struct series health[2], reads[2];

struct flight {
	struct client_call call;
	bool under_way;
};
static unsigned to_answer;

static void on_health(struct client_call *call, int result, const struct error *err)
{
	struct flight *flight = container_of(call, struct flight, call);

	if (result < 0)
		bench_die("Check", err->text);
	client_call_release(call);
	flight->under_way = false;
	to_answer--;
}

/* So many calls, IN_FLIGHT at a time. */
static void many_calls(struct bench_agent *to, unsigned calls)
{
	static struct flight flights[IN_FLIGHT];
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct error err = ERROR_INIT;
	unsigned begun = 0;

	to_answer = calls;
	while (to_answer > 0) {
		for (int i = 0; i < IN_FLIGHT && begun < calls; i++) {
			if (flights[i].under_way)
				continue;
			memset(&flights[i].call, 0, sizeof(flights[i].call));
			flights[i].under_way = true;
			begun++;
			if (client_call_start(to->client, &flights[i].call, "grpc.Health", "Check",
				    &request.base, &grpc__health_check_response__descriptor, 0,
				    on_health, &err) < 0)
				bench_die("Check", err.text);
		}
		event_loop_step(to->loop, -1);
	}
}

static double bench_million(const struct relay *relay, struct bench_agent *to)
{
	unsigned fds;
	double rss, start;

	many_calls(to, amounts.calls / 20);
	fds = relay_fds(relay);
	rss = relay_rss_kib(relay);
	start = bench_now_us();
	many_calls(to, amounts.calls);
	start = (bench_now_us() - start) / 1e6;
	expect_fds(relay, fds, "descriptors after a million calls");
	if (relay_rss_kib(relay) > rss + RSS_MORE_KIB)
		complain("memory after a million calls, KiB", relay_rss_kib(relay),
			rss + RSS_MORE_KIB);
	return amounts.calls / start;
}

/* A container's output, two reads under way, as cradle run reads. */
static void read_output(struct bench_agent *to, const char *id, struct series *series)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;
	struct agent via = agent;
	struct pending pending[2];
	double start = bench_now_us();
	size_t got = 0;

	via.loop = to->loop;
	request.container_id = (char *)id;
	request.len = 1 << 20;
	for (int i = 0; i < 2; i++)
		agent_begin(&via, to->client, &pending[i], "ReadStdout", &request);
	for (int i = 0; got < SEGMENT; i = !i) {
		agent_await(&via, &pending[i]);
		if (pending[i].code != 0)
			bench_die("ReadStdout", pending[i].err.text);
		got += ((Grpc__ReadStreamResponse *)pending[i].call.response)->data.len;
		pending_release(&pending[i]);
		agent_begin(&via, to->client, &pending[i], "ReadStdout", &request);
	}
	series_add(series, (double)got / MIB / ((bench_now_us() - start) / 1e6));
	for (int i = 0; i < 2; i++) {
		agent_await(&via, &pending[i]);
		pending_release(&pending[i]);
	}
}

static void bench_agent_calls(struct bench_agent to[2])
{
	for (unsigned i = 0; i < amounts.rounds; i++)
		for (int k = 0; k < 2; k++) {
			double start = bench_now_us();

			for (int j = 0; j < ROUND_TRIPS / 4; j++)
				bench_health(&to[k]);
			series_add(&health[k], (bench_now_us() - start) / (ROUND_TRIPS / 4));
		}
	container_run(&agent, "endless", "exec dd if=/dev/zero bs=64k");
	for (unsigned i = 0; i < amounts.transfers; i++)
		for (int k = 0; k < 2; k++)
			read_output(&to[k], "endless", &reads[k]);
	container_remove_id(&agent, "endless");
}

/* ---- what is told ---------------------------------------------------------------------------- */

struct totals {
	double crowd_ms, crowd_rss_kib, passer_us, calls_per_s;
};

static void print_table(const struct totals *t, const char *machine)
{
	double added = series_median(&bare_echo[1]) - series_median(&bare_echo[0]);

	printf("%s\n\n%-46s %9s %9s %9s %8s\n", machine, "medians", "direct", "relayed", "", "aim");
	printf("%-46s %9.1f %9.1f %+9.1f %8s us\n", "round trip of 64 bytes, bare peer",
		series_median(&bare_echo[0]), series_median(&bare_echo[1]), added, "<= +30");
	printf("%-46s %9.1f %9.1f %+9.1f %8s us\n", "Health.Check of an agent",
		series_median(&health[0]), series_median(&health[1]),
		series_median(&health[1]) - series_median(&health[0]), "<= +30");
	printf("%-46s %9.0f %9.0f %9.2f %8s MiB/s\n", "one stream, bare peer",
		series_median(&bare_rate[0]), series_median(&bare_rate[1]),
		series_median(&bare_rate[1]) / series_median(&bare_rate[0]), ">= 0.9");
	printf("%-46s %9.0f %9.0f %9.2f %8s MiB/s\n", "ReadStdout of a container, two under way",
		series_median(&reads[0]), series_median(&reads[1]),
		series_median(&reads[1]) / series_median(&reads[0]), ">= 0.9");
	printf("%d clients at once, two round trips each: %.0f ms, relay's RSS %.0f KiB\n", CROWD,
		t->crowd_ms, t->crowd_rss_kib);
	printf("%u clients one after another: %.0f us each, no growth\n", amounts.passers,
		t->passer_us);
	printf("%u calls, %d under way: %.0f a second, no growth\n", amounts.calls, IN_FLIGHT,
		t->calls_per_s);
}

static void write_json(const char *path, const struct totals *t, const char *machine)
{
	FILE *out = fopen(path, "we");

	if (!out)
		bench_die(path, strerror(errno));
	fprintf(out,
		"{\n \"machine\": \"%s\",\n \"echo_us\": [%.2f, %.2f],\n \"health_us\": [%.2f, "
		"%.2f],\n \"rate_mib_s\": [%.1f, %.1f],\n \"read_mib_s\": [%.1f, %.1f],\n"
		" \"crowd_ms\": %.1f,\n \"crowd_rss_kib\": %.0f,\n \"passer_us\": %.1f,\n"
		" \"calls\": %u,\n \"calls_per_s\": %.0f,\n \"complaints\": %u\n}\n",
		machine, series_median(&bare_echo[0]), series_median(&bare_echo[1]),
		series_median(&health[0]), series_median(&health[1]), series_median(&bare_rate[0]),
		series_median(&bare_rate[1]), series_median(&reads[0]), series_median(&reads[1]),
		t->crowd_ms, t->crowd_rss_kib, t->passer_us, amounts.calls, t->calls_per_s,
		complaints);
	if (fclose(out) != 0)
		bench_die(path, strerror(errno));
}

static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void machine_line(char *out, size_t size)
{
	struct utsname name;
	double load = 0;

	uname(&name);
	if (getloadavg(&load, 1) < 1)
		load = 0;
	str_format(out, size, "%s Linux %s, %ld CPUs, load %.1f before", name.machine, name.release,
		sysconf(_SC_NPROCESSORS_ONLN), load);
}

static void run(struct totals *t)
{
	char peer[128], to_echo[160], to_source[160], to_agent[160];
	struct relay echoes, source, agents;
	struct bench_agent to[2];
	pid_t pid;

	str_format(peer, sizeof(peer), "%s/peer.sock", scratch_dir());
	str_format(to_echo, sizeof(to_echo), "hvsock://%s:%d", peer, PEER_ECHO);
	str_format(to_source, sizeof(to_source), "hvsock://%s:%d", peer, PEER_SOURCE);
	pid = relay_peer_start(peer);
	relay_start(&echoes, "echo.sock", to_echo);
	relay_start(&source, "source.sock", to_source);
	bench_bare(to_echo, to_source, &echoes, &source);
	bench_crowd(&echoes, &t->crowd_ms, &t->crowd_rss_kib);
	t->passer_us = bench_passers(&echoes);
	relay_stop(&echoes);
	relay_stop(&source);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	agent_start(&agent);
	str_format(to_agent, sizeof(to_agent), "unix://%s", agent.socket);
	relay_start(&agents, "agent-relay.sock", to_agent);
	bench_connect(&to[0], to_agent);
	bench_connect(&to[1], agents.at);
	bench_agent_calls(to);
	t->calls_per_s = bench_million(&agents, &to[1]);
	for (int k = 0; k < 2; k++) {
		ttrpc_client_free(to[k].client);
		event_loop_free(to[k].loop);
	}
	relay_stop(&agents);
	agent_stop(&agent);
}

int main(int argc, char **argv)
{
	struct totals totals = {0};
	char machine[200];

	if (argc < 2)
		bench_die("usage", "bench_relay OUTPUT [quick]");
	test_begin(900);
	if (argc > 2 && str_eq(argv[2], "quick")) {
		amounts.rounds = 20;
		amounts.transfers = 6;
		amounts.calls = 100000;
		amounts.passers = 2000;
	}
	machine_line(machine, sizeof(machine));
	raise_limit();
	run(&totals);
	print_table(&totals, machine);
	write_json(argv[1], &totals, machine);
	scratch_remove();
	return complaints > 0;
}
