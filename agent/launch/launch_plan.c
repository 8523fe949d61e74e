/*
 * launch_plan: puts a plan together from its parts (plan_*.c) and answers questions about it.
 * Called by sandbox/ (container_create, exec) with the request's arena.
 */
#include "launch/launch_plan.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/path.h"
#include "base/strings.h"
#include "launch/plan_parts.h"

static const Grpc__Linux no_linux = GRPC__LINUX__INIT;

int plan_no_memory(struct error *err)
{
	return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
		"launch plan: the request is too big for its memory budget");
}

int plan_clean_path(struct plan_builder *b, const char *field, const char *path, const char **ret,
	struct error *err)
{
	size_t len = strlen(path);
	char *out, *end;

	if (path[0] != '/')
		return error_invalid(err, "%s: \"%.200s\" is not absolute", field, path);
	if (len >= PATH_MAX)
		return error_set(err, STATUS_INVALID_ARGUMENT, ENAMETOOLONG, "%s: \"%.80s...\"",
			field, path);
	if (path_has_dotdot(path))
		return error_invalid(err, "%s: \"%.200s\" contains \"..\"", field, path);
	out = arena_alloc(b->arena, len + 2);
	if (!out)
		return plan_no_memory(err);
	end = out;
	for (const char *p = path; *p;) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n > 0 && !(n == 1 && p[0] == '.')) {
			*end++ = '/';
			memcpy(end, p, n);
			end += n;
		}
		p += n;
	}
	if (end == out)
		*end++ = '/';
	*end = '\0';
	*ret = out;
	return 0;
}

static int builder_init(struct plan_builder *b, const Grpc__Process *process,
	const Grpc__Spec *spec, const struct launch_config *config, struct arena *arena,
	struct error *err)
{
	*b = (struct plan_builder){
		.arena = arena,
		.plan = arena_calloc(arena, 1, sizeof(*b->plan)),
		.spec = spec,
		.linux = spec->linux ? spec->linux : &no_linux,
		.process = process,
		.config = config,
	};
	if (!b->plan)
		return plan_no_memory(err);
	if (!process)
		return error_invalid(err, "OCI.Process is absent");
	b->plan->no_pivot = config->no_pivot;
	b->plan->container_id = arena_strdup(arena, config->container_id);
	b->plan->rootfs = arena_strdup(arena, config->rootfs);
	if (!b->plan->container_id || !b->plan->rootfs)
		return plan_no_memory(err);
	return 0;
}

/* Of the two versions that there are (OCI config.md, "Specification version"); "" is what an old
 * caller leaves out. */
static int check_version(const Grpc__Spec *spec, struct error *err)
{
	const char *version = spec->version;

	if (str_empty(version) || str_starts(version, "0.") || str_starts(version, "1."))
		return 0;
	return error_invalid(err, "OCI.Version \"%.60s\" is none that this agent knows", version);
}

/* What would be dropped in silence otherwise. */
static int check_unsupported(const struct plan_builder *b, struct error *err)
{
	if (b->linux->intelrdt && !str_empty(b->linux->intelrdt->l3cacheschema))
		return error_set(err, STATUS_UNIMPLEMENTED, 0,
			"Linux.IntelRdt.L3CacheSchema: a guest does not divide its host's cache");
	return check_version(b->spec, err);
}

static int plan_process(struct plan_builder *b, struct error *err)
{
	int r = plan_program(b, err);

	if (r >= 0)
		r = plan_security(b, err);
	if (r >= 0)
		r = plan_limits(b, err);
	return r;
}

static int plan_container(struct plan_builder *b, struct error *err)
{
	int r = check_unsupported(b, err);

	if (r >= 0)
		r = plan_hooks(b, err);
	if (r >= 0)
		r = plan_process(b, err);
	if (r >= 0)
		r = plan_namespaces(b, err);
	if (r >= 0)
		r = plan_sysctls(b, err);
	if (r >= 0)
		r = plan_mounts(b, err);
	if (r >= 0)
		r = plan_paths(b, err);
	if (r >= 0)
		r = plan_devices(b, err);
	return r;
}

int launch_plan_container(const Grpc__Spec *spec, const struct launch_config *config,
	struct arena *arena, const struct launch_plan **ret, struct error *err)
{
	struct plan_builder b;
	int r;

	if (!spec)
		return error_invalid(err, "OCI is absent");
	r = builder_init(&b, spec->process, spec, config, arena, err);
	if (r >= 0)
		r = plan_container(&b, err);
	if (r >= 0)
		*ret = b.plan;
	return r;
}

int launch_plan_exec(const Grpc__Process *process, const Grpc__Spec *spec,
	const struct launch_config *config, struct arena *arena, const struct launch_plan **ret,
	struct error *err)
{
	struct plan_builder b;
	int r;

	if (!spec)
		return error_invalid(err, "OCI is absent");
	r = builder_init(&b, process, spec, config, arena, err);
	if (r < 0)
		return r;
	b.plan->exec = true;
	r = plan_process(&b, err);
	if (r >= 0)
		*ret = b.plan;
	return r;
}

bool launch_plan_terminal(const struct launch_plan *plan)
{
	return plan->terminal;
}

const Grpc__LinuxSeccomp *launch_plan_seccomp(const struct launch_plan *plan)
{
	return plan->seccomp;
}

const struct hook_set *launch_plan_hooks(const struct launch_plan *plan)
{
	return plan->hooks;
}
