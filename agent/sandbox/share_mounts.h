/*
 * share_mounts: what is mounted below the shared directory, where virtio-fs shows the host's files.
 * Asking for the attributes of a mount makes the host's daemon see that a file is gone and let go
 * of it: RemoveStaleVirtiofsShareMounts (agent-api-containers.md section 2).
 */
#ifndef SANDBOX_SHARE_MOUNTS_H
#define SANDBOX_SHARE_MOUNTS_H

#include "base/error.h"
#include "base/helper_process.h"

struct sandbox;

/*
 * Visits every mount point below <run>/shared/containers/ in a helper, because a daemon may hang.
 * One that fails is logged and no failure. 0, or negative with err: done is not called.
 */
int share_mounts_visit(
	struct sandbox *sandbox, struct helper *helper, helper_done_fn done, struct error *err);

#endif
