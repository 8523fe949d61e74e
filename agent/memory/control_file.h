/*
 * control_file: one number out of a control file, read inline: for the OOM path only, which has to
 * know before anybody is told of an exit (memory/oom_monitor.h). Statistics go through
 * worker_process. Kernel memory; never sleeps for long.
 */
#ifndef MEMORY_CONTROL_FILE_H
#define MEMORY_CONTROL_FILE_H

#include <stddef.h>
#include <stdint.h>

/* 0 or negative errno. out is NUL-terminated, cut to size. */
int control_read(const char *dir, const char *name, char *out, size_t size);
/* A file of one number; 0 for "max" and for a file that is not there. */
uint64_t control_number(const char *dir, const char *name);
/* "key number" in text; 0 when it is not there. */
uint64_t control_keyed(const char *text, const char *key);

#endif
