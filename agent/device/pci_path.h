/*
 * pci_path: where a device sits, said without bus numbers (which the guest assigns): the slots on
 * the way from the root complex, "02/00" or "02.1/00". Called by storage/ (blk); walks sysfs, which
 * is kernel memory and does not sleep.
 *
 * Source: agent-api-guest.md section 5 (kata-containers src/agent/src/pci.rs, linux_abi.rs).
 */
#ifndef DEVICE_PCI_PATH_H
#define DEVICE_PCI_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define PCI_PATH_MAX 16 /* elements; bridges nest far less */

struct pci_path {
	uint8_t root_complex; /* 0 unless the path starts with a pxb-pcie's number (>= 0x20) */
	size_t count;	      /* at least 1 */
	struct {
		uint8_t slot, function;
	} element[PCI_PATH_MAX];
};

/* 0 or -EPROTO with err (INVALID_ARGUMENT) naming the text. Pure. */
int pci_path_parse(const char *text, struct pci_path *ret, struct error *err);
/*
 * The device's directory below sysfs (normally "/sys"). -ENOENT when it, or a bridge before it, is
 * not there (yet); other negative errno for what waiting does not cure. No error text for -ENOENT.
 */
int pci_path_resolve(
	const struct pci_path *path, const char *sysfs, char *out, size_t size, struct error *err);
/*
 * Name of the whole disk (not a partition) of the virtio-blk device in that directory, of PCI or of
 * the channel subsystem (ccw_id.h); or -ENOENT.
 */
int pci_device_block_name(const char *device_dir, char *out, size_t size);

#endif
