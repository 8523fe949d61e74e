/*
 * boot: the first steps of process 1, as one ordered table. Called by main before the loop exists;
 * may sleep. As an ordinary process only the few steps that concern the process itself are taken.
 *
 * What is done and why in this order: agent-api-guest.md 1.3 to 1.5 (mounts, cgroups, terminal,
 * hostname), with cgroup v2 always.
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "config.h"

struct boot {
	struct agent_config *config; /* filled by the step "config" from /proc/cmdline */
	const struct config_report *report;
	uint64_t modules_ns; /* what loading the modules took */
};

struct boot_step {
	const char *name;
	int (*run)(struct boot *boot, struct error *err);
	bool fatal;	/* a failure ends the boot; otherwise it is logged and the boot goes on */
	bool init_only; /* taken by process 1 alone */
};

extern const struct boot_step boot_steps[];
extern const size_t boot_step_count;

/*
 * Takes the steps in order; is_init is what getpid() == 1 says. 0, or a negative errno with err
 * filled ("boot step NAME: ...") by the first fatal failure. Process 1 then ends in
 * shutdown_power_off().
 */
int boot_run(struct boot *boot, bool is_init, struct error *err);

#endif
