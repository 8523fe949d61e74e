/*
 * buffer: growable bytes with a hard maximum. Invariant: data[0..len) is valid, cap >= len, and
 * when cap > 0 data[len] is '\0' (so text can be read as a string). Never sleeps.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *data; /* owned */
	size_t len, cap;
	size_t max; /* 0 = no limit but SIZE_MAX */
};

void buffer_init(struct buffer *buf, size_t max);
void buffer_release(struct buffer *buf); /* frees, leaves an empty buffer with the same max */
void buffer_clear(struct buffer *buf);	 /* len = 0, keeps memory */
/* 0, or -EMSGSIZE past max, or -ENOMEM; nothing appended on failure. */
int buffer_append(struct buffer *buf, const void *data, size_t len);
int buffer_printf(struct buffer *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for len more bytes; returns where to write them (then add to len), NULL on failure. */
uint8_t *buffer_reserve(struct buffer *buf, size_t len);
/* Makes room only: 0, -EMSGSIZE or -ENOMEM. */
int buffer_grow(struct buffer *buf, size_t len);
/* For who fills all of it: len is longer already, the bytes returned are not set. NULL on failure.
 */
uint8_t *buffer_extend(struct buffer *buf, size_t len);
/* Drops len bytes from the front. */
void buffer_consume(struct buffer *buf, size_t len);
/* The bytes as a string that the caller frees; the buffer is left empty. NULL on no memory. */
char *buffer_steal(struct buffer *buf);

#endif
