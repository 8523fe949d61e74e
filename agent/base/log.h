/*
 * log: one JSON object a line, every value a string, in the form Kata's runtimes parse
 * (kata-containers src/libs/logging/src/lib.rs: msg, level, ts, version, subsystem, pid, name,
 * source). Levels: CRIT, ERRO, WARN, INFO, DEBG, TRCE.
 *
 * A record is formatted on the stack (at most LOG_RECORD_MAX bytes, cut with a mark, always valid
 * JSON and UTF-8) and handed to the sink in one call. The sink must not block; the default writes
 * to stderr. After fork the child may log too.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

#define LOG_RECORD_MAX 4096

enum log_level { LOG_CRIT, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

typedef void (*log_sink_fn)(const char *record, size_t len, void *context); /* record ends in \n */

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "name" and "source" of every record; name is not copied. Default: kata-agent, agent. */
void log_set_name(const char *name, const char *source);
/* NULL restores the default (stderr). */
void log_set_sink(log_sink_fn sink, void *context);
/* Parses fatal, panic, critical, error, warn, warning, info, debug, trace; -EINVAL otherwise. */
int log_level_parse(const char *word);

/*
 * log_record(LOG_INFO, "sandbox", "container started", "container-id", id, "pid", "12", NULL):
 * key, value pairs of const char *, ended by NULL; a NULL value is written as "".
 */
void log_record(enum log_level level, const char *subsystem, const char *msg, ...)
	__attribute__((sentinel));
/* Message by format, no extra keys. */
void log_printf(enum log_level level, const char *subsystem, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
