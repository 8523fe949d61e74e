/*
 * vhost_vsock: the host kernel's own vsock device for a guest. Used where /dev/vhost-vsock works;
 * elsewhere this process is the device (vsock/vsock_device.h).
 */
#ifndef VM_VHOST_VSOCK_H
#define VM_VHOST_VSOCK_H

#include <stdint.h>

/*
 * Opens the device with a free CID, found by trying (the kernel refuses a taken one). The
 * descriptor (CLOEXEC) is the caller's and goes to QEMU as vhostfd=. Negative errno where it does
 * not work.
 */
int vhost_vsock_open(uint32_t *ret_cid);

#endif
