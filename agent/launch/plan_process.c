/*
 * plan_process: the parts of a plan about the program itself: arguments, environment, user,
 * capabilities, seccomp, limits. For an exec, what the request leaves out comes from the
 * container's own process.
 */
#include "launch/plan_parts.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "kernel/seccomp.h"

/* Supplementary groups (NGROUPS_MAX, getgroups(2)). */
#define GROUPS_MAX 65536
/* proc_pid_oom_score_adj(5) */
#define OOM_SCORE_ADJ_MIN (-1000)
#define OOM_SCORE_ADJ_MAX 1000

/* ---- program -------------------------------------------------------------------------------- */

/* A NULL-terminated copy with spare more slots at the end. NULL when the arena is used up. */
static char **copy_strings(struct plan_builder *b, char *const *strings, size_t count, size_t spare)
{
	char **copy = arena_calloc(b->arena, count + spare + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < count; i++) {
		copy[i] = arena_strdup(b->arena, strings[i]);
		if (!copy[i])
			return NULL;
	}
	return copy;
}

static int plan_environment(struct plan_builder *b, struct error *err)
{
	const Grpc__Process *process = b->process;

	for (size_t i = 0; i < process->n_env; i++) {
		const char *equals = strchr(process->env[i], '=');

		/* The text may hold a secret: only the number is told. */
		if (!equals || equals == process->env[i])
			return error_invalid(err, "Process.Env[%zu] is not NAME=value", i);
	}
	b->plan->env = copy_strings(b, process->env, process->n_env, 1);
	b->plan->env_count = process->n_env;
	return b->plan->env ? 0 : plan_no_memory(err);
}

/* Without maps, ids are the same everywhere. */
static int plan_guest_uid(struct plan_builder *b, struct error *err)
{
	const Grpc__Linux *l = b->linux;
	uid_t uid = b->plan->uid;

	b->plan->guest_uid = uid;
	for (size_t i = 0; i < l->n_uidmappings; i++) {
		const Grpc__LinuxIDMapping *m = l->uidmappings[i];

		if (uid < m->containerid || uid - m->containerid >= m->size)
			continue;
		b->plan->guest_uid = m->hostid + (uid - m->containerid);
		return 0;
	}
	if (l->n_uidmappings == 0)
		return 0;
	return error_invalid(err, "Process.User.UID: %u is not in Linux.UIDMappings", uid);
}

static int plan_user(struct plan_builder *b, struct error *err)
{
	const Grpc__User *user = b->process->user;
	gid_t *groups;

	if (!user && b->plan->exec && b->spec->process)
		user = b->spec->process->user;
	if (!user)
		return 0;
	/* -1 means "leave it" to setresuid(2): never what was asked for. */
	if (user->uid == UINT32_MAX || user->gid == UINT32_MAX)
		return error_invalid(err, "Process.User: 4294967295 is no id");
	if (user->n_additionalgids > GROUPS_MAX)
		return error_invalid(err, "Process.User.AdditionalGids: more than %d", GROUPS_MAX);
	groups = arena_calloc(b->arena, user->n_additionalgids + 1, sizeof(*groups));
	if (!groups)
		return plan_no_memory(err);
	for (size_t i = 0; i < user->n_additionalgids; i++) {
		if (user->additionalgids[i] == UINT32_MAX)
			return error_invalid(
				err, "Process.User.AdditionalGids: 4294967295 is no id");
		groups[i] = user->additionalgids[i];
	}
	b->plan->uid = user->uid;
	b->plan->gid = user->gid;
	b->plan->groups = groups;
	b->plan->group_count = user->n_additionalgids;
	return 0;
}

/* Meant for terminals only (OCI config.md "consoleSize"); on the wire 0 and "absent" are the same.
 */
static int plan_console_size(struct plan_builder *b, struct error *err)
{
	const Grpc__Box *size = b->process->consolesize;

	if (!b->plan->terminal || !size)
		return 0;
	if (size->height > UINT16_MAX || size->width > UINT16_MAX)
		return error_invalid(err, "Process.ConsoleSize: %u x %u is over 65535",
			size->height, size->width);
	b->plan->rows = (uint16_t)size->height;
	b->plan->columns = (uint16_t)size->width;
	return 0;
}

int plan_program(struct plan_builder *b, struct error *err)
{
	const Grpc__Process *process = b->process;
	int r;

	if (process->n_args == 0 || str_empty(process->args[0]))
		return error_invalid(err, "Process.Args: no program named");
	b->plan->args = copy_strings(b, process->args, process->n_args, 0);
	if (!b->plan->args)
		return plan_no_memory(err);
	b->plan->terminal = process->terminal;
	r = plan_console_size(b, err);
	if (r < 0)
		return r;
	b->plan->cwd = "/";
	if (!str_empty(process->cwd)) {
		if (process->cwd[0] != '/')
			return error_invalid(
				err, "Process.Cwd: \"%.200s\" is not absolute", process->cwd);
		b->plan->cwd = arena_strdup(b->arena, process->cwd);
		if (!b->plan->cwd)
			return plan_no_memory(err);
	}
	r = plan_environment(b, err);
	if (r >= 0)
		r = plan_user(b, err);
	return r < 0 ? r : plan_guest_uid(b, err);
}

/* ---- security ------------------------------------------------------------------------------- */

static int plan_capability_set(
	const char *field, char *const *words, size_t count, uint64_t *ret, struct error *err)
{
	*ret = 0;
	for (size_t i = 0; i < count; i++) {
		int number = capability_parse(words[i]);

		if (number < 0)
			return error_invalid(err,
				"Process.Capabilities.%s: unknown capability \"%.60s\"", field,
				words[i]);
		*ret |= CAPABILITY_BIT(number);
	}
	return 0;
}

static int plan_capabilities(struct plan_builder *b, struct error *err)
{
	const Grpc__LinuxCapabilities *c = b->process->capabilities;
	struct capability_sets *sets = &b->plan->capabilities;
	int r;

	if (!c && b->plan->exec && b->spec->process)
		c = b->spec->process->capabilities;
	if (!c)
		return error_invalid(err, "Process.Capabilities is absent");
	r = plan_capability_set("Bounding", c->bounding, c->n_bounding, &sets->bounding, err);
	if (r >= 0)
		r = plan_capability_set(
			"Effective", c->effective, c->n_effective, &sets->effective, err);
	if (r >= 0)
		r = plan_capability_set(
			"Inheritable", c->inheritable, c->n_inheritable, &sets->inheritable, err);
	if (r >= 0)
		r = plan_capability_set(
			"Permitted", c->permitted, c->n_permitted, &sets->permitted, err);
	if (r >= 0)
		r = plan_capability_set("Ambient", c->ambient, c->n_ambient, &sets->ambient, err);
	if (r >= 0 && (sets->effective & ~sets->permitted))
		return error_invalid(
			err, "Process.Capabilities.Effective holds some that Permitted does not");
	return r;
}

static int plan_seccomp(struct plan_builder *b, struct error *err)
{
	const Grpc__LinuxSeccomp *seccomp = b->linux->seccomp;
	int r;

	if (!seccomp)
		return 0;
	r = seccomp_check(seccomp, err);
	if (r < 0)
		return error_prefix(err, "Linux.Seccomp");
	b->plan->seccomp = seccomp;
	b->plan->has_seccomp = true;
	b->plan->seccomp_flags = seccomp_flags(seccomp);
	b->plan->seccomp_before = !b->plan->no_new_privileges;
	return 0;
}

/* user:role:type:level, each kind by its suffix, as SELinux policies name them. */
static bool selinux_label_plausible(const char *label)
{
	static const char *const suffix[] = {"_u", "_r", "_t"};
	const char *p = label;

	for (size_t i = 0; i < ARRAY_SIZE(suffix); i++) {
		size_t n = strcspn(p, ":");

		if (p[n] != ':' || n < 3 || strncmp(p + n - 2, suffix[i], 2) != 0)
			return false;
		p += n + 1;
	}
	return p[0] == 's';
}

static int plan_labels(struct plan_builder *b, struct error *err)
{
	const Grpc__Process *process = b->process, *init = b->spec->process;
	const char *label = process->selinuxlabel, *profile = process->apparmorprofile;

	if (b->plan->exec && init) {
		label = str_empty(label) ? init->selinuxlabel : label;
		profile = str_empty(profile) ? init->apparmorprofile : profile;
	}
	if (!str_empty(label)) {
		if (!selinux_label_plausible(label))
			return error_invalid(
				err, "Process.SelinuxLabel: \"%.100s\" is no label", label);
		b->plan->selinux_label = arena_strdup(b->arena, label);
		if (!b->plan->selinux_label)
			return plan_no_memory(err);
	}
	if (!str_empty(b->linux->mountlabel) && !selinux_label_plausible(b->linux->mountlabel))
		return error_invalid(
			err, "Linux.MountLabel: \"%.100s\" is no label", b->linux->mountlabel);
	if (str_empty(profile) || str_eq(profile, "unconfined"))
		return 0;
	b->plan->apparmor_profile = arena_strdup(b->arena, profile);
	return b->plan->apparmor_profile ? 0 : plan_no_memory(err);
}

int plan_security(struct plan_builder *b, struct error *err)
{
	int r;

	b->plan->no_new_privileges = b->process->nonewprivileges;
	r = plan_capabilities(b, err);
	if (r >= 0)
		r = plan_seccomp(b, err);
	if (r >= 0)
		r = plan_labels(b, err);
	return r;
}

/* ---- limits --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int resource;
} resources[] = {
	{"RLIMIT_AS", RLIMIT_AS},
	{"RLIMIT_CORE", RLIMIT_CORE},
	{"RLIMIT_CPU", RLIMIT_CPU},
	{"RLIMIT_DATA", RLIMIT_DATA},
	{"RLIMIT_FSIZE", RLIMIT_FSIZE},
	{"RLIMIT_LOCKS", RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", RLIMIT_NICE},
	{"RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"RLIMIT_NPROC", RLIMIT_NPROC},
	{"RLIMIT_RSS", RLIMIT_RSS},
	{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", RLIMIT_RTTIME},
	{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
	{"RLIMIT_STACK", RLIMIT_STACK},
};

static int plan_rlimit(const Grpc__POSIXRlimit *sent, struct plan_rlimit *ret, struct error *err)
{
	if (sent->soft > sent->hard)
		return error_invalid(err, "Process.Rlimits: %.40s: Soft is above Hard", sent->type);
	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		if (!str_eq(sent->type, resources[i].name))
			continue;
		*ret = (struct plan_rlimit){
			.name = resources[i].name,
			.resource = resources[i].resource,
			.limit = {.rlim_cur = sent->soft, .rlim_max = sent->hard},
		};
		return 0;
	}
	return error_invalid(err, "Process.Rlimits: unknown type \"%.60s\"", sent->type);
}

static int plan_rlimits(struct plan_builder *b, struct error *err)
{
	const Grpc__Process *from = b->process;
	struct plan_rlimit *limits;

	if (b->plan->exec && from->n_rlimits == 0 && b->spec->process)
		from = b->spec->process;
	limits = arena_calloc(b->arena, from->n_rlimits + 1, sizeof(*limits));
	if (!limits)
		return plan_no_memory(err);
	for (size_t i = 0; i < from->n_rlimits; i++) {
		int r = plan_rlimit(from->rlimits[i], &limits[i], err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (limits[k].resource == limits[i].resource)
				return error_invalid(
					err, "Process.Rlimits: %s twice", limits[i].name);
	}
	b->plan->rlimits = limits;
	b->plan->rlimit_count = from->n_rlimits;
	return 0;
}

int plan_limits(struct plan_builder *b, struct error *err)
{
	int64_t score = b->process->oomscoreadj;

	/* On the wire 0 and "absent" are the same. */
	if (b->plan->exec && score == 0 && b->spec->process)
		score = b->spec->process->oomscoreadj;
	if (score < OOM_SCORE_ADJ_MIN || score > OOM_SCORE_ADJ_MAX)
		return error_invalid(
			err, "Process.OOMScoreAdj: %lld is not in -1000..1000", (long long)score);
	b->plan->oom_score_adj = (int)score;
	return plan_rlimits(b, err);
}
