/*
 * failure: what a person is told when something went wrong: which stage, which object, why, and
 * what to do about it. Filled where the stage is known (vm/, run/), printed by the subcommand.
 */
#ifndef FAILURE_H
#define FAILURE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

struct failure {
	const char *stage;  /* static text: "the agent does not answer" */
	struct error error; /* object and cause */
	char advice[320];   /* what to do; empty = nothing to add */
	bool show_console;  /* the guest's last lines help */
	int exit_code;	    /* 0 = nothing failed */
};

/* Fills all but the console flag, exit code 125. The text goes to error (no errno). */
void failure_set(struct failure *failure, const char *stage, const char *advice, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
/* The same around an error that was made elsewhere. */
void failure_wrap(
	struct failure *failure, const char *stage, const char *advice, const struct error *err);
/* "cradle: STAGE: ERROR", then the advice on a line of its own. */
void failure_print(const struct failure *failure, FILE *to);

#endif
