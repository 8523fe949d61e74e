/*
 * diagnostic: a container's termination log, for GetDiagnosticData: the guest's side of the mount
 * whose destination an annotation names. The file is the workload's and may lie on the host's
 * share: it is read in a helper, at most DIAGNOSTIC_MAX bytes of it, only if it is a regular file,
 * and no link is followed at its end (c34).
 */
#ifndef SANDBOX_DIAGNOSTIC_H
#define SANDBOX_DIAGNOSTIC_H

#include <limits.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/helper_process.h"

struct container;

struct diagnostic_read {
	struct helper helper;
	char path[PATH_MAX];
	int memfd; /* what the helper has read */
};

/* done is the helper's (its result 0: ask diagnostic_take()). 0, or negative with err: no done. */
int diagnostic_start(const struct container *container, struct diagnostic_read *read,
	helper_done_fn done, struct error *err);
/* The text (in the arena), well-formed UTF-8; "" when there is no file. Ends the read. */
int diagnostic_take(
	struct diagnostic_read *read, struct arena *arena, char **ret, struct error *err);
/* Ends the read in any state but before diagnostic_start(). */
void diagnostic_cancel(struct diagnostic_read *read);

#endif
