/* base64: RFC 4648 section 4, as bytes appear in JSON. Pure. */
#ifndef CALL_BASE64_H
#define CALL_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Room that base64_encode() needs for len bytes, NUL included. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

void base64_encode(const void *data, size_t len, char *out);
/*
 * Decodes len characters into out, which has room for len / 4 * 3 + 3 bytes. Padding may be
 * missing; nothing else is lenient. Bytes made, or -EINVAL.
 */
ssize_t base64_decode(const char *text, size_t len, uint8_t *out);

#endif
