/*
 * status: google.rpc codes (enum status_code, base/error.h) and errno, both ways. Pure.
 */
#ifndef TTRPC_STATUS_H
#define TTRPC_STATUS_H

#include "base/error.h"

/* The code for a failure known only by its errno (sign does not matter); INTERNAL when none fits.
 */
enum status_code status_from_errno(int errnum);
/* A positive errno for a code, 0 for OK, EPROTO for a code that does not exist. */
int status_to_errno(int status);
/* "NOT_FOUND"; "UNKNOWN" for a code that does not exist. */
const char *status_name(int status);

#endif
