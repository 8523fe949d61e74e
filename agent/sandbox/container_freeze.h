/*
 * container_freeze: PauseContainer and ResumeContainer. The group is told to freeze or to thaw;
 * nobody waits until it has (agent-api-containers.md 9). Frozen processes die of SIGKILL all the
 * same (cgroup-v2.rst, cgroup.freeze); where v1's freezer is all there is, they are let out for it.
 */
#ifndef SANDBOX_CONTAINER_FREEZE_H
#define SANDBOX_CONTAINER_FREEZE_H

#include "base/error.h"

struct container;
struct process;

/* 0, or negative with err: the wrong state, or the kernel's refusal; then nothing has changed. */
int container_pause(struct container *container, struct error *err);
/* Back to what it was: one that was paused before its start may be started. */
int container_resume(struct container *container, struct error *err);
/* For process.c: it was sent SIGKILL while the container is paused. */
void container_let_die(struct container *container, const struct process *process);
/* For container.c: a PAUSED container becomes what it was, whatever the kernel says to it. */
void container_thaw(struct container *container);

#endif
