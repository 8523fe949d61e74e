/*
 * kmsg: the kernel's log as far as the OOM killer writes to it. Names and pids only: the log is
 * rate-limited, so counts and causes come from counters. Source: Linux Documentation/ABI/testing/
 * dev-kmsg; the "oom-kill:" line is mm/oom_kill.c dump_oom_summary() (5.0 and later).
 */
#ifndef KERNEL_KMSG_H
#define KERNEL_KMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kmsg_oom {
	char task_memcg[256]; /* group of the victim, from the hierarchy's root: "/cradle/abc" */
	char comm[16];
	uint32_t pid; /* in the initial pid namespace */
};

/* /dev/kmsg, non-blocking, positioned after what is there now; negative errno (often no such
 * device). */
int kmsg_open(void);
/* Parses one record as read from /dev/kmsg; false when it is no oom-kill line. Pure. */
bool kmsg_parse_oom(const char *record, struct kmsg_oom *ret);
/* Reads on to the next oom-kill line; false when there is none (yet). Does not sleep. */
bool kmsg_next_oom(int fd, struct kmsg_oom *ret);

#endif
