/* image_build: pack a root file system into an erofs image. Called by image.c, under its lock. */
#ifndef RUN_IMAGE_BUILD_H
#define RUN_IMAGE_BUILD_H

#include "base/error.h"

#include <stdbool.h>

#define IMAGE_FILE  "rootfs.erofs"
#define PASSWD_FILE "passwd"
#define GROUP_FILE  "group"

/*
 * Fills the empty folder `into` with IMAGE_FILE, PASSWD_FILE and GROUP_FILE, all synced. The caller
 * removes the folder after a failure. SLEEPS.
 */
int image_build(const char *rootfs, bool is_folder, const char *into, struct error *err);

#endif
