/*
 * memory_page: a memory_history as one HTML page that needs nothing else: the guest's memory by
 * owner over time, limits as lines, OOM kills as numbered marks, in SVG. Pure. Called by stats.
 */
#ifndef STATS_MEMORY_PAGE_H
#define STATS_MEMORY_PAGE_H

#include "base/buffer.h"
#include "stats/memory_history.h"

/*
 * address: whose memory it is, as the user wrote it. Whatever the guest or the user named is
 * escaped. 0, or negative errno: no memory, or -ENODATA without a sample.
 */
int memory_page(const struct memory_history *history, const char *address, struct buffer *out);

#endif
