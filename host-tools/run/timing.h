/*
 * timing: when a run reached which stage, a line each at the moment it is reached (cradle run
 * --timing), for people or as JSON for machines. A line also says that everything before it is
 * done: tests kill cradle at each.
 */
#ifndef RUN_TIMING_H
#define RUN_TIMING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum run_stage {
	STAGE_IMAGE_READY,
	STAGE_VM_STARTED,
	STAGE_KERNEL_HANDED_OVER, /* the guest's kernel has started the agent */
	STAGE_AGENT_ANSWERED,	  /* its first call */
	STAGE_CONTAINER_CREATED,
	STAGE_CONTAINER_STARTED,
	STAGE_CONTAINER_EXITED,
	STAGE_VM_GONE,
	STAGE_COUNT,
};

struct timing {
	FILE *to; /* NULL: nobody asked */
	bool json;
	uint64_t start_ns, last_ns; /* CLOCK_MONOTONIC */
	unsigned reached;	    /* bits of enum run_stage */
};

/* to NULL: every mark is a no-op. */
void timing_init(struct timing *timing, FILE *to, bool json, uint64_t now_ns);
/* Prints the stage's line; a stage that was reached before says nothing. */
void timing_mark(struct timing *timing, enum run_stage stage, uint64_t now_ns);
const char *timing_stage_name(enum run_stage stage);

#endif
