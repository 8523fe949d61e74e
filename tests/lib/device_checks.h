/*
 * device_checks: what a container with CAP_MKNOD may do with device nodes it makes itself. The same
 * against an agent on the host (tests/rpc) and in a guest (tests/vm); disk is a block device there
 * that no container may read.
 */
#ifndef TESTS_LIB_DEVICE_CHECKS_H
#define TESTS_LIB_DEVICE_CHECKS_H

#include "lib/agent_fixture.h"

void check_device_control(struct agent *agent, unsigned disk_major, unsigned disk_minor);
/* A container that may do everything may not make the guest's own root disk. */
void check_root_disk_denied(struct agent *agent, unsigned disk_major, unsigned disk_minor);

/* UpdateContainer changes what may be opened, in a container that runs. */
void check_device_update(struct agent *agent);

#endif
