/*
 * bundle_rewrite: a host's container becomes a guest's. What a runtime takes out of the
 * specification (host-side.md 5.2) is taken out; a wish that is lost by that is said or refused.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "run/bundle.h"

/* All errors begin alike: the file, then the property as it stands there. */
#define CONFIG "config.json: "

struct rewrite {
	Grpc__Spec *spec;
	struct arena *arena;
	void (*note)(const char *text);
	struct volumes *volumes;
	struct error *err;
};

static bool has_user_namespace(const Grpc__Spec *spec)
{
	for (size_t i = 0; i < spec->linux->n_namespaces; i++) {
		if (str_eq(spec->linux->namespaces[i]->type, "user"))
			return true;
	}
	return false;
}

/* ---- refused ------------------------------------------------------------------------------------
 */

/*
 * Hooks are looked for in the runtime's file system, on the host, but startContainer's, which are
 * the container's own programs (OCI config.md, POSIX-platform Hooks): those the agent runs.
 */
static int refuse_hooks(struct rewrite *w)
{
	const Grpc__Hooks *hooks = w->spec->hooks;
	const struct {
		const char *name;
		size_t count;
	} rows[] = {
		{"prestart", hooks ? hooks->n_prestart : 0},
		{"createRuntime", hooks ? hooks->n_createruntime : 0},
		{"createContainer", hooks ? hooks->n_createcontainer : 0},
		{"poststart", hooks ? hooks->n_poststart : 0},
		{"poststop", hooks ? hooks->n_poststop : 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].count)
			return error_invalid(w->err,
				CONFIG
				"hooks.%s: these are programs of the host, which a VM cannot "
				"run; startContainer hooks, the container's own, can be",
				rows[i].name);
	}
	if (hooks && !hooks->n_startcontainer)
		w->spec->hooks = NULL;
	return 0;
}

static int refuse_labels(struct rewrite *w)
{
	const struct {
		const char *name, *value, *why;
	} rows[] = {
		{"process.apparmorProfile", w->spec->process->apparmorprofile,
			"the guest's kernel has no profiles loaded"},
		{"process.selinuxLabel", w->spec->process->selinuxlabel,
			"the guest has no SELinux policy"},
		{"linux.mountLabel", w->spec->linux->mountlabel, "the guest has no SELinux policy"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!str_empty(rows[i].value))
			return error_invalid(w->err, CONFIG "%s '%.100s': %s", rows[i].name,
				rows[i].value, rows[i].why);
	}
	if (w->spec->linux->intelrdt)
		return error_invalid(w->err, CONFIG "linux.intelRdt: a VM has no part in it");
	return 0;
}

static bool names_devices(const Grpc__LinuxBlockIO *io)
{
	return io->n_weightdevice || io->n_throttlereadbpsdevice || io->n_throttlewritebpsdevice ||
	       io->n_throttlereadiopsdevice || io->n_throttlewriteiopsdevice;
}

/* ---- namespaces ---------------------------------------------------------------------------------
 */

/*
 * network: the guest has no network, or it is the container's; but sysfs can be mounted in a user
 * namespace only together with a network namespace of its own, so there it stays. time: without
 * offsets, which the protocol cannot carry, a new one is like the old.
 */
static bool is_left_out(const struct rewrite *w, const char *type)
{
	return str_eq(type, "time") || (str_eq(type, "network") && !has_user_namespace(w->spec));
}

static int add_network_namespace(struct rewrite *w)
{
	Grpc__Linux *linux_part = w->spec->linux;
	Grpc__LinuxNamespace *network = arena_calloc(w->arena, 1, sizeof(*network));
	Grpc__LinuxNamespace **list = arena_calloc(
		w->arena, linux_part->n_namespaces + 1, sizeof(Grpc__LinuxNamespace *));

	if (!network || !list)
		return error_errno(w->err, ENOMEM, CONFIG "linux.namespaces");
	for (size_t i = 0; i < linux_part->n_namespaces; i++) {
		if (str_eq(linux_part->namespaces[i]->type, "network"))
			return 0;
		list[i] = linux_part->namespaces[i];
	}
	grpc__linux_namespace__init(network);
	network->type = arena_strdup(w->arena, "network");
	list[linux_part->n_namespaces++] = network;
	linux_part->namespaces = list;
	return network->type ? 0 : error_errno(w->err, ENOMEM, CONFIG "linux.namespaces");
}

static int rewrite_namespaces(struct rewrite *w)
{
	Grpc__Linux *linux_part = w->spec->linux;
	size_t kept = 0;

	for (size_t i = 0; i < linux_part->n_namespaces; i++) {
		Grpc__LinuxNamespace *namespace = linux_part->namespaces[i];

		if (!str_empty(namespace->path))
			return error_invalid(w->err,
				CONFIG "linux.namespaces: %.40s has the path '%.200s': a VM cannot "
				       "join a namespace of the host",
				namespace->type, namespace->path);
		if (!is_left_out(w, namespace->type))
			linux_part->namespaces[kept++] = namespace;
	}
	linux_part->n_namespaces = kept;
	return has_user_namespace(w->spec) ? add_network_namespace(w) : 0;
}

/* ---- mounts -------------------------------------------------------------------------------------
 */

static bool is_bind(const Grpc__Mount *mount)
{
	if (str_eq(mount->type, "bind"))
		return true;
	for (size_t i = 0; i < mount->n_options; i++) {
		if (str_eq(mount->options[i], "bind") || str_eq(mount->options[i], "rbind"))
			return true;
	}
	return false;
}

/* A bind of the host's /proc or /sys, as rootless bundles have it, becomes a mount of the guest's.
 */
static bool become_own(struct rewrite *w, Grpc__Mount *mount)
{
	static const struct {
		const char *source, *type;
	} rows[] = {{"/sys", "sysfs"}, {"/proc", "proc"}};
	size_t kept = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!str_eq(mount->source, rows[i].source))
			continue;
		mount->type = arena_strdup(w->arena, rows[i].type);
		mount->source = mount->type;
		for (size_t o = 0; o < mount->n_options; o++) {
			if (!str_eq(mount->options[o], "bind") &&
				!str_eq(mount->options[o], "rbind"))
				mount->options[kept++] = mount->options[o];
		}
		mount->n_options = kept;
		return mount->type != NULL;
	}
	return false;
}

static bool is_of_the_kernel(const char *type)
{
	static const char *const types[] = {"proc", "sysfs", "cgroup", "cgroup2", "mqueue",
		"devpts", "tmpfs", "ramfs", "hugetlbfs", "securityfs", "debugfs", "tracefs", "bpf"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (str_eq(type, types[i]))
			return true;
	}
	return false;
}

static bool is_read_only(const Grpc__Mount *mount)
{
	bool read_only = false;

	for (size_t i = 0; i < mount->n_options; i++) {
		if (str_eq(mount->options[i], "ro"))
			read_only = true;
		else if (str_eq(mount->options[i], "rw"))
			read_only = false;
	}
	return read_only;
}

/* A folder or file of the host: what it is, is looked at later. */
static int collect_volume(struct rewrite *w, Grpc__Mount *mount)
{
	struct volumes *volumes = w->volumes;

	if (str_empty(mount->source) || volume_is_of_the_kernel(mount->source))
		return error_invalid(w->err,
			CONFIG "mounts: %.200s is a bind of the host's '%.200s', which is not in "
			       "the VM",
			mount->destination, mount->source);
	if (volumes->count == VOLUMES_MAX)
		return error_invalid(w->err,
			CONFIG "mounts: %.200s: more than %d binds of the host's folders and files",
			mount->destination, VOLUMES_MAX);
	volumes->list[volumes->count++] = (struct volume){.host = mount->source,
		.guest = mount->destination,
		.read_only = is_read_only(mount),
		.mount = mount};
	return 1;
}

/* 1: stays, 0: is left out, negative: refused. */
static int rewrite_mount(struct rewrite *w, Grpc__Mount *mount)
{
	if (is_bind(mount) && str_eq(mount->destination, "/etc/resolv.conf")) {
		w->note("config.json: mounts: /etc/resolv.conf is left out: it is the host's "
			"(--net user brings the VM's)");
		return 0;
	}
	/* The pod's containers share an ipc namespace, which no container's user namespace owns. */
	if (str_eq(mount->type, "mqueue") && has_user_namespace(w->spec)) {
		w->note("config.json: mounts: the mqueue is left out: in a VM a user namespace "
			"cannot mount it");
		return 0;
	}
	if (is_bind(mount) && !become_own(w, mount))
		return collect_volume(w, mount);
	if (!is_of_the_kernel(mount->type))
		return error_invalid(w->err,
			CONFIG "mounts: %.200s: a file system of type '%.40s' on the host's "
			       "'%.200s' is not in the VM",
			mount->destination, mount->type, mount->source);
	return 1;
}

static int rewrite_mounts(struct rewrite *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->spec->n_mounts; i++) {
		int r = rewrite_mount(w, w->spec->mounts[i]);

		if (r < 0)
			return r;
		if (r > 0)
			w->spec->mounts[kept++] = w->spec->mounts[i];
	}
	w->spec->n_mounts = kept;
	return 0;
}

/* ---- id mappings --------------------------------------------------------------------------------
 */

static void rewrite_mapping(Grpc__LinuxIDMapping **list, size_t count, uint32_t ours)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i]->hostid == ours && list[i]->size == 1)
			list[i]->hostid = 0;
	}
}

/*
 * A rootless bundle maps the container's root to the user who unpacked it and owns its files. What
 * he packs belongs to root in the image (image_build.c), as it does on his volumes.
 */
static int rewrite_mappings(struct rewrite *w)
{
	Grpc__Linux *linux_part = w->spec->linux;

	if (geteuid() == 0)
		return 0;
	rewrite_mapping(linux_part->uidmappings, linux_part->n_uidmappings, geteuid());
	rewrite_mapping(linux_part->gidmappings, linux_part->n_gidmappings, getegid());
	return 0;
}

/* ---- resources ----------------------------------------------------------------------------------
 */

static void drop_cpuset(struct rewrite *w, Grpc__LinuxCPU *cpu)
{
	if (str_empty(cpu->cpus) && str_empty(cpu->mems))
		return;
	w->note("config.json: linux.resources.cpu: cpus and mems are left out: they are the "
		"host's, --cpus says how many the VM has");
	cpu->cpus = (char *)protobuf_c_empty_string;
	cpu->mems = (char *)protobuf_c_empty_string;
}

static int rewrite_resources(struct rewrite *w)
{
	Grpc__LinuxResources *resources = w->spec->linux->resources;
	const Grpc__LinuxNetwork *network = resources->network;

	if (resources->cpu)
		drop_cpuset(w, resources->cpu);
	if (network && (network->classid || network->n_priorities))
		return error_invalid(
			w->err, CONFIG "linux.resources.network: the VM has no network to shape");
	resources->network = NULL;
	if (resources->blockio && names_devices(resources->blockio))
		return error_invalid(w->err,
			CONFIG "linux.resources.blockIO: its device numbers are the host's");
	return 0;
}

int bundle_rewrite(Grpc__Spec *spec, struct arena *arena, void (*note)(const char *text),
	struct volumes *volumes, struct error *err)
{
	struct rewrite w = {
		.spec = spec, .arena = arena, .note = note, .volumes = volumes, .err = err};
	static int (*const steps[])(struct rewrite * w) = {refuse_hooks, refuse_labels,
		rewrite_namespaces, rewrite_mounts, rewrite_mappings, rewrite_resources};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](&w);
	return r;
}
