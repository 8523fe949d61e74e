/* console: lines, control characters, the ring, a panic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test_main.h"
#include "vm/console.h"

static void feed(struct console *console, const char *text)
{
	console_feed(console, text, strlen(text));
}

/* The tail as one string; the caller frees. */
static char *tail(const struct console *console, unsigned most)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	console_print_tail(console, most, "> ", to);
	fclose(to);
	return text;
}

static void expect_tail(const struct console *console, unsigned most, const char *want)
{
	char *got = tail(console, most);

	assert_string_equal(got, want);
	free(got);
}

static void keeps_lines_and_cleans_them(void **state)
{
	struct console console;

	console_init(&console);
	feed(&console, "\x1b[31mred\x1b[0m line\r\n\r\nbell\a tab\tend\nhalf");
	expect_tail(&console, 10, "> red line\n> bell? tab end\n> half\n");
	expect_tail(&console, 1, "> bell? tab end\n> half\n");
	feed(&console, " whole\xff\n");
	expect_tail(&console, 1, "> half whole?\n");
}

static void keeps_only_the_last(void **state)
{
	struct console console;
	char text[32];

	console_init(&console);
	for (int i = 0; i < 3 * CONSOLE_LINES; i++) {
		snprintf(text, sizeof(text), "line %d\n", i);
		feed(&console, text);
	}
	assert_int_equal(console.count, CONSOLE_LINES);
	snprintf(text, sizeof(text), "> line %d\n", 3 * CONSOLE_LINES - 1);
	expect_tail(&console, 1, text);
}

static void bounds_a_line_without_end(void **state)
{
	struct console console;

	console_init(&console);
	for (int i = 0; i < 100000; i++)
		feed(&console, "x");
	assert_int_equal(console.bytes, 100000);
	assert_int_equal(strlen(console.lines[console.first]), CONSOLE_LINE_MAX - 1);
}

static void recognises_a_panic_split_anywhere(void **state)
{
	static const char text[] =
		"[    1.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0100\n"
		"[    1.3] Kernel panic - not syncing: second\n";

	for (size_t cut = 0; cut < strlen(text); cut++) {
		struct console console;

		console_init(&console);
		console_feed(&console, text, cut);
		console_feed(&console, text + cut, strlen(text) - cut);
		assert_string_equal(console.panic, "Attempted to kill init! exitcode=0x0100");
		/* Its consequences do not push out what led to it. */
		assert_int_equal(console.count, 1);
	}
}

static void hears_the_agents_last_word(void **state)
{
	char text[1000];
	struct console console;

	console_init(&console);
	feed(&console, "{\"msg\":\"all is well\",\"level\":\"INFO\"}\n");
	assert_string_equal(console.complaint, "");
	feed(&console, "{\"msg\":\"mount /proc: EPERM\",\"level\":\"CRIT\",\"pid\":\"1\"}\n");
	assert_string_equal(console.complaint, "mount /proc: EPERM");
	feed(&console, "{\"msg\":\"m\",\"level\":\"CRIT\",\"error\":\"socket: E\"}\n");
	assert_string_equal(console.complaint, "m: socket: E");
	/* A line that was cut, and one that fills all. */
	feed(&console, "{\"msg\":\"m\",\"level\":\"CRIT\",\"error\":\"half\n");
	assert_string_equal(console.complaint, "m: half");
	memset(text, 'x', sizeof(text));
	memcpy(text, "\"level\":\"CRIT\" \"error\":\"e\" \"msg\":\"", 34);
	console_feed(&console, text, sizeof(text));
	feed(&console, "\n");
	assert_true(strlen(console.complaint) < sizeof(console.complaint));
}

static void remembers_why_init_did_not_start(void **state)
{
	struct console console;

	console_init(&console);
	feed(&console, "[ 1.2] Failed to execute /init (error -8)\n");
	assert_int_equal(console.init_error, 8);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(keeps_lines_and_cleans_them),
	cmocka_unit_test(keeps_only_the_last),
	cmocka_unit_test(bounds_a_line_without_end),
	cmocka_unit_test(recognises_a_panic_split_anywhere),
	cmocka_unit_test(hears_the_agents_last_word),
	cmocka_unit_test(remembers_why_init_did_not_start),
};

TEST_MAIN(tests)
