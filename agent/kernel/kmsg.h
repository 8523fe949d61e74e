/*
 * kmsg: the kernel's log as far as the OOM killer and virtio-mem write to it. Names, pids and sizes
 * only: the log is rate-limited, so counts and causes come from counters. Source: Linux
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
/*
 * What a virtio-mem driver says when the hypervisor asks for a size, "virtio_mem virtio3: requested
 * size: 0x8000000" (drivers/virtio/virtio_mem.c): the one place where a guest's programs can see
 * it. 0x is part of the number. Pure.
 */
bool kmsg_parse_requested(const char *record, uint32_t *device, uint64_t *bytes);
/* /dev/kmsg as kmsg_open(), from the oldest record that is still there. */
int kmsg_open_oldest(void);
/* Reads on to the next such line; false when there is none (yet). Does not sleep. */
bool kmsg_next_requested(int fd, uint32_t *device, uint64_t *bytes);
/* Reads on to the next of the OOM killer's lines; false when there is none (yet). Does not sleep.
 */
bool kmsg_next_oom(int fd, struct kmsg_oom *ret);

#endif
