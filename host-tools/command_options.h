/*
 * command_options: the loop over a subcommand's options: getopt_long, and the same words for every
 * wrong one. Used by the option parsers of the subcommands.
 */
#ifndef COMMAND_OPTIONS_H
#define COMMAND_OPTIONS_H

#include "command_table.h"

#include <getopt.h>
#include <stddef.h>

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

/* ---- subcommands whose options are words with a place in one struct ---- */

enum command_option_kind {
	COMMAND_FLAG,	  /* bool at offset becomes true */
	COMMAND_TEXT,	  /* const char * at offset becomes the value */
	COMMAND_VALUE,	  /* take() gets the value */
	COMMAND_MAY_VALUE /* take() gets the value, or NULL */
};

struct command_option {
	const char *name; /* without "--"; NULL ends the table */
	enum command_option_kind kind;
	size_t offset;
	/* 0, or the exit code: what is wrong was said. */
	int (*take)(const char *value, void *options);
};

#define COMMAND_OPTIONS_MAX 15

/*
 * All options of argv into *options, by a table of COMMAND_OPTIONS_MAX at most; "help" may be -h as
 * well. 0, and the other words are from argv[optind] on; or the exit code: what is wrong was said.
 */
int command_take_options(const struct command *command, int argc, char **argv,
	const struct command_option *table, void *options);

#endif
