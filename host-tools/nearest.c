/* nearest: edit distance (optimal string alignment) over short names. */
#include "nearest.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#define NAME_MAX_COMPARED 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

static int fold(char c)
{
	return tolower((unsigned char)c);
}

unsigned nearest_distance(const char *a, const char *b)
{
	/* Three rows of the usual table: this one, the one before, and the one before that. */
	unsigned rows[3][NAME_MAX_COMPARED + 1];
	size_t a_len = strnlen(a, NAME_MAX_COMPARED), b_len = strnlen(b, NAME_MAX_COMPARED);

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned differ = fold(a[i - 1]) != fold(b[j - 1]);

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + differ);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
				fold(a[i - 2]) == fold(b[j - 1]) && older[j - 2] + 1 < now[j])
				now[j] = older[j - 2] + 1;
		}
	}
	return rows[a_len % 3][b_len];
}

void nearest_init(struct nearest *nearest, const char *wanted)
{
	*nearest = (struct nearest){.wanted = wanted, .distance = UINT_MAX};
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	size_t len = strlen(nearest->wanted);
	unsigned distance = nearest_distance(nearest->wanted, candidate);

	/* A third of the letters may be wrong; the beginning of a long name counts as close too. */
	if (len >= 3 && strncasecmp(nearest->wanted, candidate, len) == 0)
		distance = distance ? 1 : 0;
	if (distance > 1 + len / 3 || distance >= nearest->distance)
		return;
	nearest->best = candidate;
	nearest->distance = distance;
}
