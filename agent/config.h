/*
 * config: what the agent was told, from the kernel command line, the environment and (as an
 * ordinary process) its own arguments. Called by main only; everybody else is handed the values.
 *
 * Never fatal: an unknown word is not ours to judge, a bad value is reported and the default (or
 * the earlier good value) stays. Nothing here reads a file, sleeps, or allocates.
 *
 * Key names and meanings: agent-api-guest.md section 2 (kata-containers src/agent/src/config.rs);
 * what begins with cradle. is our own.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "memory/stall_guard.h"

#define CONFIG_SERVER_ADDR_DEFAULT "vsock://-1:1024"

struct agent_config {
	enum log_level log_level;
	char server_addr[128];
	char also_listen[128];	      /* a second address to listen at; "" = none */
	char passfd_addr[128];	      /* where stdio connections come in; "" = nowhere */
	uint32_t hotplug_timeout_s;   /* how long to wait for a device to appear */
	uint32_t container_pipe_size; /* bytes of a container's stdio pipes; 0 = the kernel's
					 default */
	uint64_t reserve;	      /* bytes of MemTotal that containers may not use */
	/* What the launcher says this VM has; 0 = it does not say. */
	uint64_t vm_memory, vm_kernel_memory; /* bytes; the latter of it is for the kernel itself */
	uint32_t vm_cpus;
	uint32_t oom_window_ms;		  /* OOM kills of a container within it are one event */
	struct stall_options stall_guard; /* of containers that do not say */
	char skip_modules[128]; /* names of the initrd's modules not to load, with commas between */
	/* The disk that is the root (boot/boot_root.h), by its serial number; empty = none. */
	char root_serial[24], root_fstype[16];
	bool cgroup_v2; /* the launcher asked for cgroup v2 alone */
};

/* One sentence on a value that was not taken: names word and reason. */
typedef void (*config_report_fn)(const char *text, void *context);

struct config_report {
	config_report_fn report; /* NULL: say nothing */
	void *context;
};

void agent_config_init(struct agent_config *config); /* the defaults */
/*
 * Words of /proc/cmdline, split as Linux splits them: at white space outside of double quotes.
 * A later word wins.
 */
void agent_config_parse_cmdline(
	struct agent_config *config, const char *text, const struct config_report *report);
/* KATA_AGENT_SERVER_ADDR, KATA_AGENT_LOG_LEVEL; either may be NULL. Wins over the command line. */
void agent_config_parse_environment(struct agent_config *config, const char *server_addr,
	const char *log_level, const struct config_report *report);

enum config_verdict { CONFIG_RUN, CONFIG_SHOW_VERSION, CONFIG_SHOW_HELP, CONFIG_WRONG_USAGE };
/*
 * argv[1..argc). PID 1 gets words there that the kernel did not know what to do with: they are
 * ignored and the verdict is always CONFIG_RUN. Otherwise they win over all else, and an unknown
 * one or a bad value is reported and CONFIG_WRONG_USAGE.
 */
enum config_verdict agent_config_parse_arguments(struct agent_config *config, int argc,
	char *const *argv, bool is_init, const struct config_report *report);
/* What -h prints. */
extern const char agent_config_help[];

#endif
