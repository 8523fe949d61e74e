/*
 * arena: memory that lives and dies together, with a budget.
 *
 * Every call owns one: its decoded request, its response and what handlers derive from them. The
 * budget bounds what a peer can make us allocate (hard_limits.h). Never sleeps.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first; owned */
	size_t used;		    /* bytes taken from the budget, chunk headers included */
	size_t budget;		    /* hard maximum of used */
};

void arena_init(struct arena *arena, size_t budget);
/* Frees everything; the arena may be used again with the same budget. Accepts a zeroed arena. */
void arena_release(struct arena *arena);
/* Moves all memory from one arena to another, which must be empty; from is left empty. */
void arena_move(struct arena *to, struct arena *from);

/* 16-byte aligned, NOT zeroed. NULL when the budget or the memory is used up. */
void *arena_alloc(struct arena *arena, size_t size);
/* Zeroed; checks count * size for overflow. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);
char *arena_strdup(struct arena *arena, const char *s);
char *arena_strndup(struct arena *arena, const char *s, size_t n);
void *arena_memdup(struct arena *arena, const void *p, size_t n);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
