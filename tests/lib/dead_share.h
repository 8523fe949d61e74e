/*
 * dead_share: in the agent's mount namespace a file system whose daemon never answers: a FUSE
 * connection that nobody serves, at DEAD_SHARE. Whoever touches it sleeps, until it is killed or
 * the share is released: then every call on it fails.
 */
#ifndef TESTS_LIB_DEAD_SHARE_H
#define TESTS_LIB_DEAD_SHARE_H

#include "lib/agent_fixture.h"

#define DEAD_SHARE "/run/kata-containers/shared/containers/dead"

struct dead_share {
	pid_t pid;
	int release;
};

void dead_share_mount(const struct agent *agent, struct dead_share *ret);
void dead_share_release(struct dead_share *share);
/* Takes it away, with the folders above it that are empty then. */
void dead_share_unmount(const struct agent *agent);

#endif
