/*
 * plan_namespaces: the part of a plan about namespaces and what lives in them: id maps, host name,
 * kernel parameters. Rules: agent-api-containers.md sections 4 and 5.
 */
#include "launch/plan_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buffer.h"
#include "base/strings.h"

/* Lines of an id map (user_namespaces(7)). */
#define ID_MAP_LINES_MAX 340
/* HOST_NAME_MAX of Linux */
#define HOSTNAME_MAX 64

/* ---- namespaces ----------------------------------------------------------------------------- */

static int add_namespace(struct plan_builder *b, const Grpc__LinuxNamespace *sent,
	bool present[NAMESPACE_COUNT], struct error *err)
{
	int type = namespace_type_parse(sent->type);
	struct plan_namespace *ns;
	const char *path = NULL;

	if (type < 0)
		return error_invalid(err, "Linux.Namespaces: unknown type \"%.60s\"", sent->type);
	ns = &b->plan->namespaces[type];
	if (!str_empty(sent->path)) {
		path = arena_strdup(b->arena, sent->path);
		if (!path)
			return plan_no_memory(err);
	}
	if (present[type]) {
		if (str_eq(ns->path ? ns->path : "", path ? path : ""))
			return 0;
		return error_invalid(err, "Linux.Namespaces: two different %s namespaces",
			namespace_name((enum namespace_type)type));
	}
	present[type] = true;
	ns->path = path;
	ns->how = path ? PLAN_NAMESPACE_PATH : PLAN_NAMESPACE_NEW;
	return 0;
}

/* The pod's shared namespace wins over what the spec says. */
static void use_shared(struct plan_builder *b, enum namespace_type type, int fd)
{
	if (fd < 0)
		return;
	b->plan->namespaces[type].how = PLAN_NAMESPACE_FD;
	b->plan->namespaces[type].fd = fd;
}

/* A mount namespace that exists is taken as it is: what would change it is refused, not dropped. */
static int check_joined_mounts(struct plan_builder *b, struct error *err)
{
	const Grpc__Linux *l = b->linux;
	const struct {
		const char *field;
		bool asked;
	} fields[] = {
		{"Mounts", b->spec->n_mounts},
		{"Linux.MaskedPaths", l->n_maskedpaths},
		{"Linux.ReadonlyPaths", l->n_readonlypaths},
		{"Linux.Devices", l->n_devices},
		{"Linux.RootfsPropagation", !str_empty(l->rootfspropagation)},
		{"Root.Readonly", b->spec->root && b->spec->root->readonly},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].asked)
			return error_invalid(
				err, "%s: need a mount namespace of their own", fields[i].field);
	return 0;
}

static int check_namespaces(
	struct plan_builder *b, const bool present[NAMESPACE_COUNT], struct error *err)
{
	const struct plan_namespace *ns = b->plan->namespaces;

	if (!present[NAMESPACE_MNT])
		return error_invalid(err,
			"Linux.Namespaces: no mount namespace; a container cannot use the guest's");
	return ns[NAMESPACE_MNT].how == PLAN_NAMESPACE_PATH ? check_joined_mounts(b, err) : 0;
}

static int plan_hostname(struct plan_builder *b, bool uts, struct error *err)
{
	const char *hostname = b->spec->hostname;

	if (str_empty(hostname))
		return 0;
	if (!uts)
		return error_invalid(err, "Hostname is set without a uts namespace");
	if (strlen(hostname) > HOSTNAME_MAX)
		return error_invalid(err, "Hostname is longer than %d bytes", HOSTNAME_MAX);
	if (b->plan->namespaces[NAMESPACE_UTS].how != PLAN_NAMESPACE_NEW)
		return 0;
	b->plan->hostname = arena_strdup(b->arena, hostname);
	return b->plan->hostname ? 0 : plan_no_memory(err);
}

/* Zero-size lines are dropped, as the runtimes send them. */
static int plan_id_map(struct plan_builder *b, const char *field, Grpc__LinuxIDMapping *const *maps,
	size_t count, const char **ret, struct error *err)
{
	struct buffer text;
	size_t lines = 0;
	int r = 0;

	buffer_init(&text, 0);
	for (size_t i = 0; i < count && r >= 0; i++) {
		if (maps[i]->size == 0)
			continue;
		lines++;
		r = buffer_printf(
			&text, "%u %u %u\n", maps[i]->containerid, maps[i]->hostid, maps[i]->size);
	}
	if (r >= 0 && lines > 0)
		*ret = arena_strndup(b->arena, (const char *)text.data, text.len);
	buffer_release(&text);
	if (r < 0 || (lines > 0 && !*ret))
		return plan_no_memory(err);
	if (lines == 0)
		return error_invalid(err, "%s: a user namespace needs at least one line", field);
	if (lines > ID_MAP_LINES_MAX)
		return error_invalid(err, "%s: more than %d lines", field, ID_MAP_LINES_MAX);
	return 0;
}

static int plan_id_maps(struct plan_builder *b, struct error *err)
{
	const Grpc__Linux *l = b->linux;
	int r;

	if (b->plan->namespaces[NAMESPACE_USER].how == PLAN_NAMESPACE_KEEP) {
		if (l->n_uidmappings || l->n_gidmappings)
			return error_invalid(
				err, "Linux.UIDMappings, GIDMappings: no user namespace");
		return 0;
	}
	r = plan_id_map(
		b, "Linux.UIDMappings", l->uidmappings, l->n_uidmappings, &b->plan->uid_map, err);
	if (r >= 0)
		r = plan_id_map(b, "Linux.GIDMappings", l->gidmappings, l->n_gidmappings,
			&b->plan->gid_map, err);
	return r;
}

int plan_namespaces(struct plan_builder *b, struct error *err)
{
	struct plan_namespace *ns = b->plan->namespaces;
	bool present[NAMESPACE_COUNT] = {false};
	int r;

	for (size_t i = 0; i < b->linux->n_namespaces; i++) {
		r = add_namespace(b, b->linux->namespaces[i], present, err);
		if (r < 0)
			return r;
	}
	r = check_namespaces(b, present, err);
	if (r < 0)
		return r;
	if (present[NAMESPACE_IPC])
		use_shared(b, NAMESPACE_IPC, b->config->ipc_fd);
	if (present[NAMESPACE_UTS])
		use_shared(b, NAMESPACE_UTS, b->config->uts_fd);
	/* These two are never the agent's own, whatever the spec says. */
	if (ns[NAMESPACE_PID].how == PLAN_NAMESPACE_KEEP)
		ns[NAMESPACE_PID].how = PLAN_NAMESPACE_NEW;
	use_shared(b, NAMESPACE_PID, b->config->pid_fd);
	if (ns[NAMESPACE_CGROUP].how == PLAN_NAMESPACE_KEEP)
		ns[NAMESPACE_CGROUP].how = PLAN_NAMESPACE_NEW;
	b->plan->new_rootfs = ns[NAMESPACE_MNT].how == PLAN_NAMESPACE_NEW;
	r = plan_hostname(b, present[NAMESPACE_UTS], err);
	return r < 0 ? r : plan_id_maps(b, err);
}

/* ---- kernel parameters ---------------------------------------------------------------------- */

static bool has_namespace(const struct plan_builder *b, enum namespace_type type)
{
	return b->plan->namespaces[type].how != PLAN_NAMESPACE_KEEP;
}

/* Belongs to a namespace that the container has, so that it changes nobody else's. */
static bool sysctl_allowed(const struct plan_builder *b, const char *name)
{
	static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",
		"kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_rmid_forced"};

	if (str_starts(name, "net."))
		return true;
	if (str_eq(name, "kernel.domainname"))
		return has_namespace(b, NAMESPACE_UTS);
	if (str_starts(name, "fs.mqueue."))
		return has_namespace(b, NAMESPACE_IPC);
	for (size_t i = 0; i < sizeof(ipc) / sizeof(ipc[0]); i++)
		if (str_eq(name, ipc[i]))
			return has_namespace(b, NAMESPACE_IPC);
	return false;
}

/*
 * sysctl(8): "." and "/" both part words, and the first of them tells which; the other one is then
 * a dot within a word (net.ipv4.conf.eth0/100.forwarding). Rewritten to dots as parts.
 */
static void sysctl_with_dots(char *name)
{
	if (name[strcspn(name, "./")] != '/')
		return;
	for (; *name; name++)
		*name = *name == '/' ? '.' : *name == '.' ? '/' : *name;
}

/* Words of letters, digits, "_" and "-" between single dots: as a path it cannot lead elsewhere.
 */
static bool sysctl_well_formed(const char *name)
{
	static const char word[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	for (;;) {
		size_t n = strspn(name, word);

		if (n == 0)
			return false;
		if (name[n] == '\0')
			return true;
		if (name[n] != '.' && name[n] != '/')
			return false;
		name += n + 1;
	}
}

static int plan_sysctl(struct plan_builder *b, const Grpc__Linux__SysctlEntry *sent,
	struct plan_sysctl *ret, struct error *err)
{
	char *path, *name = arena_strdup(b->arena, sent->key);

	if (!name)
		return plan_no_memory(err);
	sysctl_with_dots(name);
	if (!sysctl_well_formed(name))
		return error_invalid(err, "Linux.Sysctl: \"%.80s\" is no name", sent->key);
	if (!sysctl_allowed(b, name))
		return error_invalid(err,
			"Linux.Sysctl: %.80s is not allowed (it is not of a namespace of this "
			"container)",
			sent->key);
	path = arena_printf(b->arena, "/proc/sys/%s", name);
	ret->name = name;
	ret->value = arena_strdup(b->arena, sent->value);
	if (!path || !ret->value)
		return plan_no_memory(err);
	for (char *p = path + strlen("/proc/sys/"); *p; p++)
		*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	ret->path = path;
	return 0;
}

int plan_sysctls(struct plan_builder *b, struct error *err)
{
	struct plan_sysctl *sysctls =
		arena_calloc(b->arena, b->linux->n_sysctl + 1, sizeof(*sysctls));

	if (!sysctls)
		return plan_no_memory(err);
	for (size_t i = 0; i < b->linux->n_sysctl; i++) {
		int r = plan_sysctl(b, b->linux->sysctl[i], &sysctls[i], err);

		if (r < 0)
			return r;
	}
	b->plan->sysctls = sysctls;
	b->plan->sysctl_count = b->linux->n_sysctl;
	return 0;
}
