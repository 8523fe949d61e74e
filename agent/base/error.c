/*
 * error: one failure with its step, object and errno. Used by everything above leaf calls; holds
 * no state but a small buffer for the names of unknown errno values.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"

/* A child sends it through a pipe in one write: its size is part of the contract. */
_Static_assert(sizeof(struct error) == 500, "struct error must stay 500 bytes");

/*
 * Texts quote what a peer sent. They end on consoles and in protobuf strings: no control
 * characters, nothing but UTF-8. Replacing byte by byte keeps the length.
 */
static void clean_text(char *text)
{
	size_t len = strlen(text), i = 0;

	while (i < len) {
		size_t step = utf8_step(text + i, len - i);
		unsigned char c = (unsigned char)text[i];

		if (step == 0 || c < 0x20 || c == 0x7f)
			text[i] = '?';
		i += step ? step : 1;
	}
}

static int error_code(const struct error *err)
{
	return err && err->errnum ? -err->errnum : -EPROTO;
}

/* The arguments may point into err->text, so the new text is made beside it. */
static int error_vset(
	struct error *err, enum status_code status, int errnum, const char *fmt, va_list ap)
{
	char text[sizeof(err->text)];

	errnum = abs(errnum);
	if (!err)
		return errnum ? -errnum : -EPROTO;
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	clean_text(text);
	err->status = status ? status : STATUS_INTERNAL;
	err->errnum = errnum;
	memcpy(err->text, text, sizeof(text));
	return error_code(err);
}

int error_set(struct error *err, enum status_code status, int errnum, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = error_vset(err, status, errnum, fmt, ap);
	va_end(ap);
	return r;
}

int error_errno(struct error *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = error_vset(err, STATUS_INTERNAL, errnum, fmt, ap);
	va_end(ap);
	return r;
}

int error_invalid(struct error *err, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = error_vset(err, STATUS_INVALID_ARGUMENT, 0, fmt, ap);
	va_end(ap);
	return r;
}

int error_prefix(struct error *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	size_t len;
	va_list ap;

	if (!err)
		return -EPROTO;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	len = strlen(text);
	err->text[sizeof(err->text) - 1] = '\0';
	str_format(text + len, sizeof(text) - len, "%s%s", len ? ": " : "", err->text);
	clean_text(text);
	memcpy(err->text, text, sizeof(text));
	return error_code(err);
}

const char *error_render(const struct error *err, char *out, size_t size)
{
	int len = (int)strnlen(err->text, sizeof(err->text));

	if (size == 0)
		return out;
	if (err->errnum)
		snprintf(out, size, "%.*s: %s: %s", len, err->text, errno_name(err->errnum),
			errno_text(err->errnum));
	else
		snprintf(out, size, "%.*s", len, err->text);
	/* The struct may have come through a pipe, and size may have cut a character. */
	clean_text(out);
	return out;
}

const char *errno_name(int errnum)
{
	static char unknown[16];
	const char *name;

	errnum = abs(errnum);
	name = strerrorname_np(errnum);
	if (name && errnum != 0)
		return name;
	snprintf(unknown, sizeof(unknown), "E%d", errnum);
	return unknown;
}

const char *errno_text(int errnum)
{
	const char *text = strerrordesc_np(abs(errnum));

	return text ? text : "unknown error";
}
