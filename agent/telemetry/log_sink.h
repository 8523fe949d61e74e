/*
 * log_sink: where log records of process 1 go: the kernel's console, written without ever waiting.
 *
 * A console nobody drains must not stop process 1, so the descriptor is non-blocking and what does
 * not fit waits in a fixed buffer; past that, whole records are dropped and counted, and a record
 * says how many once there is room. Called by boot (open), main (attach) and shutdown (flush). One
 * per process. A forked child writes straight to the descriptor: the buffer is its parent's.
 */
#ifndef TELEMETRY_LOG_SINK_H
#define TELEMETRY_LOG_SINK_H

#include <stdint.h>

#include "base/error.h"
#include "base/event_loop.h"

#define LOG_SINK_BUFFER 16384 /* bytes waiting for the console: some 60 records */

/* Opens the terminal at path for writing and makes it the log's sink. 0 or negative errno. */
int log_sink_open_console(const char *path, struct error *err);
/* The same with an open descriptor, which becomes non-blocking and is owned from now on. */
int log_sink_use_fd(int fd, struct error *err);
/* Lets the loop write what waits, when there is room. Without a loop only the next record does. */
void log_sink_attach(struct event_loop *loop);
/* Writes what waits, for at most timeout_ms. MAY SLEEP: for the last moments of the process. */
void log_sink_flush(int timeout_ms);
uint64_t log_sink_dropped(void); /* records, since the start */
/* Records go to stderr again. Idempotent. */
void log_sink_close(void);

#endif
