/*
 * scratch: a folder of the test's own, gone when the program ends (by exit, or by the next call of
 * scratch_remove()). Any failure here ends the test program with a message.
 */
#ifndef TESTS_LIB_SCRATCH_H
#define TESTS_LIB_SCRATCH_H

#include <stddef.h>

/* The folder, made at first use. */
const char *scratch_dir(void);
/* "folder/name" by printf format; one of eight static buffers in turn. */
const char *scratch_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Makes a file (and the folders above it) with this text. Returns its path as scratch_path() does.
 */
const char *scratch_file(const char *name, const char *text);
const char *scratch_mkdir(const char *name);
/* Removes the folder and all below, without the code under test (which has its own ideas). */
void scratch_remove(void);

#endif
