/*
 * kmsg: the kernel's log as far as the OOM killer writes to it. Names, pids and sizes only: the log
 * is rate-limited, so counts and causes come from counters. Source: Linux
 * Documentation/ABI/testing/ dev-kmsg; mm/oom_kill.c: the "oom-kill:" line is dump_oom_summary()'s
 * (5.0 and later), the "Killed process" line, after the kill, __oom_kill_process()'s.
 */
#ifndef KERNEL_KMSG_H
#define KERNEL_KMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kmsg_oom {
	uint32_t pid; /* in the initial pid namespace */
	char comm[16];
	bool sized;	      /* the "Killed process" line: sizes, no group; else group, no sizes */
	char task_memcg[256]; /* group of the victim, from the hierarchy's root: "/cradle/abc" */
	uint64_t anon, file, shmem; /* bytes that were resident */
};

/* /dev/kmsg, non-blocking, positioned after what is there now; negative errno (often no such
 * device). */
int kmsg_open(void);
/* Parses one record as read from /dev/kmsg; false when it is neither line. Pure. */
bool kmsg_parse_oom(const char *record, struct kmsg_oom *ret);
/* Reads on to the next such line; false when there is none (yet). Does not sleep. */
bool kmsg_next_oom(int fd, struct kmsg_oom *ret);

#endif
