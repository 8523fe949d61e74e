/*
 * known_memory: a program that holds known amounts of anonymous, file, shmem and kernel memory
 * (tests/programs/memory_holder.c) in a container; every figure that we give of it is held against
 * the truth. For cgroup v1 (tests/rpc) and v2 (tests/vm).
 */
#ifndef TESTS_LIB_KNOWN_MEMORY_H
#define TESTS_LIB_KNOWN_MEMORY_H

#include "lib/agent_fixture.h"

/* Puts the program, and the file that it reads, into a root file system that is a folder. */
void known_memory_prepare(const char *rootfs);
/*
 * Runs it in a container and checks. cpus: the guest's (or machine's); v1: its memory is in
 * cgroup v1's hierarchy.
 */
void known_memory_check(struct agent *agent, unsigned cpus, bool v1);

#endif
