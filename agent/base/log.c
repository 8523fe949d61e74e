/*
 * log: JSON records, one a line. Called by everything; owns level, names and sink of this process.
 * No stdio and no locale: a record is put together in one stack buffer and leaves in one call.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"

#define CUT_MARK     "\xe2\x80\xa6" /* U+2026 */
#define REPLACEMENT  "\xef\xbf\xbd" /* U+FFFD */
#define RECORD_TAIL  2		    /* "}\n" */
#define FIXED_MAX    64		    /* of a value whose length should be small anyway */
#define PAIRS_MARGIN 1024	    /* what a long message leaves for the pairs after it */

struct record {
	char data[LOG_RECORD_MAX];
	size_t len;
};

static enum log_level current_level = LOG_INFO;
static const char *current_name = "kata-agent";
static const char *current_source = "agent";
static log_sink_fn current_sink;
static void *sink_context;

static const char *const level_words[] = {"CRIT", "ERRO", "WARN", "INFO", "DEBG", "TRCE"};

void log_set_level(enum log_level level)
{
	current_level = level;
}

enum log_level log_get_level(void)
{
	return current_level;
}

void log_set_name(const char *name, const char *source)
{
	current_name = name;
	current_source = source;
}

void log_set_sink(log_sink_fn sink, void *context)
{
	current_sink = sink;
	sink_context = context;
}

int log_level_parse(const char *word)
{
	static const struct {
		const char *word;
		enum log_level level;
	} table[] = {
		{"fatal", LOG_CRIT},
		{"panic", LOG_CRIT},
		{"critical", LOG_CRIT},
		{"error", LOG_ERROR},
		{"warn", LOG_WARN},
		{"warning", LOG_WARN},
		{"info", LOG_INFO},
		{"debug", LOG_DEBUG},
		{"trace", LOG_TRACE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (str_eq(word, table[i].word))
			return (int)table[i].level;
	return -EINVAL;
}

/* One character of s in JSON, into out (at least 7 bytes); *step bytes of s were used. */
static size_t escape_char(const char *s, size_t left, char *out, size_t *step)
{
	unsigned char c = (unsigned char)*s;
	const char *from = "\"\\\n\r\t\b\f", *to = "\"\\nrtbf", *at;

	*step = 1;
	if (c && (at = strchr(from, c))) {
		out[0] = '\\';
		out[1] = to[at - from];
		return 2;
	}
	if (c < 0x20 || c == 0x7f)
		return (size_t)snprintf(out, 7, "\\u%04x", c);
	*step = utf8_step(s, left);
	if (*step == 0) {
		*step = 1;
		memcpy(out, REPLACEMENT, 3);
		return 3;
	}
	memcpy(out, s, *step);
	return *step;
}

static bool record_put(struct record *record, const char *data, size_t len, size_t limit)
{
	if (record->len + len > limit)
		return false;
	memcpy(record->data + record->len, data, len);
	record->len += len;
	return true;
}

/*
 * "text" with quotes, never beyond limit; cut with a mark when it does not fit. False when not even
 * an empty string fits (nothing written).
 */
static bool record_string(struct record *record, const char *text, size_t limit)
{
	const size_t closing = sizeof(CUT_MARK) - 1 + 1;
	size_t left = text ? strlen(text) : 0;
	char out[8];

	if (record->len + 1 + closing > limit)
		return false;
	record_put(record, "\"", 1, limit);
	while (left > 0) {
		size_t step, n = escape_char(text, left, out, &step);

		if (!record_put(record, out, n, limit - closing)) {
			record_put(record, CUT_MARK, sizeof(CUT_MARK) - 1, limit);
			break;
		}
		text += step;
		left -= step;
	}
	return record_put(record, "\"", 1, limit);
}

/* A pair is written whole (its value perhaps cut) or not at all. */
static bool record_pair(struct record *record, const char *key, const char *value, size_t limit)
{
	size_t before = record->len;

	if (record_put(record, record->len > 1 ? "," : "", record->len > 1 ? 1 : 0, limit) &&
		record_string(record, key, limit) && record_put(record, ":", 1, limit) &&
		record_string(record, value, limit))
		return true;
	record->len = before;
	return false;
}

static void record_short_pair(struct record *record, const char *key, const char *value)
{
	char text[FIXED_MAX];

	str_copy(text, sizeof(text), value ? value : "");
	record_pair(record, key, text, LOG_RECORD_MAX - RECORD_TAIL);
}

static bool leap_year(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* RFC 3339 in UTC. Not gmtime_r(): in glibc it reads the time zone files. */
static void format_time(char *out, size_t size)
{
	static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct timespec now = {0};
	unsigned year = 1970, month = 0, days, seconds;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec < 0 || now.tv_sec > 253402300799) /* end of the year 9999 */
		now.tv_sec = 0;
	days = (unsigned)(now.tv_sec / 86400);
	seconds = (unsigned)(now.tv_sec % 86400);
	for (; days >= (leap_year(year) ? 366u : 365u); year++)
		days -= leap_year(year) ? 366 : 365;
	for (;; month++) {
		unsigned length = month_days[month] + (month == 1 && leap_year(year) ? 1u : 0u);

		if (days < length)
			break;
		days -= length;
	}
	snprintf(out, size, "%04u-%02u-%02uT%02u:%02u:%02u.%09ldZ", year, month + 1, days + 1,
		seconds / 3600, seconds / 60 % 60, seconds % 60, (long)now.tv_nsec);
}

static void record_begin(struct record *record, enum log_level level, const char *subsystem,
	const char *msg, bool pairs_follow)
{
	const size_t fixed = 8 * (FIXED_MAX + 16); /* what follows the message, generously */
	size_t limit = LOG_RECORD_MAX - RECORD_TAIL - fixed - (pairs_follow ? PAIRS_MARGIN : 0);
	char time[48], pid[16];

	record->data[0] = '{';
	record->len = 1;
	record_pair(record, "msg", msg, limit);
	record_short_pair(record, "level", level_words[level]);
	format_time(time, sizeof(time));
	record_short_pair(record, "ts", time);
	record_short_pair(record, "subsystem", subsystem);
	record_short_pair(record, "version", CRADLE_VERSION);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	record_short_pair(record, "pid", pid);
	record_short_pair(record, "name", current_name);
	record_short_pair(record, "source", current_source);
}

static void record_emit(struct record *record)
{
	record_put(record, "}\n", 2, LOG_RECORD_MAX);
	if (current_sink) {
		current_sink(record->data, record->len, sink_context);
		return;
	}
	/* Where would one report that stderr is gone? */
	if (write(STDERR_FILENO, record->data, record->len) < 0)
		return;
}

void log_record(enum log_level level, const char *subsystem, const char *msg, ...)
{
	int saved_errno = errno;
	struct record record;
	const char *key;
	va_list ap;

	if (level > current_level || (size_t)level >= ARRAY_SIZE(level_words))
		return;
	va_start(ap, msg);
	key = va_arg(ap, const char *);
	record_begin(&record, level, subsystem, msg, key != NULL);
	for (; key; key = va_arg(ap, const char *)) {
		const char *value = va_arg(ap, const char *);

		if (!record_pair(&record, key, value, LOG_RECORD_MAX - RECORD_TAIL))
			break;
	}
	va_end(ap);
	record_emit(&record);
	errno = saved_errno;
}

void log_printf(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	int saved_errno = errno;
	char text[LOG_RECORD_MAX];
	struct record record;
	va_list ap;

	if (level > current_level || (size_t)level >= ARRAY_SIZE(level_words))
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	record_begin(&record, level, subsystem, text, false);
	record_emit(&record);
	errno = saved_errno;
}
