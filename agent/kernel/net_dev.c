/* net_dev: see net_dev.h. Called by memory_stats and telemetry/metrics. */
#include "kernel/net_dev.h"

#include <stdlib.h>
#include <string.h>

/* One line without its newline. The two heading lines have no colon, or no number behind it. */
static bool parse_line(const char *line, const char *end, struct net_dev *ret)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	size_t len;

	if (!colon)
		return false;
	line += strspn(line, " ");
	len = (size_t)(colon - line);
	if (len == 0 || len >= sizeof(ret->name))
		return false;
	memcpy(ret->name, line, len);
	ret->name[len] = '\0';
	line = colon + 1;
	for (unsigned i = 0; i < NET_COUNTERS; i++) {
		char *after;

		line += strspn(line, " ");
		ret->counter[i] = strtoull(line, &after, 10);
		if (after == line || after > end)
			return false;
		line = after;
	}
	return true;
}

bool net_dev_next(const char **at, struct net_dev *ret)
{
	for (const char *end; (end = strchr(*at, '\n'));) {
		const char *line = *at;

		*at = end + 1;
		if (parse_line(line, end, ret))
			return true;
	}
	return false;
}
