/*
 * child_fds: the descriptors of a launch's child, which starts with copies of all of the agent's.
 * Called by launch_child. Nothing sleeps; 0 or negative errno with err filled.
 */
#ifndef LAUNCH_CHILD_FDS_H
#define LAUNCH_CHILD_FDS_H

#include "launch/launch_child.h"

/*
 * Closes all but what child names, which moves out of the way of 0, 1 and 2. A pipe end kept here,
 * while the child waits for its start, would keep another container's reader from its end of file.
 */
int child_fds_keep_only(struct launch_child *child, struct error *err);
/* Puts the standard streams in place (-1: /dev/null) and closes what they came from. */
int child_fds_open_streams(struct launch_child *child, struct error *err);
/*
 * Only 0, 1, 2, the sync socket and the filter stay, the last two close-on-exec: nothing else
 * reaches the program even if somebody forgot a flag.
 */
int child_fds_close_for_exec(struct launch_child *child, struct error *err);

#endif
