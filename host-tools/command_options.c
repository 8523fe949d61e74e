/* command_options: getopt_long, with words of our own. */
#include "command_options.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "nearest.h"

void command_options_begin(void)
{
	opterr = 0;
	optind = 0; /* glibc: start over */
}

static void say_unknown(
	const struct command *command, const char *name, const struct option *options)
{
	struct nearest nearest;

	nearest_init(&nearest, name + strspn(name, "-"));
	for (const struct option *option = options; option->name; option++)
		nearest_offer(&nearest, option->name);
	if (nearest.best)
		command_usage_error(
			command, "unknown option '%s'; did you mean '--%s'?", name, nearest.best);
	else
		command_usage_error(command, "unknown option '%s'", name);
}

/* getopt sets optopt to a letter, or to the value of a long option that takes no argument. */
static void say_wrong(
	const struct command *command, const char *given, const struct option *options)
{
	char name[80];

	if (optopt && !str_starts(given, "--")) {
		command_usage_error(command, "unknown option '-%c'", optopt);
		return;
	}
	/* Only the name, without a value. */
	str_copy(name, sizeof(name), given);
	name[strcspn(name, "=")] = '\0';
	if (optopt)
		command_usage_error(command, "%s takes no value", name);
	else
		say_unknown(command, name, options);
}

int command_next_option(const struct command *command, int argc, char **argv, const char *letters,
	const struct option *options)
{
	char with_colon[32];
	int option;

	/* ':' in front, behind '+': a missing argument is told apart. */
	str_format(with_colon, sizeof(with_colon), "%s:%s", *letters == '+' ? "+" : "",
		letters + (*letters == '+'));
	optopt = 0;
	option = getopt_long(argc, argv, with_colon, options, NULL);
	if (option == ':')
		command_usage_error(command, "%s needs a value", argv[optind - 1]);
	else if (option == '?')
		say_wrong(command, argv[optind - 1], options);
	return option == ':' || option == '?' ? COMMAND_OPTION_WRONG : option;
}

/* The first row has this value, the next one more. */
#define FIRST_ROW 256

static size_t fill_table(const struct command_option *rows, struct option *table)
{
	size_t count = 0;

	for (; rows[count].name && count < COMMAND_OPTIONS_MAX; count++) {
		enum command_option_kind kind = rows[count].kind;

		table[count] = (struct option){.name = rows[count].name,
			.has_arg = kind == COMMAND_FLAG	       ? no_argument
				   : kind == COMMAND_MAY_VALUE ? optional_argument
							       : required_argument,
			.val = FIRST_ROW + (int)count};
	}
	table[count] = (struct option){0};
	return count;
}

static int take(const struct command_option *row, const char *value, void *options)
{
	void *place = (char *)options + row->offset;

	switch (row->kind) {
	case COMMAND_FLAG:
		*(bool *)place = true;
		return 0;
	case COMMAND_TEXT:
		*(const char **)place = value;
		return 0;
	case COMMAND_VALUE:
	case COMMAND_MAY_VALUE:
		break;
	}
	return row->take(value, options);
}

int command_take_options(const struct command *command, int argc, char **argv,
	const struct command_option *rows, void *options)
{
	struct option table[COMMAND_OPTIONS_MAX + 1];
	size_t count = fill_table(rows, table), row;
	int option, r = 0;

	command_options_begin();
	while (r == 0 && (option = command_next_option(command, argc, argv, "h", table)) != -1) {
		if (option == COMMAND_OPTION_WRONG)
			return EXIT_CRADLE_FAILED;
		row = (size_t)(option - FIRST_ROW);
		for (size_t i = 0; option == 'h' && i < count; i++) {
			if (str_eq(rows[i].name, "help"))
				row = i;
		}
		r = row < count ? take(&rows[row], optarg, options) : EXIT_CRADLE_FAILED;
	}
	return r;
}
