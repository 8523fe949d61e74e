/*
 * ccw_id: a device of the channel subsystem (s390x), said as "0.D.NNNN": subchannel set D (0 to 3)
 * and device number, in hex. Called by storage/ (blk-ccw); looks into sysfs, which is kernel memory
 * and does not sleep.
 *
 * Source: agent-api-guest.md section 5 (kata-containers src/agent/src/ccw.rs); linux,
 * Documentation/driver-api/s390-drivers.rst (/sys/bus/ccw/devices).
 */
#ifndef DEVICE_CCW_ID_H
#define DEVICE_CCW_ID_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ccw_id {
	uint8_t set;
	uint16_t number;
};

/* 0 or -EPROTO with err (INVALID_ARGUMENT) naming the text. Pure. */
int ccw_id_parse(const char *text, struct ccw_id *ret, struct error *err);
/* The device's directory below sysfs (normally "/sys"), or -ENOENT: it is not there (yet). */
int ccw_id_resolve(const struct ccw_id *id, const char *sysfs, char *out, size_t size);

#endif
