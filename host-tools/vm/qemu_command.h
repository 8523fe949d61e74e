/*
 * qemu_command: from struct vm_config to QEMU's argument list. Pure: the same config gives the same
 * list, on any machine. What differs between architectures is a row of a table in the .c file.
 * Facts: QEMU 7.2's own help texts, host-side.md 3, lab-notes.md.
 */
#ifndef VM_QEMU_COMMAND_H
#define VM_QEMU_COMMAND_H

#include "base/error.h"
#include "vm/vm_config.h"

#include <stdbool.h>

#define QEMU_ARGS_MAX 128

struct qemu_command {
	char *argv[QEMU_ARGS_MAX + 1]; /* owned strings, ended by NULL */
	unsigned count;
};

/* 0, or negative errno with err filled (an architecture we do not know, a value missing). */
int qemu_command_build(const struct vm_config *config, struct qemu_command *ret, struct error *err);
void qemu_command_release(struct qemu_command *command); /* idempotent, accepts zeroed */

/* All names that have a row: "x86_64, s390x, ..." */
const char *qemu_arch_names(void);
/* Debian's package of that program, for words to the user. NULL = no row. */
const char *qemu_package(const char *arch);
/* Why a guest of that architecture cannot have this machine's folders by virtio-fs; NULL: it can.
 */
const char *qemu_no_shares(const char *arch);
/* "qemu-system-x86_64", or NULL for an architecture without a row. */
const char *qemu_default_program(const char *arch);
/*
 * How the agent finds the image_fd's disk: storage driver and source (agent-api-guest.md 7.1). By
 * its number on the channel subsystem on s390x, as Kata's runtimes name it, else by its node.
 */
const char *qemu_disk_driver(const char *arch);
const char *qemu_disk_device(const char *arch);
/* Where the network device of that architecture's machine sits, as UpdateInterface.devicePath. */
const char *qemu_net_path(const char *arch);
/* Machine and CPU options of this architecture for accel; for the try in accel.c. NULL = no row. */
const char *qemu_machine(const char *arch);
const char *qemu_cpu(const char *arch, enum vm_accel accel);

#endif
