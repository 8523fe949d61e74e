/* command_options: the loop of the subcommands' parsers, and its words for what is wrong. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "command_options.h"
#include "lib/test_main.h"

static const struct option table[] = {
	{"listen", required_argument, NULL, 'l'},
	{"json", no_argument, NULL, 256},
	{"watch", optional_argument, NULL, 257},
	{NULL, 0, NULL, 0},
};

static char said[1024], found[256];
static int rest; /* words behind the options */

/* Parses the words of a line; what was found is written as "VALUE=ARGUMENT " each. */
static int parse(const char *letters, const char *line)
{
	static char copy[256];
	char name[] = "prog", *argv[16] = {name}, *at = copy, *word;
	int argc = 1, option, saved = dup(2), fds[2];
	ssize_t n;

	str_copy(copy, sizeof(copy), line);
	while ((word = strsep(&at, " ")))
		argv[argc++] = word;
	found[0] = '\0';
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], 2);
	command_options_begin();
	while ((option = command_next_option(&size_command, argc, argv, letters, table)) > 0) {
		size_t len = strlen(found);

		str_format(found + len, sizeof(found) - len, "%d=%s ", option, optarg ?: "");
	}
	dup2(saved, 2);
	close(saved);
	close(fds[1]);
	n = read(fds[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	rest = argc - optind;
	return option;
}

static void takes_options_anywhere_or_up_to_the_first_word(void **state)
{
	assert_int_equal(parse("h", "a --listen x --json b --watch -h --watch=2"), -1);
	assert_string_equal(found, "108=x 256= 257= 104= 257=2 ");
	assert_int_equal(rest, 2);
	assert_int_equal(parse("+h", "--listen=x a --json"), -1);
	assert_string_equal(found, "108=x ");
	assert_int_equal(rest, 2);
	assert_int_equal(parse("h", "--json -- --nothing"), -1);
	assert_int_equal(rest, 1);
}

static void refuse(const char *line, const char *words)
{
	assert_int_equal(parse("hv:", line), COMMAND_OPTION_WRONG);
	if (!strstr(said, words) || !strstr(said, "Try 'cradle size --help'."))
		fail_msg("'%s' said: %s", line, said);
}

static void says_what_is_wrong(void **state)
{
	refuse("--lisetn=x", "cradle size: unknown option '--lisetn'; did you mean '--listen'?");
	refuse("a --frobnicate", "unknown option '--frobnicate'\n");
	refuse("a --listen", "--listen needs a value");
	refuse("a -v", "-v needs a value");
	refuse("--json=1 a", "--json takes no value");
	refuse("-hx", "unknown option '-x'");
	refuse("-x a", "unknown option '-x'");
}

/* ---- a table of places in a struct ---- */

static struct places {
	const char *text;
	bool flag, help;
	char taken[64];
} places;

static int take_it(const char *value, void *context)
{
	struct places *to = context;

	assert_ptr_equal(to, &places);
	str_format(to->taken, sizeof(to->taken), "<%s>", value ?: "none");
	return str_eq(value, "bad") ? 77 : 0;
}

static const struct command_option rows[] = {
	{"text", COMMAND_TEXT, offsetof(struct places, text)},
	{"flag", COMMAND_FLAG, offsetof(struct places, flag)},
	{"value", COMMAND_VALUE, .take = take_it},
	{"maybe", COMMAND_MAY_VALUE, .take = take_it},
	{"help", COMMAND_FLAG, offsetof(struct places, help)},
	{NULL},
};

static int take_line(const char *line)
{
	static char copy[256];
	char name[] = "prog", *argv[16] = {name}, *at = copy, *word;
	int argc = 1, r, saved = dup(2), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	memset(&places, 0, sizeof(places));
	str_copy(copy, sizeof(copy), line);
	while ((word = strsep(&at, " ")))
		argv[argc++] = word;
	dup2(null, 2);
	r = command_take_options(&size_command, argc, argv, rows, &places);
	dup2(saved, 2);
	close(saved);
	close(null);
	rest = argc - optind;
	return r;
}

static void options_find_their_places(void **state)
{
	assert_int_equal(take_line("word --text t --flag more --value v"), 0);
	assert_string_equal(places.text, "t");
	assert_true(places.flag && !places.help);
	assert_string_equal(places.taken, "<v>");
	assert_int_equal(rest, 2);
	assert_int_equal(take_line("--maybe word"), 0);
	assert_string_equal(places.taken, "<none>");
	assert_int_equal(take_line("--maybe=3"), 0);
	assert_string_equal(places.taken, "<3>");
	assert_int_equal(take_line("-h"), 0);
	assert_true(places.help && !places.flag);
	assert_int_equal(take_line("--help"), 0);
	assert_true(places.help);
	/* A refusal ends it with its own code; what is no option with the usual one. */
	assert_int_equal(take_line("--value bad --flag"), 77);
	assert_false(places.flag);
	assert_int_equal(take_line("--texts t"), EXIT_CRADLE_FAILED);
	assert_int_equal(take_line("--text"), EXIT_CRADLE_FAILED);
	assert_int_equal(take_line("-x"), EXIT_CRADLE_FAILED);
	assert_int_equal(take_line("--flag=1"), EXIT_CRADLE_FAILED);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(options_find_their_places),
	cmocka_unit_test(takes_options_anywhere_or_up_to_the_first_word),
	cmocka_unit_test(says_what_is_wrong),
};

TEST_MAIN(tests)
