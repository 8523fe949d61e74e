/* strings: small pure helpers on text. Used everywhere; holds no state. */
#include "base/strings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool str_empty(const char *s)
{
	return !s || !*s;
}

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return s && prefix && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t len, n;

	if (!s || !suffix)
		return false;
	len = strlen(s);
	n = strlen(suffix);
	return len >= n && memcmp(s + len - n, suffix, n) == 0;
}

int str_copy(char *out, size_t size, const char *s)
{
	size_t len;

	if (size == 0)
		return -ENAMETOOLONG;
	len = strnlen(s, size);
	if (len == size) {
		memcpy(out, s, size - 1);
		out[size - 1] = '\0';
		return -ENAMETOOLONG;
	}
	memcpy(out, s, len + 1);
	return 0;
}

int str_format(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : len;
}

/* RFC 3629, section 4: lead byte, then the range of the second byte that keeps it shortest. */
static size_t utf8_lead(unsigned char lead, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef) {
		if (lead == 0xe0)
			*low = 0xa0;
		if (lead == 0xed)
			*high = 0x9f; /* d800..dfff are surrogates */
		return 3;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		if (lead == 0xf0)
			*low = 0x90;
		if (lead == 0xf4)
			*high = 0x8f; /* nothing above 10ffff */
		return 4;
	}
	return 0;
}

size_t utf8_step(const void *data, size_t len)
{
	const unsigned char *p = data;
	unsigned char low, high;
	size_t step;

	if (len == 0)
		return 0;
	step = utf8_lead(p[0], &low, &high);
	if (step == 0 || step > len)
		return 0;
	if (step > 1 && (p[1] < low || p[1] > high))
		return 0;
	for (size_t i = 2; i < step; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return step;
}

bool utf8_valid(const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len > 0) {
		size_t step = utf8_step(p, len);

		if (step == 0)
			return false;
		p += step;
		len -= step;
	}
	return true;
}

size_t utf8_replace(char *out, size_t size, const void *data, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const char *p = data;
	size_t n = 0;

	while (len > 0) {
		size_t step = *p ? utf8_step(p, len) : 0;
		const char *from = step ? p : replacement;
		size_t bytes = step ? step : strlen(replacement);

		if (n + bytes >= size)
			break;
		memcpy(out + n, from, bytes);
		n += bytes;
		p += step ? step : 1;
		len -= step ? step : 1;
	}
	out[n] = '\0';
	return n;
}
