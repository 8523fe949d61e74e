/* strings: small pure helpers on text. None allocates unless it says so; none sleeps. */
#ifndef BASE_STRINGS_H
#define BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_empty(const char *s); /* NULL or "" */
bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Copies with cut; always ends in NUL. Returns 0, or -ENAMETOOLONG when it was cut. */
int str_copy(char *out, size_t size, const char *s);
/* snprintf that says when it was cut: length, or -ENAMETOOLONG. */
int str_format(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool utf8_valid(const void *data, size_t len);
/* Length (1 to 4) of the well-formed character that data starts with; 0 when it does not. */
size_t utf8_step(const void *data, size_t len);
/*
 * Copies data as text: every byte that is no well-formed UTF-8, and NUL, becomes U+FFFD. Whole
 * characters only, as far as they fit; always ends in NUL. Returns the length.
 */
size_t utf8_replace(char *out, size_t size, const void *data, size_t len);

#endif
