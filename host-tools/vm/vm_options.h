/*
 * vm_options: the options that say which VM is wanted, by the same names and words in every
 * subcommand that starts one (run, vm start). Checked, not acted on; strings point into argv or the
 * environment. vm_plan.h makes a VM's config of them.
 */
#ifndef VM_VM_OPTIONS_H
#define VM_VM_OPTIONS_H

#include "command_table.h"
#include "vm/vm_config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

struct vm_options {
	uint64_t memory_bytes;		    /* 0 = default */
	uint64_t cpus_micro;		    /* 0 = one CPU, no quota */
	const char *arch;		    /* as uname -m says; NULL = this machine's */
	const char *kernel, *initrd, *qemu; /* NULL: what the build made; qemu on PATH */
	const char *disk;		    /* an image to boot from; initrd may be "none" then */
	const char *append;		    /* more kernel command line */
	const char *virtiofsd;		    /* by $CRADLE_VIRTIOFSD; NULL = where Debian has it */
	enum vm_accel accel;
	enum vm_net net;
	unsigned boot_timeout_s; /* 0 = default */
	bool explain, verbose;
};

enum vm_option {
	VM_OPT_MEMORY = 1024,
	VM_OPT_CPUS,
	VM_OPT_ARCH,
	VM_OPT_ACCEL,
	VM_OPT_NET,
	VM_OPT_KERNEL,
	VM_OPT_INITRD,
	VM_OPT_DISK,
	VM_OPT_QEMU,
	VM_OPT_APPEND,
	VM_OPT_BOOT_TIMEOUT,
	VM_OPT_EXPLAIN,
	VM_OPT_VERBOSE,
	VM_OPT_END,
};

/* Rows for the subcommand's own table. */
#define VM_OPTION_ROWS                                                                             \
	{"memory", required_argument, NULL, VM_OPT_MEMORY},                                        \
		{"cpus", required_argument, NULL, VM_OPT_CPUS},                                    \
		{"arch", required_argument, NULL, VM_OPT_ARCH},                                    \
		{"accel", required_argument, NULL, VM_OPT_ACCEL},                                  \
		{"net", required_argument, NULL, VM_OPT_NET},                                      \
		{"kernel", required_argument, NULL, VM_OPT_KERNEL},                                \
		{"initrd", required_argument, NULL, VM_OPT_INITRD},                                \
		{"disk", required_argument, NULL, VM_OPT_DISK},                                    \
		{"qemu", required_argument, NULL, VM_OPT_QEMU},                                    \
		{"append", required_argument, NULL, VM_OPT_APPEND},                                \
		{"boot-timeout", required_argument, NULL, VM_OPT_BOOT_TIMEOUT},                    \
		{"explain", no_argument, NULL, VM_OPT_EXPLAIN},                                    \
	{                                                                                          \
		"verbose", no_argument, NULL, VM_OPT_VERBOSE                                       \
	}

static inline bool vm_option_is_ours(int option)
{
	return option >= VM_OPT_MEMORY && option < VM_OPT_END;
}
/* One of ours: 0, or the exit code when the value was refused (said on stderr, for command). */
int vm_option_take(const struct command *command, struct vm_options *options, int option,
	const char *value, const char *given);
/* $CRADLE_KERNEL, $CRADLE_INITRD, $CRADLE_QEMU and $CRADLE_VIRTIOFSD stand in for what was not
 * given. */
void vm_options_take_environment(struct vm_options *options);

#endif
