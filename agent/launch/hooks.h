/*
 * hooks: OCI hooks of a container: checked and copied with its plan (pure), run one after another
 * with the container's state on stdin. Sources: OCI runtime spec config.md "POSIX-platform Hooks"
 * and runtime.md "Lifecycle"; agent-api-containers.md section 6 "Hooks".
 *
 *   kind             when                                    by whom                  a failure
 *   prestart         namespaces and mounts are made          agent (in a helper)      fails the
 * creation createRuntime    right after those                       the same                 the
 * same createContainer  after those, before the root is left    the child, guest's files the same
 *   startContainer   after START, right before exec          the child, its own files fails the
 * start poststart        exec has worked, before the answer      agent (in a helper)      is logged
 *   poststop         processes and cgroup are gone           agent (in a helper)      is logged
 *
 * Guest hooks (CreateSandbox.guest_hook_path) are files in the directories prestart, poststart and
 * poststop below that path; they come after the spec's, by name.
 */
#ifndef LAUNCH_HOOKS_H
#define LAUNCH_HOOKS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

enum hook_kind {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	HOOK_KIND_COUNT,
};

struct hook {
	const char *path;   /* absolute */
	char *const *args;  /* NULL-terminated, at least one */
	char *const *env;   /* NULL-terminated: this is all of the environment */
	unsigned timeout_s; /* then it is killed, which is a failure */
};

struct hook_list {
	const struct hook *list;
	size_t count;
};

/* Lives in the arena of the plan it came with. */
struct hook_set {
	struct hook_list of[HOOK_KIND_COUNT];
	const char *guest_path; /* NULL: no guest hooks */
	const char *state; /* JSON of the state without its end: status and pid are still to come */
};

/* What a hook printed (cut) or why one failed that fails nothing. */
typedef void (*hook_say_fn)(void *context, const struct error *news);

/* Is there anything of this kind, or may there be (guest hooks are looked for when they run)? */
bool hooks_wanted(const struct hook_set *set, enum hook_kind kind);
/* Is a failure of this kind a failure of the call? */
bool hooks_fatal(enum hook_kind kind);
const char *hook_kind_name(enum hook_kind kind);
/*
 * Runs all of one kind. SLEEPS as long as they do: for a helper or the container's own child. pid:
 * of the init, 0 when it is gone. The caller's descriptors over 2 are closed in each hook; a hook
 * that outlives its parent is killed.
 */
int hooks_run(const struct hook_set *set, enum hook_kind kind, pid_t pid, hook_say_fn say,
	void *context, struct error *err);

#endif
