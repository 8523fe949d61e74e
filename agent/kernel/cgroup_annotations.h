/*
 * cgroup_annotations: what a container may ask of its cgroup that no field of Kata's API carries,
 * by annotations of the OCI spec under our own prefix: io.cradle.cgroup.FILE = VALUE. Pure. Only
 * files of a short list, with checked values; another name under the prefix is refused, so that a
 * typing error is noticed.
 */
#ifndef KERNEL_CGROUP_ANNOTATIONS_H
#define KERNEL_CGROUP_ANNOTATIONS_H

#include "kernel/cgroup_limits.h"

#define CGROUP_ANNOTATION_PREFIX "io.cradle.cgroup."

/*
 * Adds the writes behind those that are planned; in the arena. INVALID_ARGUMENT for an unknown name
 * or a value that is none; *writes is as it was then.
 *
 *   memory.oom.group   true or 1: at an OOM kill the whole container dies, in one event
 *   memory.high, memory.low, memory.min, memory.swap.high   a size (64M), or max
 *   cpu.weight.nice    -20 to 19
 *   cpu.idle           true or 1: only what nobody else wants
 *   io.max             MAJOR:MINOR rbps=N wbps=N riops=N wiops=N, any of the four, N or max
 *
 * They are v2's; a guest without the file refuses the creation.
 */
int cgroup_annotations_plan(const Grpc__Spec *spec, struct arena *arena,
	struct cgroup_writes *writes, struct error *err);

#endif
