/*
 * run_control: what reaches a run from outside while it runs: signals, which go to the container
 * (or end the run, as long as there is none), and the time limit.
 */
#ifndef RUN_RUN_CONTROL_H
#define RUN_RUN_CONTROL_H

#include "base/error.h"
#include "base/event_loop.h"

#include <stdbool.h>

struct run;
struct run_control {
	struct event_source signals;	  /* its descriptor is owned */
	struct event_timer second_chance; /* running: one more SIGINT ends the VM */
	struct event_timer limit, kill;
	struct event_timer hangup; /* the terminal is gone: the container may end by itself */
	uint64_t early;	 /* signals for the container that came before it; bit n: signal n */
	bool running;	 /* the container does */
	bool terminated; /* SIGTERM was passed on */
};

/* Blocks the signals and watches them. 0 or negative errno with err. */
int run_control_watch(struct run *run, struct error *err);
void run_control_started(struct run *run); /* the container runs */
void run_control_exited(struct run *run);  /* it has ended: no limit any more */
void run_control_release(struct run *run);

#endif
