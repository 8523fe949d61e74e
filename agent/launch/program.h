/*
 * program: finds the program inside the container and completes its environment. Called by
 * launch_child after the working directory is entered and the user is set. May sleep (the image).
 */
#ifndef LAUNCH_PROGRAM_H
#define LAUNCH_PROGRAM_H

#include "base/error.h"
#include "launch/launch_plan_types.h"

#include <limits.h>

struct program {
	char path[PATH_MAX];
	char home[PATH_MAX]; /* "HOME=..." when the environment has none */
};

/*
 * Looks for args[0]: as a path when it has a slash, else in PATH of the environment. Fails with
 * "the file X was not found" (callers match it). Adds HOME by uid from /etc/passwd, else "/", to
 * plan->env's spare slot.
 */
int program_prepare(const struct launch_plan *plan, struct program *program, struct error *err);
/* execve(2); returns only on failure, with err saying why as well as can be told. */
int program_exec(const struct launch_plan *plan, const struct program *program, struct error *err);

#endif
