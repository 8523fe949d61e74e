/* bench_rows: see bench_rows.h. */
#include "bench/bench_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/bench_calls.h"

#define SAMPLES_MAX 4096

static struct {
	double samples[SAMPLES_MAX];
	size_t count;
} rows[BENCH_ROWS];

/* Shown divided by scale. */
static const struct {
	const char *name, *what, *unit;
	double scale;
} texts[BENCH_ROWS] = {
	[FLOOR] = {"floor", "bare floor", "ms", 1e3},
	[FLOOR_ALL] = {"floor_all_namespaces", "bare floor, ipc and uts namespaces new too", "ms",
		1e3},
	[LOOP_CONTAINER] = {"container", "agent: create to removal", "ms", 1e3},
	[LOOP_SECCOMP] = {"container_seccomp", "agent: the same, 300 seccomp rules", "ms", 1e3},
	[LOOP_STORAGES] = {"container_storages", "agent: the same, cradle run's three storages",
		"ms", 1e3},
	[FLOOR_STORAGES] = {"floor_storages", "bare floor with these storages", "ms", 1e3},
	[CRUN] = {"crun", "crun run", "ms", 1e3},
	[CRUN_SECCOMP] = {"crun_seccomp", "crun run, 300 seccomp rules", "ms", 1e3},
	[STEP_CREATE] = {"create", "  agent: CreateContainer", "ms", 1e3},
	[STEP_START] = {"start", "  agent: StartContainer", "ms", 1e3},
	[STEP_WAIT] = {"wait", "  agent: WaitProcess", "ms", 1e3},
	[STEP_REMOVE] = {"remove", "  agent: RemoveContainer", "ms", 1e3},
	[LOOP_EXEC] = {"exec", "agent: exec to exit", "ms", 1e3},
	[CRUN_EXEC] = {"crun_exec", "crun exec", "ms", 1e3},
	[STATS_1] = {"stats_1", "StatsContainer, 1 container", "ms", 1e3},
	[STATS_20] = {"stats_20", "StatsContainer, 20 containers", "ms", 1e3},
	[STATS_100] = {"stats_100", "StatsContainer, 100 containers", "ms", 1e3},
	[LOOP_HEALTH] = {"health_loopback", "Health.Check over loopback", "ms", 1e3},
	[BARE_OOM] = {"oom_bare", "OOM kill to a bare inotify reader in the guest", "ms", 1e3},
	[HOST_CONTAINER] = {"container_host", "agent: create to removal, from the host", "ms", 1e3},
	[HOST_HEALTH] = {"health", "Health.Check, from the host", "ms", 1e3},
	[BARE_ECHO] = {"bare_echo", "bare vsock echo of 64 bytes", "ms", 1e3},
	[HOST_OOM] = {"oom_event", "OOM kill to its event at the host", "ms", 1e3},
	[BARE_SOURCE] = {"bare_source", "bare vsock transfer", "MiB/s", 1},
	[READ_ONE] = {"read_one", "ReadStdout, one read under way", "MiB/s", 1},
	[READ_TWO] = {"read_two", "ReadStdout, two under way", "MiB/s", 1},
	[LAUNCH] = {"launch", "launch to the first answered Health.Check", "ms", 1e3},
	[ENDED] = {"ended", "SIGTERM to VM gone", "ms", 1e3},
	[GUEST_KERNEL] = {"guest_kernel", "  guest's clock when PID 1 starts", "ms", 1e3},
	[GUEST_AGENT] = {"guest_agent", "  PID 1 to the agent's first accepted connection", "ms",
		1e3},
	[FORKS] = {"forks", "forks in the guest, create to removal", "", 1},
	[SWITCHES] = {"switches", "context switches in the guest, the same", "", 1},
	[AGENT_BYTES] = {"agent_bytes", "agent's binary", "KiB", 1024},
	[PROCESSES] = {"processes", "processes of the agent at rest", "", 1},
	[THREADS] = {"threads", "threads, summed over them", "", 1},
	[PSS_REST] = {"pss_rest", "PSS, summed over them, at rest", "KiB", 1},
	[PSS_1] = {"pss_1", "PSS with 1 container alive", "KiB", 1},
	[PSS_50] = {"pss_50", "PSS with 50", "KiB", 1},
	[PSS_200] = {"pss_200", "PSS with 200", "KiB", 1},
};

/* Ours over the other's; for rates, more is better. aim 0: none is set. */
static const struct {
	const char *name, *what;
	enum bench_row ours, other;
	double aim;
	bool more;
} ratios[] = {
	{"container_to_floor", "container, create to removal / bare floor", LOOP_CONTAINER, FLOOR,
		1.5, false},
	{"crun_to_floor", "crun run / bare floor with its four namespaces", CRUN, FLOOR_ALL, 0,
		false},
	{"container_to_crun", "container, create to removal / crun run", LOOP_CONTAINER, CRUN, 0,
		false},
	{"seccomp_to_crun", "the same with 300 seccomp rules / crun run with them", LOOP_SECCOMP,
		CRUN_SECCOMP, 0, false},
	{"storages_to_floor", "the same with three storages / bare floor with them", LOOP_STORAGES,
		FLOOR_STORAGES, 0, false},
	{"exec_to_crun", "exec to exit / crun exec", LOOP_EXEC, CRUN_EXEC, 0, false},
	{"health_to_echo", "Health.Check / bare vsock echo", HOST_HEALTH, BARE_ECHO, 0, false},
	{"oom_to_bare", "OOM kill to event at the host / to a bare reader in the guest", HOST_OOM,
		BARE_OOM, 2.0, false},
	{"read_one_to_source", "ReadStdout, one read / bare vsock", READ_ONE, BARE_SOURCE, 0.7,
		true},
	{"read_two_to_source", "ReadStdout, two reads / bare vsock", READ_TWO, BARE_SOURCE, 0.9,
		true},
};

void row_add(enum bench_row row, double value)
{
	if (rows[row].count >= SAMPLES_MAX)
		bench_die(texts[row].name, "too many samples");
	rows[row].samples[rows[row].count++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which this part of the samples lies. */
static double quantile(enum bench_row row, double part)
{
	size_t n = rows[row].count;
	double at = part * (double)(n ? n - 1 : 0);
	size_t below = (size_t)at;

	if (n == 0)
		return 0;
	qsort(rows[row].samples, n, sizeof(double), compare);
	if (below + 1 >= n)
		return rows[row].samples[n - 1];
	return rows[row].samples[below] +
	       (at - (double)below) * (rows[row].samples[below + 1] - rows[row].samples[below]);
}

double row_median(enum bench_row row)
{
	return quantile(row, 0.5);
}

static double ratio(size_t i)
{
	double other = row_median(ratios[i].other);

	return other > 0 ? row_median(ratios[i].ours) / other : 0;
}

void rows_print(FILE *out, const char *machine)
{
	fprintf(out, "%s\n\n%-58s %8s %8s\n", machine, "ratio of medians", "", "aim");
	for (size_t i = 0; i < ARRAY_SIZE(ratios); i++) {
		char aim[16] = "";

		if (ratios[i].aim > 0)
			snprintf(aim, sizeof(aim), "%s %.1f",
				ratios[i].more ? ">=" : "<=", ratios[i].aim);
		fprintf(out, "%-58s %8.2f %8s\n", ratios[i].what, ratio(i), aim);
	}
	fprintf(out, "\n%-50s %9s %9s %9s %5s\n", "", "median", "10 %", "90 %", "n");
	for (size_t i = 0; i < BENCH_ROWS; i++) {
		enum bench_row row = (enum bench_row)i;
		double scale = texts[i].scale;

		if (rows[i].count)
			fprintf(out, "%-50s %9.2f %9.2f %9.2f %5zu %s\n", texts[i].what,
				row_median(row) / scale, quantile(row, 0.1) / scale,
				quantile(row, 0.9) / scale, rows[i].count, texts[i].unit);
	}
}

void rows_print_json(FILE *out, const char *machine)
{
	fprintf(out, "{\n \"machine\": \"%s\",\n \"ratios\": {", machine);
	for (size_t i = 0; i < ARRAY_SIZE(ratios); i++)
		fprintf(out, "%s\n  \"%s\": {\"value\": %.3f, \"aim\": %.1f}", i ? "," : "",
			ratios[i].name, ratio(i), ratios[i].aim);
	fprintf(out, "\n },\n \"figures\": {");
	for (size_t i = 0, printed = 0; i < BENCH_ROWS; i++) {
		enum bench_row row = (enum bench_row)i;
		double scale = texts[i].scale;

		if (!rows[i].count)
			continue;
		fprintf(out,
			"%s\n  \"%s\": {\"what\": \"%s\", \"unit\": \"%s\", \"median\": %.3f, "
			"\"p10\": %.3f, \"p90\": %.3f, \"n\": %zu}",
			printed++ ? "," : "", texts[i].name,
			texts[i].what + strspn(texts[i].what, " "), texts[i].unit,
			row_median(row) / scale, quantile(row, 0.1) / scale,
			quantile(row, 0.9) / scale, rows[i].count);
	}
	fprintf(out, "\n }\n}\n");
}
