/*
 * process_window: the size of a container's terminal on its way there. One call is under way at a
 * time; of the sizes that come meanwhile the last counts. A failure changes nothing but the looks.
 */
#ifndef RUN_PROCESS_WINDOW_H
#define RUN_PROCESS_WINDOW_H

#include "run/agent_link.h"

#include <stdbool.h>

struct process_window {
	struct ttrpc_client *client; /* NULL: not started */
	const char *id;
	struct agent_call call;
	uint16_t rows, columns;
	bool wanted;
};

void process_window_start(
	struct process_window *window, struct ttrpc_client *client, const char *id);
void process_window_resize(struct process_window *window, uint16_t rows, uint16_t columns);
void process_window_release(struct process_window *window); /* accepts zeroed */

#endif
