/*
 * container_stall: a container whose tasks all wait for memory, for long: reported or killed, as
 * the guest's kernel command line (cradle.stall_guard) or the container's annotation says. Called
 * by container_create.c and where the container's cgroup goes. See memory/stall_guard.h.
 */
#ifndef SANDBOX_CONTAINER_STALL_H
#define SANDBOX_CONTAINER_STALL_H

#include "base/error.h"
#include "memory/stall_guard.h"

#include "oci.pb-c.h"

/* Over the guest's own: "off", "report" or "kill", with ",PERCENT" and ",SECONDS". */
#define STALL_ANNOTATION "io.cradle.memory.stall_guard"

struct container;

/* The guest's, unless the container has its own. INVALID_ARGUMENT for one that does not parse. */
int container_stall_options(const struct container *container, const Grpc__Spec *spec,
	struct stall_options *ret, struct error *err);
/* Once its cgroup is there; ends with oom_target_remove()'s callers calling container_stall_stop().
 */
void container_stall_start(struct container *container, const struct stall_options *options);
void container_stall_stop(struct container *container);

#endif
