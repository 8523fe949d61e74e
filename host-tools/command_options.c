/* command_options: getopt_long, with words of our own. */
#include "command_options.h"

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
