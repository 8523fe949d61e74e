/*
 * terminal: our own terminal while a container uses it: raw, so that every key reaches the
 * container, and as it was again on every way out. A guard process holds the old modes: when we die
 * without a word (SIGKILL, a crash), the end of a pipe tells it, and it puts them back.
 */
#ifndef RUN_TERMINAL_H
#define RUN_TERMINAL_H

#include "base/child_process.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct terminal {
	int fd; /* not owned */
	bool raw;
	struct termios before, during;
	struct child_process guard;
	int guard_fd; /* a byte: go home; its end: we are dead */
};

/* false when fd is no terminal, or one without a size (a serial line). */
bool terminal_size(int fd, uint16_t *rows, uint16_t *columns);
/* fd must be a terminal. Typed ahead is kept. 0, or negative errno with err and nothing changed. */
int terminal_make_raw(struct terminal *terminal, int fd, struct error *err);
/* Raw again: somebody (a shell, at fg) has changed the modes meanwhile. */
void terminal_renew(struct terminal *terminal);
void terminal_restore(struct terminal *terminal); /* idempotent, accepts zeroed */

#endif
