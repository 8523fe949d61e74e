/* command_options: the loop of the subcommands' parsers, and its words for what is wrong. */
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(takes_options_anywhere_or_up_to_the_first_word),
	cmocka_unit_test(says_what_is_wrong),
};

TEST_MAIN(tests)
