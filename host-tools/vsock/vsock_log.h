/*
 * vsock_log: what the device says of its guest and its QEMU. They can make it complain as often as
 * they like, so only some records of a minute are written; the next one tells how many were left
 * out. Used by vsock_device.c and vhost_user.c.
 */
#ifndef VSOCK_VSOCK_LOG_H
#define VSOCK_VSOCK_LOG_H

#include "base/log.h"

#include <stdint.h>

#define VSOCK_LOG_PER_MINUTE 10

/* Zeroed = nothing said yet. */
struct vsock_log {
	uint64_t since_ns; /* when this minute began (CLOCK_MONOTONIC) */
	unsigned said;	   /* in it */
	uint64_t left_out; /* not told of yet */
};

void vsock_log_say(struct vsock_log *log, enum log_level level, const char *text);
/* The last record: how many were left out, if any were. */
void vsock_log_end(struct vsock_log *log);

#endif
