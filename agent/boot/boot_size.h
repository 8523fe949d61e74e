/*
 * boot_size: is this VM what its launcher asked for? The launcher says on the kernel command line
 * what it gave (cradle.memory=, cradle.kernel_memory=, cradle.cpus=); what the guest sees is
 * compared once, by boot, and one record names the difference. Nothing is done about it.
 */
#ifndef BOOT_BOOT_SIZE_H
#define BOOT_BOOT_SIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "config.h"

/*
 * Pure. MemTotal may be less than the VM's memory by what the launcher's sizing counts for the
 * kernel itself; what the launcher did not say (0) is not compared. True: text names the
 * difference.
 */
bool boot_size_differs(const struct agent_config *config, uint64_t mem_total, unsigned cpus,
	char *text, size_t size);
/* Reads, compares, logs. 0, or negative errno with err: the guest's own size cannot be read. */
int boot_size_check(const struct agent_config *config, struct error *err);

#endif
