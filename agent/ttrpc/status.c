/*
 * status: codes and errno. Used by the server (a handler that failed without filling its error), by
 * the client (what client_call_wait() returns) and by logs.
 */
#include "ttrpc/status.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

static const struct {
	const char *name;
	int errnum;
} codes[] = {
	[STATUS_OK] = {"OK", 0},
	[STATUS_CANCELLED] = {"CANCELLED", ECANCELED},
	[STATUS_UNKNOWN] = {"UNKNOWN", EPROTO},
	[STATUS_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", EINVAL},
	[STATUS_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", ETIMEDOUT},
	[STATUS_NOT_FOUND] = {"NOT_FOUND", ENOENT},
	[STATUS_ALREADY_EXISTS] = {"ALREADY_EXISTS", EEXIST},
	[STATUS_PERMISSION_DENIED] = {"PERMISSION_DENIED", EACCES},
	[STATUS_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", ENOSPC},
	[STATUS_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", EBUSY},
	[STATUS_ABORTED] = {"ABORTED", EAGAIN},
	[STATUS_OUT_OF_RANGE] = {"OUT_OF_RANGE", ERANGE},
	[STATUS_UNIMPLEMENTED] = {"UNIMPLEMENTED", ENOSYS},
	[STATUS_INTERNAL] = {"INTERNAL", EIO},
	[STATUS_UNAVAILABLE] = {"UNAVAILABLE", ECONNRESET},
	[STATUS_DATA_LOSS] = {"DATA_LOSS", EBADMSG},
	[STATUS_UNAUTHENTICATED] = {"UNAUTHENTICATED", EPERM},
};

/* Several errno values share a code; the table above gives each code the one it turns into. */
static const struct {
	int errnum;
	enum status_code status;
} more_errnos[] = {
	{ENODEV, STATUS_NOT_FOUND},
	{ENXIO, STATUS_NOT_FOUND},
	{ESRCH, STATUS_NOT_FOUND},
	{ENAMETOOLONG, STATUS_INVALID_ARGUMENT},
	{ENOTDIR, STATUS_INVALID_ARGUMENT},
	{ENOMEM, STATUS_RESOURCE_EXHAUSTED},
	{EMFILE, STATUS_RESOURCE_EXHAUSTED},
	{ENFILE, STATUS_RESOURCE_EXHAUSTED},
	{ENOBUFS, STATUS_RESOURCE_EXHAUSTED},
	{EDQUOT, STATUS_RESOURCE_EXHAUSTED},
	{ENOTEMPTY, STATUS_FAILED_PRECONDITION},
	{EOPNOTSUPP, STATUS_UNIMPLEMENTED},
	{EPIPE, STATUS_UNAVAILABLE},
	{ECONNREFUSED, STATUS_UNAVAILABLE},
	{ENOTCONN, STATUS_UNAVAILABLE},
};

enum status_code status_from_errno(int errnum)
{
	errnum = abs(errnum);
	if (errnum == EPERM)
		return STATUS_PERMISSION_DENIED;
	if (errnum == EPROTO)
		return STATUS_INTERNAL;
	for (size_t i = 1; i < ARRAY_SIZE(codes); i++)
		if (codes[i].errnum == errnum)
			return (enum status_code)i;
	for (size_t i = 0; i < ARRAY_SIZE(more_errnos); i++)
		if (more_errnos[i].errnum == errnum)
			return more_errnos[i].status;
	return STATUS_INTERNAL;
}

int status_to_errno(int status)
{
	if (status < 0 || (size_t)status >= ARRAY_SIZE(codes))
		return EPROTO;
	return codes[status].errnum;
}

const char *status_name(int status)
{
	if (status < 0 || (size_t)status >= ARRAY_SIZE(codes))
		return codes[STATUS_UNKNOWN].name;
	return codes[status].name;
}
