/* stats_table: a memory state as a person reads it. Pure. */
#ifndef STATS_STATS_TABLE_H
#define STATS_STATS_TABLE_H

#include <stdbool.h>

#include "base/buffer.h"

#include "memory.pb-c.h"

/*
 * A line a container, then the guest, line by line to the VM's size. plain: from an agent without
 * cradle.Memory (memory_fetch.h). 0, or negative errno.
 */
int stats_table(const Cradle__MemoryState *state, bool plain, struct buffer *out);

#endif
