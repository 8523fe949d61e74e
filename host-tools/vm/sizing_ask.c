/* sizing_ask: see the header. */
#include "vm/sizing_ask.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"

/* Linux: CONFIG_NR_CPUS ends at 8192 on every architecture. */
#define CPUSET_MAX 8192

bool sizing_ask_annotation(struct sizing_ask *ask, const char *key, const char *value, bool *bad)
{
	const struct {
		const char *key;
		int64_t *i64;
		uint64_t *u64;
	} rows[] = {
		{"io.kubernetes.cri.sandbox-memory", &ask->memory_bytes, NULL},
		{"io.kubernetes.cri.sandbox-cpu-quota", &ask->cpu_quota, NULL},
		{"io.kubernetes.cri.sandbox-cpu-period", NULL, &ask->cpu_period},
		{"io.kubernetes.cri.sandbox-cpu-shares", NULL, &ask->cpu_shares},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!str_eq(key, rows[i].key))
			continue;
		*bad = (rows[i].i64 ? parse_i64(value, rows[i].i64)
				    : parse_u64(value, rows[i].u64)) < 0;
		return true;
	}
	return false;
}

/* "3" or "0-3" into the set. */
static int take_range(char *range, uint8_t *set)
{
	char *dash = strchr(range, '-');
	uint32_t from, to;

	if (dash)
		*dash = '\0';
	if (parse_u32(range, &from) < 0 || parse_u32(dash ? dash + 1 : range, &to) < 0)
		return -EINVAL;
	if (from > to || to >= CPUSET_MAX)
		return -EINVAL;
	for (uint32_t cpu = from; cpu <= to; cpu++)
		set[cpu / 8] |= (uint8_t)(1u << cpu % 8);
	return 0;
}

int sizing_cpuset_count(const char *list, unsigned *ret)
{
	uint8_t set[CPUSET_MAX / 8] = {0};
	unsigned count = 0;
	char range[32];

	for (const char *at = list;; at++) {
		size_t len = strcspn(at, ",");

		if (len >= sizeof(range))
			return -EINVAL;
		str_format(range, sizeof(range), "%.*s", (int)len, at);
		if (take_range(range, set) < 0)
			return -EINVAL;
		at += len;
		if (!*at)
			break;
	}
	for (size_t i = 0; i < sizeof(set); i++)
		count += (unsigned)__builtin_popcount(set[i]);
	*ret = count;
	return 0;
}
