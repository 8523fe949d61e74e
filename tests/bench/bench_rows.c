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

/* Shown divided by scale. aim: in the unit shown, at most so much; 0 where none is set. */
static const struct {
	const char *name, *what, *unit;
	double scale;
	enum bench_group group;
	double aim;
} texts[BENCH_ROWS] = {
	[FLOOR] = {"floor", "bare floor", "ms", 1e3, GROUP_CONTAINER, 0},
	[FLOOR_ALL] = {"floor_all_namespaces", "bare floor, ipc and uts namespaces new too", "ms",
		1e3, GROUP_CONTAINER, 0},
	[LOCAL_CONTAINER] = {"container", "agent: create to removal", "ms", 1e3, GROUP_CONTAINER,
		66},
	[LOCAL_SECCOMP] = {"container_seccomp", "agent: the same, 300 seccomp rules", "ms", 1e3,
		GROUP_CONTAINER, 0},
	[LOCAL_STORAGES] = {"container_storages", "agent: the same, cradle run's three storages",
		"ms", 1e3, GROUP_CONTAINER, 0},
	[FLOOR_SECCOMP] = {"floor_seccomp", "bare floor with such a filter, compiled before", "ms",
		1e3, GROUP_CONTAINER, 0},
	[FLOOR_STORAGES] = {"floor_storages", "bare floor with these storages", "ms", 1e3,
		GROUP_CONTAINER, 0},
	[CRUN] = {"crun", "crun run", "ms", 1e3, GROUP_CONTAINER, 0},
	[CRUN_SECCOMP] = {"crun_seccomp", "crun run, 300 seccomp rules", "ms", 1e3, GROUP_CONTAINER,
		0},
	[STEP_CREATE] = {"create", "  agent: CreateContainer", "ms", 1e3, GROUP_STEPS, 0},
	[STEP_START] = {"start", "  agent: StartContainer", "ms", 1e3, GROUP_STEPS, 0},
	[STEP_WAIT] = {"wait", "  agent: WaitProcess", "ms", 1e3, GROUP_STEPS, 0},
	[STEP_REMOVE] = {"remove", "  agent: RemoveContainer", "ms", 1e3, GROUP_STEPS, 0},
	[LOCAL_EXEC] = {"exec", "agent: exec to exit", "ms", 1e3, GROUP_EXEC, 30},
	[CRUN_EXEC] = {"crun_exec", "crun exec", "ms", 1e3, GROUP_EXEC, 0},
	[BARE_STATS_1] = {"stats_bare_1", "bare reads of the statistics' files, 1 container", "ms",
		1e3, GROUP_STATS, 0},
	[STATS_1] = {"stats_1", "StatsContainer, 1 container", "ms", 1e3, GROUP_STATS, 1.5},
	[HOST_STATS_1] = {"stats_host_1", "StatsContainer, 1 container, from the host", "ms", 1e3,
		GROUP_STATS, 0},
	[BARE_STATS_20] = {"stats_bare_20", "bare reads of the statistics' files, 20 containers",
		"ms", 1e3, GROUP_STATS, 0},
	[STATS_20] = {"stats_20", "StatsContainer, 20 containers", "ms", 1e3, GROUP_STATS, 1.5},
	[HOST_STATS_20] = {"stats_host_20", "StatsContainer, 20 containers, from the host", "ms",
		1e3, GROUP_STATS, 0},
	[BARE_STATS_100] = {"stats_bare_100", "bare reads of the statistics' files, 100 containers",
		"ms", 1e3, GROUP_STATS, 0},
	[STATS_100] = {"stats_100", "StatsContainer, 100 containers", "ms", 1e3, GROUP_STATS, 1.5},
	[HOST_STATS_100] = {"stats_host_100", "StatsContainer, 100 containers, from the host", "ms",
		1e3, GROUP_STATS, 0},
	[LOCAL_HEALTH] = {"health_local", "Health.Check in the guest", "ms", 1e3, GROUP_TRIPS, 0},
	[BARE_OOM] = {"oom_bare", "OOM kill to a bare inotify reader in the guest", "ms", 1e3,
		GROUP_OOM, 0},
	[HOST_CONTAINER] = {"container_host", "agent: create to removal, from the host", "ms", 1e3,
		GROUP_CONTAINER, 66},
	[HOST_HEALTH] = {"health", "Health.Check, from the host", "ms", 1e3, GROUP_TRIPS, 0},
	[BARE_ECHO] = {"bare_echo", "bare vsock echo of 64 bytes", "ms", 1e3, GROUP_TRIPS, 0},
	[HOST_OOM] = {"oom_event", "OOM kill to its event at the host", "ms", 1e3, GROUP_OOM, 0},
	[BARE_SOURCE] = {"bare_source", "bare vsock transfer", "MiB/s", 1, GROUP_TRANSFER, 0},
	[READ_ONE] = {"read_one", "ReadStdout, one read under way", "MiB/s", 1, GROUP_TRANSFER, 0},
	[READ_TWO] = {"read_two", "ReadStdout, two under way", "MiB/s", 1, GROUP_TRANSFER, 0},
	[LAUNCH] = {"launch", "launch to the first answered Health.Check", "ms", 1e3, GROUP_BOOT,
		0},
	[ENDED] = {"ended", "SIGTERM to VM gone", "ms", 1e3, GROUP_BOOT, 0},
	[BOOT_KERNEL] = {"boot_kernel", "  guest's clock at the kernel's hand-over", "ms", 1e3,
		GROUP_BOOT, 0},
	[BOOT_MODULES] = {"boot_modules", "  hand-over to listening: modules", "ms", 1e3,
		GROUP_BOOT, 0},
	[BOOT_AGENT] = {"boot_agent", "  hand-over to listening: all the rest", "ms", 1e3,
		GROUP_BOOT, 10},
	[FORKS] = {"forks", "forks in the guest, create to removal", "", 1, GROUP_COUNTS, 0},
	[SWITCHES] = {"switches", "context switches in the guest, the same", "", 1, GROUP_COUNTS,
		0},
	[AGENT_BYTES] = {"agent_bytes", "agent's binary", "KiB", 1024, GROUP_MEMORY, 1536},
	[PROCESSES] = {"processes", "processes of the agent at rest", "", 1, GROUP_COUNTS, 0},
	[THREADS] = {"threads", "threads, summed over them", "", 1, GROUP_COUNTS, 0},
	[PSS_REST] = {"pss_rest", "PSS, summed over them, at rest", "KiB", 1, GROUP_MEMORY, 0},
	[PSS_1] = {"pss_1", "PSS with 1 container alive", "KiB", 1, GROUP_MEMORY, 0},
	[PSS_50] = {"pss_50", "PSS with 50", "KiB", 1, GROUP_MEMORY, 0},
	[PSS_200] = {"pss_200", "PSS with 200", "KiB", 1, GROUP_MEMORY, 0},
};

static const struct {
	const char *name, *what;
	enum bench_row ours, other;
	double aim;
	bool more;
} ratios[] = {
	{"container_to_floor", "container, create to removal / bare floor", LOCAL_CONTAINER, FLOOR,
		1.5, false},
	{"container_host_to_floor", "the same, asked from the host / bare floor", HOST_CONTAINER,
		FLOOR, 1.5, false},
	{"seccomp_to_floor", "the same with 300 seccomp rules / bare floor with them",
		LOCAL_SECCOMP, FLOOR_SECCOMP, 1.5, false},
	{"storages_to_floor", "the same with three storages / bare floor with them", LOCAL_STORAGES,
		FLOOR_STORAGES, 0, false},
	{"crun_to_floor", "crun run / bare floor with its four namespaces", CRUN, FLOOR_ALL, 0,
		false},
	{"container_to_crun", "container, create to removal / crun run", LOCAL_CONTAINER, CRUN, 0,
		false},
	{"seccomp_to_crun", "the same with 300 seccomp rules / crun run with them", LOCAL_SECCOMP,
		CRUN_SECCOMP, 0, false},
	{"exec_to_crun", "exec to exit / crun exec", LOCAL_EXEC, CRUN_EXEC, 0, false},
	{"stats_1_to_bare", "StatsContainer, 1 alive / bare reads of its files", STATS_1,
		BARE_STATS_1, 0, false},
	{"stats_20_to_bare", "StatsContainer, 20 alive / bare reads of its files", STATS_20,
		BARE_STATS_20, 0, false},
	{"stats_100_to_bare", "StatsContainer, 100 alive / bare reads of its files", STATS_100,
		BARE_STATS_100, 1.3, false},
	{"stats_host_100_to_bare", "StatsContainer, 100 alive, from the host / these reads",
		HOST_STATS_100, BARE_STATS_100, 0, false},
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

bool row_figure(enum bench_row row, struct row_figure *figure)
{
	double scale = texts[row].scale;

	if (rows[row].count == 0)
		return false;
	*figure = (struct row_figure){.name = texts[row].name,
		.what = texts[row].what + strspn(texts[row].what, " "),
		.unit = texts[row].unit,
		.group = texts[row].group,
		.scale = scale,
		.aim = texts[row].aim,
		.low = quantile(row, 0) / scale,
		.p10 = quantile(row, 0.1) / scale,
		.median = quantile(row, 0.5) / scale,
		.p90 = quantile(row, 0.9) / scale,
		.high = quantile(row, 1) / scale,
		.samples = rows[row].samples,
		.count = rows[row].count};
	return true;
}

size_t row_ratios(void)
{
	return ARRAY_SIZE(ratios);
}

bool row_ratio(size_t i, struct row_ratio *ratio)
{
	double ours = row_median(ratios[i].ours), other = row_median(ratios[i].other);

	if (ours <= 0 || other <= 0)
		return false;
	*ratio = (struct row_ratio){.name = ratios[i].name,
		.what = ratios[i].what,
		.value = ours / other,
		.aim = ratios[i].aim,
		.more = ratios[i].more};
	return true;
}

/* "<= 1.5", or nothing. */
static const char *aim_text(double aim, bool more, char *out, size_t size)
{
	out[0] = '\0';
	if (aim > 0)
		snprintf(out, size, "%s %.*f", more ? ">=" : "<=", aim < 10 ? 1 : 0, aim);
	return out;
}

void rows_print(FILE *out, const char *machine)
{
	char aim[16];

	fprintf(out, "%s\n\n%-62s %8s %8s\n", machine, "ratio of medians", "", "aim");
	for (size_t i = 0; i < ARRAY_SIZE(ratios); i++) {
		struct row_ratio r;

		if (row_ratio(i, &r))
			fprintf(out, "%-62s %8.2f %8s\n", r.what, r.value,
				aim_text(r.aim, r.more, aim, sizeof(aim)));
	}
	fprintf(out, "\n%-50s %9s %9s %9s %5s %5s %8s\n", "", "median", "10 %", "90 %", "n", "",
		"aim");
	for (size_t i = 0; i < BENCH_ROWS; i++) {
		struct row_figure f;

		if (row_figure((enum bench_row)i, &f))
			fprintf(out, "%-50s %9.2f %9.2f %9.2f %5zu %-5s %8s\n", texts[i].what,
				f.median, f.p10, f.p90, f.count, f.unit,
				aim_text(f.aim, false, aim, sizeof(aim)));
	}
}

void rows_print_json(FILE *out, const char *machine)
{
	const char *comma = "";

	fprintf(out, "{\n \"machine\": \"%s\",\n \"ratios\": {", machine);
	for (size_t i = 0; i < ARRAY_SIZE(ratios); i++) {
		struct row_ratio r;

		if (!row_ratio(i, &r))
			continue;
		fprintf(out, "%s\n  \"%s\": {\"value\": %.3f, \"aim\": %.1f}", comma, r.name,
			r.value, r.aim);
		comma = ",";
	}
	fprintf(out, "\n },\n \"figures\": {");
	comma = "";
	for (size_t i = 0; i < BENCH_ROWS; i++) {
		struct row_figure f;

		if (!row_figure((enum bench_row)i, &f))
			continue;
		fprintf(out,
			"%s\n  \"%s\": {\"what\": \"%s\", \"unit\": \"%s\", \"median\": %.3f, "
			"\"p10\": %.3f, \"p90\": %.3f, \"n\": %zu}",
			comma, f.name, f.what, f.unit, f.median, f.p10, f.p90, f.count);
		comma = ",";
	}
	fprintf(out, "\n }\n}\n");
}
