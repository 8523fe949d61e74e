/*
 * churn: what a guest looks like after a long life. `make bench-churn`, the last part of `make
 * bench`: one guest, 1,000 containers created, started, waited for and removed with their output
 * unread, 10,000 execs read to their ends, then 1,000 containers alive at once. Rates, the first
 * thousand execs against the last, and what the agent holds before and after: PSS and descriptors
 * of all its processes, directories below the guest's cgroup2. A descriptor or a directory more
 * than before fails it; so does a last thousand whose median is over 10 % more. That is taken from
 * the emulator's CPU time: minutes apart, the machine may have got another load.
 *
 *   churn OUTPUT.json [quick]
 *
 * Calls go from the host over the vsock device, as a shim's do.
 */
#define TEST_TIMEOUT 3600
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/agent_fixture.h"
#include "lib/test_main.h"

#define MEMORY	    "3G"
#define KEEPER_ROOT "/run/kata-containers/shared/containers/keeper/rootfs"
/* What pages that are half in use may come to; 14 bytes kept of each exec would be more. */
#define PSS_SLACK_KIB 128

struct amounts {
	unsigned containers, execs, window, alive;
};
static const struct amounts full = {1000, 10000, 1000, 1000};
static const struct amounts quick = {60, 400, 100, 60};
static const struct amounts *amounts = &full;

/* What the agent holds, as the guest's /proc and cgroup2 tell it. */
struct holding {
	unsigned pss_kib, fds, processes, groups;
};

static struct agent agent;
static const char *output_path;
static FILE *json;

static double now_us(void)
{
	return (double)event_loop_now_ns() / 1e3;
}

/* CPU time of the emulator: what a call costs whatever else the machine does meanwhile. */
static double emulator_cpu_us(void)
{
	static clockid_t clock;
	static bool known;
	char path[64], pids[256] = "", *at = pids;
	struct timespec t;

	str_format(path, sizeof(path), "/proc/%d/task/%d/children", (int)agent.pid, (int)agent.pid);
	if (!known)
		assert_true(file_read(path, pids, sizeof(pids)) > 0);
	while (!known && *at) {
		long pid = strtol(at, &at, 10);
		char name[32] = "";

		at += strspn(at, " \n");
		str_format(path, sizeof(path), "/proc/%ld/comm", pid);
		known = file_read(path, name, sizeof(name)) > 0 && str_starts(name, "qemu") &&
			clock_getcpuclockid((pid_t)pid, &clock) == 0;
	}
	assert_true(known);
	assert_int_equal(clock_gettime(clock, &t), 0);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Of a sorted copy; part as in 0.5 for the median. */
static double quantile(const double *values, size_t n, double part)
{
	double *sorted = malloc(n * sizeof(*sorted)), result;

	assert_non_null(sorted);
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	result = sorted[(size_t)((double)(n - 1) * part)];
	free(sorted);
	return result;
}

static void report(const char *name, double value, const char *unit)
{
	printf("%-44s %12.2f %s\n", name, value, unit);
	fflush(stdout);
	fprintf(json, ",\n  \"%s\": %.2f", name, value);
}

/* ---- what the agent holds ---- */

/* A line of input, a line of figures. The exe of PID 1 is the agent's program. */
static const char probe_script[] =
	"while read go; do pss=0 fds=0 n=0; for p in /guest/[0-9]*; do "
	"[ $p/exe -ef /guest/1/exe ] || continue; n=$((n + 1)); set -- $p/fd/*; fds=$((fds + $#)); "
	"while read key kib rest; do [ $key = Pss: ] && pss=$((pss + kib)); done "
	"< $p/smaps_rollup; done; "
	"set -- $(find /groups -type d | wc -l); echo $pss $fds $n $1; done";

static void bind(struct test_container *c, Grpc__Mount *m, const char *source, const char *at)
{
	static char *rbind[] = {(char *)"rbind"};

	grpc__mount__init(m);
	m->type = (char *)"bind";
	m->source = (char *)source;
	m->destination = (char *)at;
	m->options = rbind;
	m->n_options = 1;
	c->spec.mounts[c->spec.n_mounts++] = m;
}

static void start_probe(void)
{
	static const char *const argv[] = {"sh", "-c", probe_script, NULL};
	static char *caps[] = {(char *)"CAP_SYS_PTRACE", (char *)"CAP_DAC_READ_SEARCH"};
	Grpc__Mount *mounts[5], added[2];
	struct test_container c;

	container_fill(&c, &agent, "probe", argv);
	memcpy(mounts, c.mount_list, 3 * sizeof(mounts[0]));
	c.spec.mounts = mounts;
	bind(&c, &added[0], "/proc", "/guest");
	bind(&c, &added[1], "/sys/fs/cgroup", "/groups");
	c.capabilities.bounding = c.capabilities.effective = c.capabilities.permitted = caps;
	c.capabilities.n_bounding = c.capabilities.n_effective = c.capabilities.n_permitted = 2;
	container_send(&agent, &c);
	container_start_id(&agent, "probe");
}

static struct holding probe(void)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	struct holding h = {0};
	char line[128] = "";

	container_write(&agent, "probe", "", "go\n");
	read.container_id = (char *)"probe";
	read.len = sizeof(line) - 1;
	assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
	memcpy(line, ((Grpc__ReadStreamResponse *)call.response)->data.data,
		((Grpc__ReadStreamResponse *)call.response)->data.len);
	client_call_release(&call);
	if (sscanf(line, "%u %u %u %u", &h.pss_kib, &h.fds, &h.processes, &h.groups) != 4)
		fail_msg("the probe says '%s'", line);
	return h;
}

static void report_holding(const char *when, const struct holding *h)
{
	char name[64];

	str_format(name, sizeof(name), "agent PSS, %s", when);
	report(name, h->pss_kib, "KiB");
	str_format(name, sizeof(name), "agent descriptors, %s", when);
	report(name, h->fds, "");
	str_format(name, sizeof(name), "cgroup directories, %s", when);
	report(name, h->groups, "");
}

/* Nothing stays: what ends later than its answer (a helper, the heap's trim) gets ten seconds. */
static void expect_same(const char *after, const struct holding *before)
{
	struct holding now;

	for (int i = 0; i < 100; i++) {
		now = probe();
		if (now.fds == before->fds && now.groups == before->groups &&
			now.processes == before->processes &&
			now.pss_kib <= before->pss_kib + PSS_SLACK_KIB)
			break;
		event_loop_step(agent.loop, 100);
	}
	report_holding(after, &now);
	assert_int_equal(now.fds, before->fds);
	assert_int_equal(now.groups, before->groups);
	assert_int_equal(now.processes, before->processes);
	if (now.pss_kib > before->pss_kib + PSS_SLACK_KIB)
		fail_msg("PSS grew from %u to %u KiB", before->pss_kib, now.pss_kib);
}

/* ---- containers and execs ---- */

/* On the keeper's root: a thousand overlays would measure the kernel's memory, not ours. */
static void create(const char *id, const char *script)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct test_container c;

	container_fill(&c, &agent, id, argv);
	c.request.n_storages = 0;
	c.root.path = (char *)KEEPER_ROOT;
	container_send(&agent, &c);
	container_start_id(&agent, id);
}

/* Its output stays unread: the removal ends it. */
static void one_container(unsigned i)
{
	char id[32];

	str_format(id, sizeof(id), "churn-%u", i);
	create(id, "echo unread; echo unread >&2; exit 5");
	assert_int_equal(container_wait(&agent, id, ""), 5);
	container_remove_id(&agent, id);
}

/* As a shim does it: both streams to their ends, then the exit code. */
static double one_exec(unsigned i)
{
	double start = now_us();
	char id[32];

	str_format(id, sizeof(id), "exec-%u", i);
	assert_int_equal(container_exec_sh(&agent, "keeper", id, "exit 5", NULL), 0);
	assert_string_equal(container_output(&agent, "keeper", id, false), "");
	assert_string_equal(container_output(&agent, "keeper", id, true), "");
	assert_int_equal(container_wait(&agent, "keeper", id), 5);
	return now_us() - start;
}

static void test_containers(void **state)
{
	struct holding before;
	double start;

	for (unsigned i = 0; i < 20; i++)
		one_container(i);
	before = probe();
	report_holding("before any churn", &before);
	start = now_us();
	for (unsigned i = 0; i < amounts->containers; i++)
		one_container(i);
	report("containers", amounts->containers, "");
	report("containers a second", amounts->containers / (now_us() - start) * 1e6, "/s");
	expect_same("after the containers", &before);
}

static void test_execs(void **state)
{
	double *us = calloc(amounts->execs, sizeof(*us)),
	       *cpu = calloc(amounts->execs + 1, sizeof(*cpu));
	double start, first, last;
	unsigned n = amounts->execs, window = amounts->window;
	struct holding before;

	assert_true(us && cpu);
	for (unsigned i = 0; i < 50; i++)
		one_exec(i);
	before = probe();
	start = now_us();
	cpu[0] = emulator_cpu_us();
	for (unsigned i = 0; i < n; i++) {
		us[i] = one_exec(i);
		cpu[i + 1] = emulator_cpu_us();
	}
	report("execs", n, "");
	report("execs a second", n / (now_us() - start) * 1e6, "/s");
	report("exec, median of the first", quantile(us, window, 0.5) / 1e3, "ms");
	report("exec, median of the last", quantile(us + n - window, window, 0.5) / 1e3, "ms");
	report("exec, p99 of all", quantile(us, n, 0.99) / 1e3, "ms");
	for (unsigned i = 0; i < n; i++)
		us[i] = cpu[i + 1] - cpu[i];
	first = quantile(us, window, 0.5);
	last = quantile(us + n - window, window, 0.5);
	report("exec, CPU, median of the first", first / 1e3, "ms");
	report("exec, CPU, median of the last", last / 1e3, "ms");
	report("exec, CPU, last / first", last / first, "");
	free(us);
	free(cpu);
	expect_same("after the execs", &before);
	if (amounts == &full)
		assert_true(last <= 1.1 * first);
}

/* ---- alive at once ---- */

static void stats_of_all(unsigned n)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct client_call call = {0};
	double start = now_us();

	for (unsigned i = 0; i < n; i++) {
		char id[32];

		str_format(id, sizeof(id), "alive-%u", i);
		request.container_id = id;
		assert_int_equal(agent_call(&agent, &call, "StatsContainer", &request, NULL), 0);
		assert_non_null(((Grpc__StatsContainerResponse *)call.response)->cgroup_stats);
	}
	client_call_release(&call);
	report("stats of all in one pass", (now_us() - start) / 1e3, "ms");
	report("stats of all, each", (now_us() - start) / 1e3 / n, "ms");
}

static void test_alive(void **state)
{
	struct holding before = probe(), during;
	unsigned n = amounts->alive;
	double start = now_us();

	for (unsigned i = 0; i < n; i++) {
		char id[32];

		str_format(id, sizeof(id), "alive-%u", i);
		create(id, "echo unread; exec sleep 1000000");
	}
	report("containers alive", n, "");
	report("created and started a second", n / (now_us() - start) * 1e6, "/s");
	during = probe();
	report_holding("with them", &during);
	report("agent PSS each", ((double)during.pss_kib - before.pss_kib) / n, "KiB");
	report("agent descriptors each", ((double)during.fds - before.fds) / n, "");
	stats_of_all(n);
	start = now_us();
	for (unsigned i = 0; i < n; i++) {
		char id[32];

		str_format(id, sizeof(id), "alive-%u", i);
		container_remove_id(&agent, id);
	}
	report("removed a second", n / (now_us() - start) * 1e6, "/s");
	expect_same("after them", &before);
}

static int setup(void **state)
{
	json = fopen(output_path, "we");
	assert_non_null(json);
	fprintf(json, "{\n  \"quick\": %s", amounts == &quick ? "true" : "false");
	agent_start_vm(&agent, MEMORY);
	container_run(&agent, "keeper", "while :; do sleep 1000; done");
	start_probe();
	return 0;
}

static int teardown(void **state)
{
	container_remove_id(&agent, "probe");
	container_remove_id(&agent, "keeper");
	agent_stop(&agent);
	fprintf(json, "\n}\n");
	return fclose(json);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_containers),
	cmocka_unit_test(test_execs),
	cmocka_unit_test(test_alive),
};

int main(int argc, char *argv[])
{
	test_begin(TEST_TIMEOUT);
	if (argc < 2) {
		fprintf(stderr, "usage: churn OUTPUT.json [quick]\n");
		return 2;
	}
	output_path = argv[1];
	if (argc > 2 && str_eq(argv[2], "quick"))
		amounts = &quick;
	return cmocka_run_group_tests(tests, setup, teardown);
}
