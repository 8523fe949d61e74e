/*
 * kernel_modules: CreateSandbox.kernel_modules, by the guest's own modprobe. Source:
 * agent-api-containers.md section 2 "CreateSandbox" step 3; modprobe(8). Called by sandbox_create.
 */
#ifndef SANDBOX_KERNEL_MODULES_H
#define SANDBOX_KERNEL_MODULES_H

#include <stddef.h>

#include "base/error.h"

#include "agent.pb-c.h"

/* Names and parameters; whether the guest has a modprobe at all. */
int kernel_modules_check(Grpc__KernelModule *const *modules, size_t count, struct error *err);
/* SLEEPS: for a helper. In order; the first failure ends it, what was loaded stays. */
int kernel_modules_load(Grpc__KernelModule *const *modules, size_t count, struct error *err);

#endif
