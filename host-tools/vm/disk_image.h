/*
 * disk_image: a file that a guest boots from (--disk): which file system it holds, by its magic
 * number. A partition table is not looked into.
 */
#ifndef VM_DISK_IMAGE_H
#define VM_DISK_IMAGE_H

#include "base/error.h"

/*
 * Opens path for reading. The descriptor (CLOEXEC) is the caller's; *ret_fstype is static text, the
 * kernel's name. Negative errno with err: not there, no file, none of the file systems we know.
 */
int disk_image_open(const char *path, const char **ret_fstype, struct error *err);

#endif
