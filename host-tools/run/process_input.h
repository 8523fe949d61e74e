/*
 * process_input: our own stdin to a container's process: read, send, wait for the answer, read on;
 * at the end of file close. One piece is under way at a time: the agent's answer is the flow
 * control. Nothing here sleeps.
 */
#ifndef RUN_PROCESS_INPUT_H
#define RUN_PROCESS_INPUT_H

#include "run/agent_link.h"

#include <stdbool.h>

#define INPUT_PIECE 32768

struct process_input {
	struct ttrpc_client *client;
	struct event_loop *loop;
	const char *id;
	int fd; /* not owned; -1 = closed from the start */
	struct event_source source;
	struct event_task read_task; /* plain files know no readiness */
	bool plain, ended;
	bool terminal; /* the process reads a terminal: its end of input is a character */
	bool mid_line; /* what was sent last did not end a line */
	struct event_timer eof_again; /* the terminal's end of input, typed again */
	uint64_t eof_delay_ms;
	struct agent_call call;
	uint8_t piece[INPUT_PIECE];
	size_t len, sent;
};

/*
 * fd -1: the process gets the end of file at once. On a terminal that is the character for it, ^D,
 * as somebody typing would do it: closing would not tell a terminal's reader anything. A process
 * that closed its stdin or is gone ends this silently: its exit says more. 0, or negative errno
 * with err.
 */
int process_input_start(struct process_input *input, struct event_loop *loop,
	struct ttrpc_client *client, const char *id, int fd, bool terminal, struct error *err);
void process_input_release(struct process_input *input); /* accepts zeroed */

#endif
