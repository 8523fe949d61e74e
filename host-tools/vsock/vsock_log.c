/* vsock_log: see the header. */
#include "vsock/vsock_log.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "base/event_loop.h"

#define MINUTE_NS 60000000000ull

static void write_record(struct vsock_log *log, enum log_level level, const char *text)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, log->left_out);
	log_record(level, "vsock", text, log->left_out ? "left-out" : NULL, number, NULL);
	log->left_out = 0;
}

void vsock_log_say(struct vsock_log *log, enum log_level level, const char *text)
{
	uint64_t now = event_loop_now_ns();

	if (log->said == 0 || now - log->since_ns >= MINUTE_NS) {
		log->since_ns = now;
		log->said = 0;
	}
	if (log->said == VSOCK_LOG_PER_MINUTE) {
		log->left_out++;
		return;
	}
	log->said++;
	write_record(log, level, text);
}

void vsock_log_end(struct vsock_log *log)
{
	if (log->left_out)
		write_record(log, LOG_WARN, "the last of the complaints were left out");
}
