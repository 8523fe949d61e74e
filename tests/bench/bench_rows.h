/*
 * bench_rows: samples by name, their median and spread, and how they are printed: ratios first, a
 * table for people, JSON for programs. Used by bench_host and bench_page.
 */
#ifndef TESTS_BENCH_BENCH_ROWS_H
#define TESTS_BENCH_BENCH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What a row is, in its order of printing. Figures of one row are comparable within one run only.
 */
enum bench_row {
	/* microseconds, from the guest */
	FLOOR,
	FLOOR_ALL,
	LOCAL_CONTAINER,
	LOCAL_SECCOMP,
	LOCAL_STORAGES,
	FLOOR_SECCOMP,
	FLOOR_STORAGES,
	CRUN,
	CRUN_SECCOMP,
	STEP_CREATE,
	STEP_START,
	STEP_WAIT,
	STEP_REMOVE,
	LOCAL_EXEC,
	CRUN_EXEC,
	BARE_STATS_1, /* bare, ours, ours from the host; in this order */
	STATS_1,
	HOST_STATS_1,
	BARE_STATS_20,
	STATS_20,
	HOST_STATS_20,
	BARE_STATS_100,
	STATS_100,
	HOST_STATS_100,
	LOCAL_HEALTH,
	BARE_OOM,
	/* microseconds, from the host, over the vsock device */
	HOST_CONTAINER,
	HOST_HEALTH,
	BARE_ECHO,
	HOST_OOM,
	/* MiB/s, from the host */
	BARE_SOURCE,
	READ_ONE,
	READ_TWO,
	/* microseconds of a boot */
	LAUNCH,
	ENDED,
	BOOT_KERNEL,
	BOOT_MODULES,
	BOOT_AGENT,
	/* counts */
	FORKS,
	SWITCHES,
	AGENT_BYTES,
	PROCESSES,
	THREADS,
	PSS_REST,
	PSS_1,
	PSS_50,
	PSS_200,
	BENCH_ROWS
};

/* Which picture of the page a row is in. */
enum bench_group {
	GROUP_CONTAINER,
	GROUP_STEPS,
	GROUP_EXEC,
	GROUP_STATS,
	GROUP_TRIPS,
	GROUP_OOM,
	GROUP_TRANSFER,
	GROUP_BOOT,
	GROUP_COUNTS,
	GROUP_MEMORY,
	BENCH_GROUPS
};

/* One row as it is shown: in its unit. */
struct row_figure {
	const char *name, *what, *unit;
	enum bench_group group;
	double scale; /* samples are to be divided by it */
	double aim;   /* at most; 0: none is set */
	double low, p10, median, p90, high;
	const double *samples;
	size_t count;
};

/* Ours over the other's; for rates, more is better. aim 0: none is set. */
struct row_ratio {
	const char *name, *what;
	double value, aim;
	bool more;
};

void row_add(enum bench_row row, double value);
double row_median(enum bench_row row);				/* 0 when there is no sample */
bool row_figure(enum bench_row row, struct row_figure *figure); /* false: no sample */
size_t row_ratios(void);
bool row_ratio(size_t which, struct row_ratio *ratio); /* false: one of the two has no sample */
/* machine: a line about where this ran. */
void rows_print(FILE *out, const char *machine);
void rows_print_json(FILE *out, const char *machine);

#endif
