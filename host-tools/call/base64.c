/* base64: see the header. Used by json_message.c and message_json.c. */
#include "call/base64.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *out)
{
	const uint8_t *in = data;

	for (; len >= 3; len -= 3, in += 3) {
		uint32_t bits = (uint32_t)in[0] << 16 | in[1] << 8 | in[2];

		for (int shift = 18; shift >= 0; shift -= 6)
			*out++ = alphabet[bits >> shift & 63];
	}
	if (len) {
		uint32_t bits = (uint32_t)in[0] << 16 | (len == 2 ? in[1] << 8 : 0);

		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = len == 2 ? alphabet[bits >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out = '\0';
}

static int digit_value(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

ssize_t base64_decode(const char *text, size_t len, uint8_t *out)
{
	uint8_t *start = out;
	uint32_t bits = 0;
	unsigned have = 0; /* bits waiting in `bits` */

	if (len % 4 == 0)
		for (int i = 0; i < 2 && len && text[len - 1] == '='; i++)
			len--;
	if (len % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int value = digit_value(text[i]);

		if (value < 0)
			return -EINVAL;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*out++ = bits >> have;
		}
	}
	return bits & ((1u << have) - 1) ? -EINVAL : out - start; /* bits beyond the last byte */
}
