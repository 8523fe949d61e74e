/*
 * bench_rows: samples by name, their median and spread, and how they are printed: ratios first, a
 * table for people, JSON for programs. Used by bench_host.
 */
#ifndef TESTS_BENCH_BENCH_ROWS_H
#define TESTS_BENCH_BENCH_ROWS_H

#include <stdio.h>

/* What a row is, in its order of printing. Figures of one row are comparable within one run only.
 */
enum bench_row {
	/* microseconds, from the guest */
	FLOOR,
	FLOOR_ALL,
	LOOP_CONTAINER,
	LOOP_SECCOMP,
	LOOP_STORAGES,
	FLOOR_STORAGES,
	CRUN,
	CRUN_SECCOMP,
	STEP_CREATE,
	STEP_START,
	STEP_WAIT,
	STEP_REMOVE,
	LOOP_EXEC,
	CRUN_EXEC,
	STATS_1,
	STATS_20,
	STATS_100,
	LOOP_HEALTH,
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
	GUEST_KERNEL,
	GUEST_AGENT,
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

void row_add(enum bench_row row, double value);
double row_median(enum bench_row row); /* 0 when there is no sample */
/* machine: a line about where this ran. */
void rows_print(FILE *out, const char *machine);
void rows_print_json(FILE *out, const char *machine);

#endif
