/*
 * error: one failure, as a person should read it.
 *
 * A flat struct on the caller's stack: it needs no allocation, and a child can send it to its
 * parent in one atomic write (PIPE_BUF is 4096, Linux pipe(7)).
 *
 * Convention of the house: leaf calls return >= 0 or a negative errno. Calls above them take
 * `struct error *err` last (may be NULL), fill it on failure and return a negative errno; on
 * success they leave it alone. An error is logged once, where it stops.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stddef.h>

/* google.rpc.Code, as carried in ttrpc's Status (wire.md section 3). */
enum status_code {
	STATUS_OK = 0,
	STATUS_CANCELLED = 1,
	STATUS_UNKNOWN = 2,
	STATUS_INVALID_ARGUMENT = 3,
	STATUS_DEADLINE_EXCEEDED = 4,
	STATUS_NOT_FOUND = 5,
	STATUS_ALREADY_EXISTS = 6,
	STATUS_PERMISSION_DENIED = 7,
	STATUS_RESOURCE_EXHAUSTED = 8,
	STATUS_FAILED_PRECONDITION = 9,
	STATUS_ABORTED = 10,
	STATUS_OUT_OF_RANGE = 11,
	STATUS_UNIMPLEMENTED = 12,
	STATUS_INTERNAL = 13,
	STATUS_UNAVAILABLE = 14,
	STATUS_DATA_LOSS = 15,
	STATUS_UNAUTHENTICATED = 16,
};

struct error {
	int status; /* enum status_code; 0 = no error stored */
	int errnum; /* positive errno or 0; rendered last, so that truncation never cuts it */
	char text[492];
};

#define ERROR_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}

/* Longest text error_render() makes. */
#define ERROR_RENDER_MAX 640

/*
 * Store an error. The text names step and object ("mount /dev/vda on /run/x"), not the errno, which
 * error_render() appends. errnum is positive, or 0 when there is none. Returns -errnum, or -EPROTO
 * when errnum is 0, so that `return error_set(...)` is the usual form. err may be NULL.
 */
int error_set(struct error *err, enum status_code status, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* error_set() with STATUS_INTERNAL: the usual case of a failed system call. */
int error_errno(struct error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* error_set() with STATUS_INVALID_ARGUMENT and no errno: the peer asked for something impossible.
 */
int error_invalid(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Put context in front of a stored error ("storage 2: " + old text). Returns the same negative
 * number as error_set() would for this error. err may be NULL (returns -EPROTO).
 */
int error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "text: ENOENT: No such file or directory" (or only the text). Returns out. */
const char *error_render(const struct error *err, char *out, size_t size);

/* "ENOENT", or "E<number>" in a static buffer for an unknown one. Never NULL; takes |errnum|. */
const char *errno_name(int errnum);
/* "No such file or directory" in English, without locale machinery (which would bring in dlopen).
 */
const char *errno_text(int errnum);

#endif
