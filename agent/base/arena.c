/*
 * arena: bump allocation in chunks that grow with use, bounded by a budget. Owned by calls and by
 * whatever takes a call's arena along.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16
#define CHUNK_MIN 1024
#define CHUNK_MAX (32 * 1024)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used; /* of data */
	_Alignas(ALIGNMENT) unsigned char data[];
};

_Static_assert(sizeof(struct arena_chunk) % ALIGNMENT == 0, "data must start aligned");

void arena_init(struct arena *arena, size_t budget)
{
	*arena = (struct arena){.budget = budget};
}

void arena_release(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunks;

	while (chunk) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	arena->chunks = NULL;
	arena->used = 0;
}

void arena_move(struct arena *to, struct arena *from)
{
	*to = *from;
	from->chunks = NULL;
	from->used = 0;
}

/* Size of the next chunk: what is needed, or more when the budget has it. 0 = over budget. */
static size_t next_chunk_size(const struct arena *arena, size_t need)
{
	size_t left = arena->budget - arena->used;
	size_t size = arena->used < CHUNK_MIN ? CHUNK_MIN : arena->used;

	if (left < sizeof(struct arena_chunk) || need > left - sizeof(struct arena_chunk))
		return 0;
	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	size -= sizeof(struct arena_chunk);
	if (size > left - sizeof(struct arena_chunk))
		size = need;
	return size > need ? size : need;
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t need)
{
	size_t size = next_chunk_size(arena, need);
	struct arena_chunk *chunk, *newest = arena->chunks;

	if (size == 0)
		return NULL;
	chunk = malloc(sizeof(*chunk) + size);
	if (!chunk)
		return NULL;
	arena->used += sizeof(*chunk) + size;
	chunk->size = size;
	chunk->used = 0;
	/* A chunk that is filled at once goes behind the newest, whose room stays in use. */
	if (newest && size == need) {
		chunk->next = newest->next;
		newest->next = chunk;
	} else {
		chunk->next = newest;
		arena->chunks = chunk;
	}
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	void *p;

	if (size > SIZE_MAX - ALIGNMENT)
		return NULL;
	size = size ? (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;
	if (!chunk || chunk->size - chunk->used < size)
		chunk = add_chunk(arena, size);
	if (!chunk)
		return NULL;
	p = chunk->data + chunk->used;
	chunk->used += size;
	return p;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	p = arena_alloc(arena, total);
	return p ? memset(p, 0, total) : NULL;
}

char *arena_strndup(struct arena *arena, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = arena_alloc(arena, len + 1);

	if (!p)
		return NULL;
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *arena_strdup(struct arena *arena, const char *s)
{
	return arena_strndup(arena, s, strlen(s));
}

void *arena_memdup(struct arena *arena, const void *data, size_t n)
{
	void *p = arena_alloc(arena, n);

	if (p && n)
		memcpy(p, data, n);
	return p;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	p = arena_alloc(arena, (size_t)len + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return p;
}
