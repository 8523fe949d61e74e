/* command_table: the rows of cradle's subcommands. A new subcommand adds one line here. */
#include "command_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct command *const command_table[] = {
	&run_command,
	&call_command,
	&size_command,
	&vm_command,
	&relay_command,
	&stats_command,
	&oom_command,
	NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *row = command_table; *row; row++) {
		if (strcmp((*row)->name, name) == 0)
			return *row;
	}
	return NULL;
}

void command_print_help(const struct command *command)
{
	fputs(command->help, stdout);
}

int command_usage_error(const struct command *command, const char *fmt, ...)
{
	const char *space = command ? " " : "", *name = command ? command->name : "";
	va_list args;

	fprintf(stderr, "cradle%s%s: ", space, name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry 'cradle%s%s --help'.\n", space, name);
	return EXIT_CRADLE_FAILED;
}
