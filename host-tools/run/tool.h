/* tool: run another program to its end and learn what it complained about. */
#ifndef RUN_TOOL_H
#define RUN_TOOL_H

#include "base/error.h"

/*
 * Runs argv (found on PATH), its standard input /dev/null, its output thrown away. SLEEPS until it
 * ended; it dies with us. 0, or negative errno: err names what (the step), the exit code and the
 * program's last complaint, or the package that is missing. Needs child_reaper_init().
 */
int tool_run(const char *what, const char *const *argv, struct error *err);

#endif
