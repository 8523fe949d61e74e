/*
 * file: whole small files. May sleep where the file system can (sysfs, procfs and cgroupfs of our
 * own kernel do not reach a disk). Negative errno on failure.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads at most size-1 bytes, adds NUL, strips nothing. Bytes read; -EFBIG when there is more. */
ssize_t file_read(const char *path, char *out, size_t size);
ssize_t file_read_at(int dirfd, const char *name, char *out, size_t size);
/* Whole file in allocated memory (NUL added, caller frees), at most max bytes, else -EFBIG. */
ssize_t file_read_alloc(const char *path, size_t max, char **ret);
/* First number in the file. */
int file_read_u64(const char *path, uint64_t *ret);
/* One write(2) of the whole text to an existing file (O_WRONLY|O_CLOEXEC, no O_CREAT). */
int file_write(const char *path, const char *text);
int file_write_at(int dirfd, const char *name, const char *text);
/* Creates or replaces: temporary name beside it, then rename(2). */
int file_replace(const char *path, const void *data, size_t len, mode_t mode);
bool file_exists(const char *path);

#endif
