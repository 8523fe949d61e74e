/*
 * plan_parts: the subjects of a plan, each a file, put together by launch_plan.c only. All are pure
 * and follow one form: 0, or negative errno with err filled (STATUS_INVALID_ARGUMENT naming the
 * field as it is called in oci.proto, STATUS_RESOURCE_EXHAUSTED when the arena is used up).
 */
#ifndef LAUNCH_PLAN_PARTS_H
#define LAUNCH_PLAN_PARTS_H

#include "launch/launch_plan_types.h"

struct plan_builder {
	struct arena *arena;
	struct launch_plan *plan;
	const Grpc__Spec *spec;	      /* the container's */
	const Grpc__Linux *linux;     /* spec->linux, or an empty one */
	const Grpc__Process *process; /* of this launch */
	const struct launch_config *config;
};

/* "the request is too big for its memory budget" */
int plan_no_memory(struct error *err);
/*
 * An absolute path without "..", cleaned of "//" and "." and a final slash, in the arena. field
 * names it in errors.
 */
int plan_clean_path(struct plan_builder *b, const char *field, const char *path, const char **ret,
	struct error *err);

int plan_namespaces(struct plan_builder *b, struct error *err); /* and id maps, hostname */
int plan_sysctls(struct plan_builder *b, struct error *err);
int plan_mounts(struct plan_builder *b, struct error *err); /* and root propagation, labels */
int plan_paths(struct plan_builder *b, struct error *err);  /* masked, read-only */
int plan_devices(struct plan_builder *b, struct error *err);
int plan_program(struct plan_builder *b, struct error *err);  /* args, env, cwd, user, terminal */
int plan_security(struct plan_builder *b, struct error *err); /* capabilities, seccomp, labels */
int plan_limits(struct plan_builder *b, struct error *err);   /* rlimits, OOM score */
int plan_hooks(struct plan_builder *b, struct error *err);

#endif
