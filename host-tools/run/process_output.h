/*
 * process_output: one output stream of a container's process, from the agent to our own stdout or
 * stderr. Two reads are under way at any time (one travels while the other is served); their
 * answers are written in the order of asking. When our reader is slow, no more is asked for.
 */
#ifndef RUN_PROCESS_OUTPUT_H
#define RUN_PROCESS_OUTPUT_H

#include "run/agent_link.h"
#include "run/host_output.h"

#include <stdbool.h>

/* The agent gives at most 64 KiB an answer. */
#define OUTPUT_READ_LEN	 65536
#define OUTPUT_IN_FLIGHT 2
/* Bytes that may wait for our reader before we stop asking for more. */
#define OUTPUT_BACKLOG_MAX (1u << 20)

struct process_output;
struct output_read {
	struct agent_call call;
	struct process_output *output;
	bool answered; /* its answer waits for its turn */
};

struct process_output {
	struct ttrpc_client *client;
	const char *id, *method;
	struct host_output host;
	struct output_read reads[OUTPUT_IN_FLIGHT];
	unsigned turn; /* whose answer is written next */
	bool started, ended, reported;
	struct error error; /* status != 0: the stream ended by this, not by its end of file */
	uint64_t bytes;
	/* The stream ended and all of it was written (or our reader is gone: host.broken). Once. */
	void (*finished)(struct process_output *output);
	void (*reader_gone)(struct process_output *output); /* once; reading goes on */
	void *owner;
};

/* method: "ReadStdout" or "ReadStderr"; fd: where it goes. */
void process_output_init(
	struct process_output *output, struct event_loop *loop, int fd, const char *method);
int process_output_start(struct process_output *output, struct ttrpc_client *client, const char *id,
	struct error *err);
void process_output_release(struct process_output *output); /* accepts zeroed */

#endif
