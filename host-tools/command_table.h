/*
 * command_table: the subcommands of cradle, one flat table. A subcommand is one row here and one
 * file that exports it (run/run.c: run_command). main.c looks names up; the subcommands use the
 * helpers below, so that all of them answer wrong arguments in the same way.
 */
#ifndef COMMAND_TABLE_H
#define COMMAND_TABLE_H

#include <stddef.h>

/* Exit codes of cradle itself, as Docker and its relatives use them. */
#define EXIT_CRADLE_FAILED  125 /* cradle, the VM or the agent failed, or wrong arguments */
#define EXIT_NOT_EXECUTABLE 126 /* the container's command is there but cannot be executed */
#define EXIT_NOT_FOUND	    127 /* the container's command is not in the image */

struct command {
	const char *name;
	const char *summary; /* one line, no full stop: shown by cradle --help */
	const char *help;    /* the whole text of cradle NAME --help, ends in a newline */
	/* argv[0] is the subcommand's name; the result is the exit code. */
	int (*main)(int argc, char **argv);
};

/* Every row, in the order of --help, ended by NULL. */
extern const struct command *const command_table[];

/* NULL when there is no such subcommand. */
const struct command *command_find(const char *name);
/* cradle NAME --help, on stdout. */
void command_print_help(const struct command *command);
/*
 * Says on stderr what is wrong with the arguments and how to get help. Returns EXIT_CRADLE_FAILED,
 * so that `return command_usage_error(...)` is the usual form. command NULL: cradle itself.
 */
int command_usage_error(const struct command *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The rows, each exported by its own file. */
extern const struct command run_command;   /* run/run.c */
extern const struct command call_command;  /* call/call.c */
extern const struct command stats_command; /* stats/stats.c */
extern const struct command oom_command;   /* oom/oom.c */
extern const struct command size_command;  /* size/size.c */
extern const struct command vm_command;	   /* vms/vms.c */
extern const struct command relay_command; /* relay/relay.c */

#endif
