/*
 * console: what the guest's console said. Keeps the last lines (bounded, cleaned of control
 * characters: the guest is not trusted with our terminal) and recognises a kernel panic. Pure:
 * bytes are fed by vm.c.
 */
#ifndef VM_CONSOLE_H
#define VM_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONSOLE_LINES	 32
#define CONSOLE_LINE_MAX 240

struct console {
	char lines[CONSOLE_LINES][CONSOLE_LINE_MAX]; /* a ring of finished lines */
	unsigned first, count;
	char partial[CONSOLE_LINE_MAX]; /* the line being received */
	size_t partial_len;
	int escape;	     /* inside a terminal control sequence */
	uint64_t bytes;	     /* received so far */
	char panic[160];     /* text after "Kernel panic - not syncing: ", empty = none */
	char complaint[240]; /* the agent's last line of level CRIT: message and error */
	int init_error;	     /* errno with which the kernel could not start the initrd's /init */
	void (*on_line)(void *context, const char *line); /* may be NULL: every finished line */
	void *context;
};

void console_init(struct console *console);
void console_feed(struct console *console, const void *data, size_t len);
/* The last `most` lines, oldest first, each after prefix; the unfinished one included. */
void console_print_tail(const struct console *console, unsigned most, const char *prefix, FILE *to);

#endif
