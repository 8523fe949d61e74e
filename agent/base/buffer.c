/* buffer: growable bytes with a hard maximum. Used by connections, readers of files and tools. */
#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_MIN 64

void buffer_init(struct buffer *buf, size_t max)
{
	*buf = (struct buffer){.max = max};
}

void buffer_release(struct buffer *buf)
{
	free(buf->data);
	buffer_init(buf, buf->max);
}

void buffer_clear(struct buffer *buf)
{
	buf->len = 0;
	if (buf->cap)
		buf->data[0] = '\0';
}

/* Makes cap >= len + more; one byte beyond cap holds the NUL. */
int buffer_grow(struct buffer *buf, size_t more)
{
	size_t max = buf->max ? buf->max : SIZE_MAX - 1;
	size_t want, cap;
	uint8_t *data;

	if (buf->len > max || more > max - buf->len)
		return -EMSGSIZE;
	want = buf->len + more;
	if (want <= buf->cap)
		return 0;
	cap = buf->cap > max / 2 ? max : buf->cap * 2;
	if (cap < BUFFER_MIN)
		cap = BUFFER_MIN < max ? BUFFER_MIN : max;
	if (cap < want)
		cap = want;
	data = realloc(buf->data, cap + 1);
	if (!data)
		return -ENOMEM;
	data[buf->len] = '\0';
	buf->data = data;
	buf->cap = cap;
	return 0;
}

int buffer_append(struct buffer *buf, const void *data, size_t len)
{
	int r = buffer_grow(buf, len);

	if (r < 0)
		return r;
	if (len == 0)
		return 0;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

int buffer_printf(struct buffer *buf, const char *fmt, ...)
{
	va_list ap;
	int len, r;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -EINVAL;
	r = buffer_grow(buf, (size_t)len);
	if (r < 0 || len == 0)
		return r;
	va_start(ap, fmt);
	vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)len;
	return 0;
}

/* Zeroed, so that data[len] is NUL however much of it the caller then adds to len. */
uint8_t *buffer_reserve(struct buffer *buf, size_t len)
{
	if (buffer_grow(buf, len ? len : 1) < 0)
		return NULL;
	return memset(buf->data + buf->len, 0, len + 1);
}

uint8_t *buffer_extend(struct buffer *buf, size_t len)
{
	uint8_t *room;

	if (buffer_grow(buf, len ? len : 1) < 0)
		return NULL;
	room = buf->data + buf->len;
	room[len] = '\0';
	buf->len += len;
	return room;
}

void buffer_consume(struct buffer *buf, size_t len)
{
	if (len >= buf->len) {
		buffer_clear(buf);
		return;
	}
	buf->len -= len;
	memmove(buf->data, buf->data + len, buf->len + 1);
}

char *buffer_steal(struct buffer *buf)
{
	char *text = buf->cap ? (char *)buf->data : calloc(1, 1);

	if (text)
		buffer_init(buf, buf->max);
	return text;
}
