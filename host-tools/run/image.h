/*
 * image: the root file system as a read-only block image (erofs), built once and kept in a cache.
 *
 * A cache entry is a folder named by the content's fingerprint, with the image and copies of the
 * root file system's passwd and group. It is made under a temporary name by the one process that
 * holds the cache's lock, synced, and renamed: an entry is whole or not there. Leftovers of a
 * killed builder are removed by the next. The cache keeps the IMAGE_CACHE_ENTRIES that were used
 * last.
 */
#ifndef RUN_IMAGE_H
#define RUN_IMAGE_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define IMAGE_CACHE_ENTRIES 16

struct image {
	/* Owned, open for reading: what the cache does later does not matter to them. */
	int fd, passwd_fd, group_fd;
	uint64_t bytes;
	bool built; /* just now; false: found in the cache */
	char path[PATH_MAX];
};

#define IMAGE_INIT                                                                                 \
	{                                                                                          \
		.fd = -1, .passwd_fd = -1, .group_fd = -1                                          \
	}

/* ${CRADLE_CACHE}, else ${XDG_CACHE_HOME:-~/.cache}/cradle. 0 or negative errno with err. */
int image_cache_folder(char *out, size_t size, struct error *err);
/*
 * rootfs: a folder or a tar file (compressed as tar understands). As an ordinary user a folder's
 * files become root's; a tar keeps its owners and device nodes either way. announce: called once if
 * the image has to be built, may be NULL. SLEEPS. Needs child_reaper_init(). 0 or negative errno:
 * err says what is wrong with rootfs or the cache.
 */
int image_open(const char *rootfs, const char *cache, void (*announce)(const char *rootfs),
	struct image *ret, struct error *err);
void image_release(struct image *image); /* idempotent */

#endif
