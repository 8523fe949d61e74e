/*
 * capability: capabilities(7) by raw capget, capset and prctl; no libcap. A set is a bit mask, bit
 * n being capability n. Calls act on the calling process (single-threaded), never sleep, and return
 * 0 or negative errno with err filled.
 */
#ifndef KERNEL_CAPABILITY_H
#define KERNEL_CAPABILITY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct capability_sets {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

#define CAPABILITY_BIT(n) (UINT64_C(1) << (n))

/* "CAP_CHOWN", "CHOWN", in any case, also in JSON's quotes; the number, or -EINVAL. Pure. */
int capability_parse(const char *word);
/* "CAP_CHOWN"; NULL for a number this file does not know. Pure. */
const char *capability_name(int number);
/* Names of the set, comma-separated, cut at size; returns out. Pure. */
const char *capability_format(uint64_t set, char *out, size_t size);

/* Those the running kernel knows (prctl PR_CAPBSET_READ). */
uint64_t capability_kernel_set(void);
/* Fills effective, permitted and inheritable. */
int capability_get(struct capability_sets *ret, struct error *err);
/* Sets effective, permitted and inheritable. */
int capability_set(const struct capability_sets *sets, struct error *err);
/* Drops everything but keep from the bounding set. What is not in it needs no dropping. */
int capability_bound(uint64_t keep, struct error *err);
/* Makes the ambient set exactly this; the capabilities must be permitted and inheritable. */
int capability_set_ambient(uint64_t set, struct error *err);

#endif
