/*
 * nearest: which of the known names did somebody mean? Used for subcommands, options, methods and
 * field names. Pure.
 */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

/*
 * Edits (insert, delete, replace, swap of neighbours) that turn a into b, case ignored; names
 * longer than 64 bytes are compared by their first 64.
 */
unsigned nearest_distance(const char *a, const char *b);

/* Feed it every candidate; best is NULL as long as nothing was similar enough to be worth naming.
 */
struct nearest {
	const char *wanted;
	const char *best; /* points at the candidate's text */
	unsigned distance;
};

void nearest_init(struct nearest *nearest, const char *wanted);
void nearest_offer(struct nearest *nearest, const char *candidate);

#endif
