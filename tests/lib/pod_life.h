/*
 * pod_life: a pod from its first call to its last, as Kata's Go shim and as runtime-rs drive it
 * (host-side.md 5): the same fields, the same order, the same habits (exec_id, namespace and
 * capability words, how stdin ends, what is asked of a dead process). Used by tests/rpc and, for
 * what needs limits, tests/vm.
 */
#ifndef TESTS_LIB_POD_LIFE_H
#define TESTS_LIB_POD_LIFE_H

#include "lib/agent_fixture.h"

/*
 * In a VM with limits, an update and an OOM kill, and in the sandbox that is there; otherwise with
 * CreateSandbox and, as Go does and runtime-rs does not, DestroySandbox: the agent ends with it.
 */
void pod_life_go(struct agent *agent);
void pod_life_rs(struct agent *agent);

#endif
