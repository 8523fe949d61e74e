/*
 * relay_trace: what goes over a relayed connection, as ttrpc calls: a line of JSON for every
 * request and every response, with time, direction, stream, method, size, status and latency. No
 * payload is kept. Fed by relay_server with each piece of the stream, in order; never changes it.
 */
#ifndef RELAY_RELAY_TRACE_H
#define RELAY_RELAY_TRACE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Calls of one connection whose latency is kept; as many as an agent has at once. */
#define RELAY_TRACE_CALLS_MAX 2048

enum relay_direction { RELAY_TO_AGENT, RELAY_FROM_AGENT };

struct relay_trace_call {
	uint32_t stream;
	uint64_t start_ns;
	char method[96]; /* service/method, cut */
};

/* One direction: a frame as far as it has come. */
struct relay_trace_half {
	struct buffer frame; /* header and body */
	bool lost;	     /* not ttrpc: nothing more is decoded */
};

struct relay_trace {
	FILE *to; /* not owned */
	unsigned connection;
	struct relay_trace_half half[2]; /* by enum relay_direction */
	struct relay_trace_call *calls;	 /* owned */
	size_t call_count, call_room;
};

void relay_trace_init(struct relay_trace *trace, FILE *to, unsigned connection);
void relay_trace_release(struct relay_trace *trace); /* accepts zeroed, idempotent */
/* now_ns: CLOCK_REALTIME for the time shown; latencies are differences of it. */
void relay_trace_feed(struct relay_trace *trace, enum relay_direction direction, const void *data,
	size_t len, uint64_t now_ns);

/* relay_show.c: a trace as a table. 0, or negative errno with err naming the line. */
int relay_show(FILE *trace, FILE *to, struct error *err);

#endif
