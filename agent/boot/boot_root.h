/*
 * boot_root: from the initrd to a disk's root file system. The launcher names a disk by its serial
 * number (cradle.root=, rootfstype=); when the kernel started us from an initramfs, that disk is
 * mounted in its place and its /sbin/init, the agent again, takes over this process. A kernel that
 * has its drivers built in needs no initrd: it mounts root= itself, and there is nothing to be
 * done. Called by boot once, after the modules. MAY SLEEP: waits for the disk.
 *
 * Sources: linux, Documentation/filesystems/ramfs-rootfs-initramfs.rst (a rootfs cannot be pivoted:
 * move and chroot); /sys/block/NAME/serial is virtio-blk's (drivers/block/virtio_blk.c).
 */
#ifndef BOOT_BOOT_ROOT_H
#define BOOT_BOOT_ROOT_H

#include <stddef.h>

#include "base/error.h"
#include "config.h"

/* The disk with this serial number: its name below sysfs/block. 0, or -ENOENT: not there (yet). */
int boot_root_find(const char *sysfs, const char *serial, char *out, size_t size);
/*
 * 0: there is nothing to switch to, or we are there already. Negative errno with err: the disk is
 * not there, or cannot be the root. Else it does not return.
 */
int boot_root_switch(const struct agent_config *config, struct error *err);

#endif
