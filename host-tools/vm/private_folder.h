/*
 * private_folder: a temporary folder of one process, for sockets. A lock on it tells the living
 * from the dead: what a killed cradle left behind is removed by the next one that makes a folder.
 */
#ifndef VM_PRIVATE_FOLDER_H
#define VM_PRIVATE_FOLDER_H

#include "base/error.h"

#define PRIVATE_FOLDER_MAX 80 /* a socket's path must fit into 108 bytes (unix(7)) */

struct private_folder {
	char path[PRIVATE_FOLDER_MAX]; /* empty = none */
	int lock_fd;		       /* owned while there is a path */
};

/*
 * In $XDG_RUNTIME_DIR, or /tmp where that cannot be used; mode 0700. Removes leftovers of this user
 * there. 0 or negative errno with err.
 */
int private_folder_make(struct private_folder *folder, struct error *err);
void private_folder_remove(struct private_folder *folder); /* idempotent, accepts zeroed */

#endif
