/* parse: text to numbers, strictly. Used for the command line, kernel files and options of tools.
 */
#include "base/parse.h"

#include <errno.h>
#include <string.h>

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 36;
}

/* All len characters are digits of base. -EINVAL wins over -ERANGE: the text is looked at whole. */
static int parse_digits(const char *s, size_t len, int base, uint64_t *ret)
{
	uint64_t value = 0;
	bool overflow = false;

	if (len == 0 || base < 2 || base > 36)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int digit = digit_value(s[i]);

		if (digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
			__builtin_add_overflow(value, (uint64_t)digit, &value))
			overflow = true;
	}
	if (overflow)
		return -ERANGE;
	*ret = value;
	return 0;
}

static size_t count_digits(const char *s)
{
	return strspn(s, "0123456789");
}

int parse_u64_base(const char *s, int base, uint64_t *ret)
{
	return s ? parse_digits(s, strlen(s), base, ret) : -EINVAL;
}

int parse_u64(const char *s, uint64_t *ret)
{
	return parse_u64_base(s, 10, ret);
}

int parse_u32(const char *s, uint32_t *ret)
{
	uint64_t value;
	int r = parse_u64(s, &value);

	if (r < 0)
		return r;
	if (value > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)value;
	return 0;
}

int parse_i64(const char *s, int64_t *ret)
{
	bool negative = s && *s == '-';
	uint64_t value, limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	int r = parse_u64(negative ? s + 1 : s, &value);

	if (r < 0)
		return r;
	if (value > limit)
		return -ERANGE;
	*ret = negative ? (int64_t)-value : (int64_t)value;
	return 0;
}

/* The power of 1024 that a unit stands for, or -1. */
static int unit_shift(const char *unit)
{
	static const char letters[] = "KMGT";
	const char *at;

	if (!*unit || strcmp(unit, "B") == 0)
		return 0;
	at = strchr(letters, *unit >= 'a' ? *unit - 'a' + 'A' : *unit);
	if (!at || !*at)
		return -1;
	if (unit[1] && strcmp(unit + 1, "B") != 0 && strcmp(unit + 1, "iB") != 0)
		return -1;
	return 10 * (int)(at - letters + 1);
}

int parse_size(const char *s, uint64_t *ret)
{
	size_t digits;
	uint64_t value;
	int shift, r;

	if (!s)
		return -EINVAL;
	digits = count_digits(s);
	shift = unit_shift(s + digits);
	if (shift < 0)
		return -EINVAL;
	r = parse_digits(s, digits, 10, &value);
	if (r < 0)
		return r;
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = value << shift;
	return 0;
}

int parse_decimal_micro(const char *s, uint64_t *ret)
{
	size_t digits, decimals;
	uint64_t whole, part = 0;
	int r;

	if (!s)
		return -EINVAL;
	digits = count_digits(s);
	if (digits == 0 || (s[digits] && s[digits] != '.'))
		return -EINVAL;
	if (s[digits] == '.') {
		const char *rest = s + digits + 1;

		decimals = count_digits(rest);
		if (decimals == 0 || decimals > 6 || rest[decimals])
			return -EINVAL;
		parse_digits(rest, decimals, 10, &part);
		for (; decimals < 6; decimals++)
			part *= 10;
	}
	r = parse_digits(s, digits, 10, &whole);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(whole, (uint64_t)1000000, &whole) ||
		__builtin_add_overflow(whole, part, &whole))
		return -ERANGE;
	*ret = whole;
	return 0;
}

int parse_bool(const char *s, bool *ret)
{
	uint64_t value;
	int r;

	if (s && strcmp(s, "true") == 0) {
		*ret = true;
		return 0;
	}
	if (s && strcmp(s, "false") == 0) {
		*ret = false;
		return 0;
	}
	r = parse_u64(s, &value);
	if (r == 0)
		*ret = value != 0;
	return r;
}

int parse_keyed_u64(const char *text, const char *key, uint64_t *ret)
{
	size_t key_len = strlen(key);

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len > key_len && text[key_len] == ' ' && memcmp(text, key, key_len) == 0)
			return parse_digits(text + key_len + 1, len - key_len - 1, 10, ret);
		text += len;
		text += *text == '\n';
	}
	return -ENOENT;
}

size_t parse_word_u64(const char *line, const char *end, uint64_t *ret)
{
	const char *space = memchr(line, ' ', (size_t)(end - line));

	if (!space || space == line ||
		parse_digits(space + 1, (size_t)(end - space - 1), 10, ret) < 0)
		return 0;
	return (size_t)(space - line);
}
