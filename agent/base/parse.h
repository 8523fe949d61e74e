/*
 * parse: text to numbers, strictly: the whole text, no blanks, no sign where none belongs. 0 or
 * -EINVAL (not a number), -ERANGE (does not fit); *ret untouched on failure.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int parse_u64(const char *s, uint64_t *ret);
int parse_i64(const char *s, int64_t *ret);
int parse_u64_base(const char *s, int base, uint64_t *ret);
int parse_u32(const char *s, uint32_t *ret);
/* 1024, 64K, 256M, 1G, 2T with optional "iB"/"B": powers of 1024. Bytes. */
int parse_size(const char *s, uint64_t *ret);
/* "1.5", "2", "0.25" -> millionths (1500000); at most six decimals. */
int parse_decimal_micro(const char *s, uint64_t *ret);
/* "true"/"false" or an unsigned integer (non-zero is true). */
int parse_bool(const char *s, bool *ret);

/*
 * The number after `key` in text of "key number\n" lines (memory.events, memory.stat, vmstat);
 * -ENOENT when the key is not there. The key must be the whole word at a line's start.
 */
int parse_keyed_u64(const char *text, const char *key, uint64_t *ret);
/*
 * One line "word number", without its newline at end: the word's length, 0 when it is no such line.
 * By hand: a statistics answer has sixty, and sscanf(3) takes 20 times as long.
 */
size_t parse_word_u64(const char *line, const char *end, uint64_t *ret);

#endif
