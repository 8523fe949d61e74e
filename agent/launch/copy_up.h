/*
 * copy_up: fills a new tmpfs with what the image has where it lies (OCI config.md, "tmpcopyup").
 * Called by rootfs.c in a container's child: what is copied is charged to the container.
 */
#ifndef LAUNCH_COPY_UP_H
#define LAUNCH_COPY_UP_H

#include "base/error.h"

/*
 * from: the directory below, opened before it was covered (O_PATH); to: the top of the tmpfs
 * (O_PATH). Modes, owners and times are kept, links are copied as links, sockets left out. The tree
 * is the image's and hostile: nothing is followed, depth is bounded. Sleeps. 0 or negative errno.
 */
int copy_up(int from, int to, struct error *err);

#endif
