/*
 * copy_file: CopyFile: what a host without a shared file system puts below
 * RUN_DIRECTORY/shared/containers: files in pieces, directories, symbolic links. Contract:
 * agent-api-guest.md ("CopyFile"), sharp edge g24 of it.
 *
 * Every name is resolved below that folder and no link is followed on the way, at its end neither.
 * A file grows under a hidden name of its own in its folder and takes its place, in one step, when
 * it is whole: until then the old one is there. The writing is a helper's (a disk or the host's
 * share may be below it). Called by service/.
 */
#ifndef SANDBOX_COPY_FILE_H
#define SANDBOX_COPY_FILE_H

#include "base/error.h"
#include "base/helper_process.h"

#include "agent.pb-c.h"

struct sandbox;

struct file_copy {
	struct helper helper;
	const struct sandbox *sandbox;
	const Grpc__CopyFileRequest *request; /* the caller's; lives until done or cancelled */
};

/*
 * done is the helper's. 0, or negative with err: then done never runs. helper_cancel() ends it; the
 * piece that was under way may be there in part, the file itself is not.
 */
int file_copy_start(
	struct sandbox *sandbox, struct file_copy *copy, helper_done_fn done, struct error *err);
/* The work, for the helper and for tests: MAY SLEEP. */
int file_copy_run(const char *directory, const Grpc__CopyFileRequest *request, struct error *err);

#endif
