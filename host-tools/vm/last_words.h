/*
 * last_words: what a child says on its standard error, the end of it: it explains why the child is
 * gone. Used by vm.c for QEMU and by share_daemon.c for virtiofsd.
 */
#ifndef VM_LAST_WORDS_H
#define VM_LAST_WORDS_H

#include "base/error.h"
#include "base/event_loop.h"

#include <stddef.h>

#define LAST_WORDS_MAX 1024

/* Zeroed = nothing said, nobody listened to. Must not move while it listens. */
struct last_words {
	struct event_source source; /* its descriptor is owned */
	char text[LAST_WORDS_MAX];
	size_t len;
};

/* Takes *fd (the reading end) when it succeeds. name for errors: "QEMU's stderr of the VM". */
int last_words_listen(struct last_words *words, struct event_loop *loop, int *fd, const char *name,
	struct error *err);
/* The child has ended: reads what is still on its way. */
void last_words_drain(struct last_words *words);
void last_words_release(struct last_words *words); /* idempotent; the text stays */
/* Without a newline at the end, on one line, nothing unprintable. Returns out. */
const char *last_words_line(const struct last_words *words, char *out, size_t size);

#endif
