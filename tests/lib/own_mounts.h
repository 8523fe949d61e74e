/* own_mounts: a mount namespace of the test's own, so that what it mounts ends with it. */
#ifndef TESTS_LIB_OWN_MOUNTS_H
#define TESTS_LIB_OWN_MOUNTS_H

#include <stdbool.h>

/*
 * Enters a private mount namespace; an ordinary user gets a user namespace with it, in which it is
 * root. Call it first in main. Failure ends the test program with a message.
 */
void own_mounts(void);
/* True when group and user ids other than 0 exist here (not in that user namespace). */
bool own_mounts_all_ids(void);
/* Lines of /proc/self/mountinfo. */
int own_mounts_count(void);
/*
 * Options of the topmost mount at exactly this path: "MOUNT-OPTIONS FSTYPE SOURCE SUPER-OPTIONS" in
 * a static buffer, or NULL when nothing is mounted there. Reads mountinfo by itself.
 */
const char *own_mounts_at(const char *path);

#endif
