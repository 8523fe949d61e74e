/*
 * bench_page: the bench's figures as one HTML page that needs nothing else, with plots in SVG:
 * ratios beside their aims, and a picture a subject with each sample as a dot. Used by bench_host.
 */
#ifndef TESTS_BENCH_BENCH_PAGE_H
#define TESTS_BENCH_BENCH_PAGE_H

#include <stdio.h>

/* Of what bench_rows holds. machine: a line about where this ran. */
void bench_page(FILE *out, const char *machine);

#endif
