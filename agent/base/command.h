/*
 * command: run a program to its end, with a deadline, keeping the end of what it prints. SLEEPS, so
 * for children only (a helper, a container's first process), never in the loop: it waits for its
 * child itself, past child_process.
 */
#ifndef BASE_COMMAND_H
#define BASE_COMMAND_H

#include "base/error.h"

struct command {
	const char *path;  /* absolute; no search */
	char *const *args; /* NULL-terminated, with argv[0] */
	char *const *env;  /* NULL-terminated: all of its environment */
	int input;	   /* its standard input; -1 = /dev/null */
	unsigned timeout_s;
	/* Filled: the last of standard output and error, as one line without control characters. */
	char output[256];
	/* Over 2: standard output goes there alone, and not to output. */
	int stdout_fd;
};

/*
 * 0 when it exited with 0; otherwise negative errno and "exit code 3: what it printed" or the like.
 * Every descriptor over 2 is closed in it. It is over when it has exited, whoever still holds its
 * output; it is killed with its process group at its deadline, and when the caller dies.
 */
int command_run(struct command *command, struct error *err);

/*
 * For a helper before it runs a program that is not ours: the agent's protection from the OOM
 * killer is not inherited. Not for a container's own child, which has its container's score by
 * then.
 */
void command_unprotect(void);

#endif
