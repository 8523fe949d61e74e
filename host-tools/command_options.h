/*
 * command_options: the loop over a subcommand's options: getopt_long, and the same words for every
 * wrong one. Used by the option parsers of the subcommands.
 */
#ifndef COMMAND_OPTIONS_H
#define COMMAND_OPTIONS_H

#include "command_table.h"

#include <getopt.h>

/* What command_next_option() returns beside -1 and the options' own values, which are above 0. */
#define COMMAND_OPTION_WRONG 0

/* Before the first: getopt starts over, also in a program that parsed before. */
void command_options_begin(void);
/*
 * The next option's value, its argument in optarg; -1: no more, the rest is from argv[optind] on.
 * COMMAND_OPTION_WRONG: what is wrong was said, with the nearest name of the table; the result of
 * the command is EXIT_CRADLE_FAILED. letters: as getopt's, without its ':' in front; "+" in front:
 * options end at the first word that is none.
 */
int command_next_option(const struct command *command, int argc, char **argv, const char *letters,
	const struct option *options);

#endif
