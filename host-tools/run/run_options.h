/*
 * run_options: the command line of `cradle run`, checked but not acted on. Strings point into argv
 * or the environment.
 */
#ifndef RUN_RUN_OPTIONS_H
#define RUN_RUN_OPTIONS_H

#include "run/volumes.h"
#include "vm/vm_options.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define RUN_ENV_MAX 256

struct run_options {
	struct vm_options vm;
	char *env[RUN_ENV_MAX];
	unsigned env_count;
	struct volume volumes[VOLUMES_MAX];
	unsigned volume_count;
	const char *workdir, *user, *name, *rootfs, *bundle, *listen;
	bool interactive, tty, stats, hold, timing, json;
	uint32_t agent_timeout_s; /* 0 = for ever */
	uint64_t timeout_ms;	  /* of the container; 0 = none */
	const char *timeout_text; /* as it was given */
	char **args;		  /* the container's command */
	unsigned arg_count;
	bool help; /* nothing else counts then */
};

/* 0, or the exit code: what is wrong was said on stderr. */
int run_options_parse(int argc, char **argv, struct run_options *ret);

#endif
