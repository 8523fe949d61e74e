/* console: lines of the guest's console, kept in a ring, control characters removed. */
#include "vm/console.h"

#include <stdlib.h>
#include <string.h>

#include "base/strings.h"

enum { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_CSI };

void console_init(struct console *console)
{
	memset(console, 0, sizeof(*console));
}

static void copy_upto(char *out, size_t size, const char *from, const char *stops)
{
	size_t len = strcspn(from, stops);

	if (len >= size)
		len = size - 1;
	memcpy(out, from, len);
	out[len] = '\0';
}

/* A panic is remembered by its first line: what follows are its consequences. */
static void look_for_panic(struct console *console, const char *line)
{
	static const char mark[] = "Kernel panic - not syncing: ";
	const char *at = strstr(line, mark);

	if (at && !console->panic[0])
		copy_upto(console->panic, sizeof(console->panic), at + sizeof(mark) - 1, "");
}

/* The agent logs JSON objects; CRIT is its last word before it gives up (agent's base/log.h). */
static void look_for_complaint(struct console *console, const char *line)
{
	static const char message[] = "\"msg\":\"", error[] = "\"error\":\"";
	const char *at = strstr(line, message);
	char *out = console->complaint;
	size_t len;

	if (!at || !strstr(line, "\"level\":\"CRIT\""))
		return;
	copy_upto(out, sizeof(console->complaint), at + strlen(message), "\"");
	at = strstr(line, error);
	len = strlen(out);
	if (!at || len + 3 > sizeof(console->complaint))
		return;
	memcpy(out + len, ": ", 2);
	copy_upto(out + len + 2, sizeof(console->complaint) - len - 2, at + strlen(error), "\"");
}

static void look_for_init_error(struct console *console, const char *line)
{
	static const char mark[] = "Failed to execute /init (error -";
	const char *at = strstr(line, mark);

	if (at)
		console->init_error = (int)(strtoul(at + strlen(mark), NULL, 10) & 0xfff);
}

static void finish_line(struct console *console)
{
	char *line;

	console->partial[console->partial_len] = '\0';
	if (console->partial_len == 0)
		return;
	if (console->panic[0]) {
		/* What led to the panic is worth more than the registers that follow it. */
		if (console->on_line)
			console->on_line(console->context, console->partial);
		console->partial_len = 0;
		return;
	}
	if (console->count == CONSOLE_LINES) {
		console->first = (console->first + 1) % CONSOLE_LINES;
		console->count--;
	}
	line = console->lines[(console->first + console->count++) % CONSOLE_LINES];
	memcpy(line, console->partial, console->partial_len + 1);
	console->partial_len = 0;
	look_for_panic(console, line);
	look_for_complaint(console, line);
	look_for_init_error(console, line);
	if (console->on_line)
		console->on_line(console->context, line);
}

/* True when the character belongs to a control sequence (ESC [ ... final byte: ECMA-48). */
static bool skip_escape(struct console *console, unsigned char c)
{
	if (c == 0x1b) {
		console->escape = ESCAPE_BEGUN;
		return true;
	}
	if (console->escape == ESCAPE_BEGUN) {
		console->escape = c == '[' ? ESCAPE_CSI : ESCAPE_NONE;
		return true;
	}
	if (console->escape == ESCAPE_CSI) {
		if (c >= 0x40 && c <= 0x7e)
			console->escape = ESCAPE_NONE;
		return true;
	}
	return false;
}

void console_feed(struct console *console, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	console->bytes += len;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = bytes[i];

		if (c == '\n') {
			console->escape = ESCAPE_NONE;
			finish_line(console);
			continue;
		}
		if (c == '\r' || skip_escape(console, c))
			continue;
		if (console->partial_len == CONSOLE_LINE_MAX - 1)
			finish_line(console);
		if (c == '\t')
			c = ' ';
		console->partial[console->partial_len++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
}

void console_print_tail(const struct console *console, unsigned most, const char *prefix, FILE *to)
{
	unsigned skip = console->count > most ? console->count - most : 0;

	for (unsigned i = skip; i < console->count; i++)
		fprintf(to, "%s%s\n", prefix, console->lines[(console->first + i) % CONSOLE_LINES]);
	if (console->partial_len)
		fprintf(to, "%s%.*s\n", prefix, (int)console->partial_len, console->partial);
}
