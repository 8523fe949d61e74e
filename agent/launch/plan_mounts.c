/*
 * plan_mounts: the part of a plan about file systems: mounts, masked and read-only paths, devices.
 * Rules: agent-api-containers.md section 8, OCI runtime spec config.md "Mounts".
 */
#include "launch/plan_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "kernel/mount.h"

/* ---- mounts --------------------------------------------------------------------------------- */

/* Files of /proc over which lxcfs and the like put their own. */
static bool proc_file_allowed(const char *destination)
{
	static const char *const names[] = {
		"cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "net/dev"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(destination + strlen("/proc/"), names[i]))
			return true;
	return false;
}

static int check_bind(struct plan_mount *m, struct error *err)
{
	if (m->source[0] != '/')
		return error_invalid(err, "source \"%.200s\" of a bind is not absolute", m->source);
	m->type = "";
	/* The kernel has no ear for them; runtimes hand on what users write. */
	if (m->data)
		log_record(LOG_WARN, "launch", "options that mean nothing to a bind", "mount",
			m->what, "options", m->data, NULL);
	m->data = NULL;
	if (str_eq(m->destination, "/proc"))
		m->from_proc = true;
	if (!str_starts(m->destination, "/proc/"))
		return 0;
	if (!proc_file_allowed(m->destination))
		return error_invalid(err, "a bind must not lie inside /proc");
	m->over_proc = true;
	return 0;
}

static int mount_options(
	struct plan_builder *b, const Grpc__Mount *sent, struct plan_mount *m, struct error *err)
{
	struct mount_options options;
	int r = mount_options_parse(
		&options, (const char *const *)sent->options, sent->n_options, err);

	if (r < 0)
		return r;
	if (options.flags & MS_REMOUNT)
		return error_invalid(err, "option \"remount\" has no meaning here");
	m->flags = options.flags;
	m->cleared = options.cleared;
	m->propagation = options.propagation;
	m->all_set = options.all_set;
	m->all_cleared = options.all_cleared;
	m->copy_up = options.copy_up;
	if (options.data_len == 0)
		return 0;
	m->data = arena_strndup(b->arena, options.data, options.data_len);
	return m->data ? 0 : plan_no_memory(err);
}

/* context="..." makes every file of the mount carry the label; proc and sysfs label their own. */
static int add_mount_label(struct plan_builder *b, struct plan_mount *m, struct error *err)
{
	const char *label = b->linux->mountlabel;

	if (str_empty(label) || str_eq(m->type, "proc") || str_eq(m->type, "sysfs") ||
		str_eq(m->type, "mqueue") || str_eq(m->type, "cgroup2"))
		return 0;
	m->data = arena_printf(
		b->arena, "%s%scontext=\"%s\"", m->data ? m->data : "", m->data ? "," : "", label);
	if (!m->data)
		return plan_no_memory(err);
	if (strlen(m->data) >= MOUNT_DATA_MAX)
		return error_invalid(err, "options are longer than %d bytes", MOUNT_DATA_MAX - 1);
	return 0;
}

static int plan_file_system(struct plan_builder *b, struct plan_mount *m, struct error *err)
{
	if (str_empty(m->type))
		return error_invalid(err, "no type, and no bind");
	if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2")) {
		/* Always the unified hierarchy; words meant for v1 controllers say nothing to it.
		 */
		m->type = "cgroup2";
		m->data = NULL;
	}
	/* There is nothing below it yet. */
	m->flags |= m->all_set & ~m->cleared;
	m->plain_target = str_eq(m->type, "proc") || str_eq(m->type, "sysfs");
	m->late_readonly = str_eq(m->type, "tmpfs") && (m->flags & MS_RDONLY);
	if (m->late_readonly)
		m->flags &= ~(unsigned long)MS_RDONLY;
	return add_mount_label(b, m, err);
}

static int plan_mount(struct plan_builder *b, const Grpc__Mount *sent, size_t index,
	struct plan_mount *m, struct error *err)
{
	bool no_type = str_empty(sent->type) || str_eq(sent->type, "none");
	int r = plan_clean_path(b, "destination", sent->destination, &m->destination, err);

	if (r < 0)
		return r;
	if (str_eq(m->destination, "/"))
		return error_invalid(err, "a mount on / would hide the root file system");
	m->what = arena_printf(b->arena, "Mounts[%zu] %s", index, m->destination);
	m->source = arena_strdup(b->arena, sent->source);
	m->type = no_type ? "" : arena_strdup(b->arena, sent->type);
	if (!m->what || !m->source || !m->type)
		return plan_no_memory(err);
	r = mount_options(b, sent, m, err);
	if (r < 0)
		return r;
	if (str_eq(m->type, "bind"))
		m->flags |= MS_BIND;
	if (m->copy_up && ((m->flags & MS_BIND) || !str_eq(m->type, "tmpfs")))
		return error_invalid(err, "option \"tmpcopyup\" is for a tmpfs");
	return m->flags & MS_BIND ? check_bind(m, err) : plan_file_system(b, m, err);
}

static int plan_root(struct plan_builder *b, struct error *err)
{
	struct mount_options options;
	const char *word = b->linux->rootfspropagation;
	int r;

	b->plan->readonly_root = b->spec->root && b->spec->root->readonly;
	b->plan->selinux_mounts = !str_empty(b->linux->mountlabel);
	if (str_empty(word))
		return 0;
	mount_options_init(&options);
	r = mount_options_add(&options, word, err);
	if (r < 0)
		return r;
	if (!options.propagation)
		return error_invalid(err, "Linux.RootfsPropagation: unknown word \"%.60s\"", word);
	b->plan->root_propagation = options.propagation;
	return 0;
}

int plan_mounts(struct plan_builder *b, struct error *err)
{
	struct plan_mount *mounts = arena_calloc(b->arena, b->spec->n_mounts + 1, sizeof(*mounts));
	int r;

	if (!mounts)
		return plan_no_memory(err);
	b->plan->make_dev = true;
	for (size_t i = 0; i < b->spec->n_mounts; i++) {
		const Grpc__Mount *sent = b->spec->mounts[i];

		r = plan_mount(b, sent, i, &mounts[i], err);
		if (r < 0)
			return error_prefix(err, "Mounts[%zu] %.100s", i, sent->destination);
		if (str_eq(mounts[i].destination, "/dev"))
			b->plan->make_dev = !(mounts[i].flags & MS_BIND);
	}
	b->plan->mounts = mounts;
	b->plan->mount_count = b->spec->n_mounts;
	return plan_root(b, err);
}

/* ---- masked and read-only paths ------------------------------------------------------------- */

static int clean_paths(struct plan_builder *b, const char *field, char *const *sent, size_t count,
	const char *const **ret, struct error *err)
{
	const char **paths = arena_calloc(b->arena, count + 1, sizeof(*paths));

	if (!paths)
		return plan_no_memory(err);
	for (size_t i = 0; i < count; i++) {
		int r = plan_clean_path(b, field, sent[i], &paths[i], err);

		if (r < 0)
			return r;
		if (str_eq(paths[i], "/"))
			return error_invalid(err, "%s: / cannot be one", field);
	}
	*ret = paths;
	return 0;
}

int plan_paths(struct plan_builder *b, struct error *err)
{
	const Grpc__Linux *l = b->linux;
	int r = clean_paths(b, "Linux.MaskedPaths", l->maskedpaths, l->n_maskedpaths,
		&b->plan->masked_paths, err);

	if (r >= 0)
		r = clean_paths(b, "Linux.ReadonlyPaths", l->readonlypaths, l->n_readonlypaths,
			&b->plan->readonly_paths, err);
	b->plan->masked_count = l->n_maskedpaths;
	b->plan->readonly_count = l->n_readonlypaths;
	return r;
}

/* ---- devices -------------------------------------------------------------------------------- */

/* Numbers as makedev(3) of Linux can hold them. */
#define MAJOR_MAX 0xfff
#define MINOR_MAX 0xfffff

static int device_kind(const char *word, mode_t *ret)
{
	if (str_eq(word, "c") || str_eq(word, "u"))
		*ret = S_IFCHR;
	else if (str_eq(word, "b"))
		*ret = S_IFBLK;
	else if (str_eq(word, "p"))
		*ret = S_IFIFO;
	else
		return -EINVAL;
	return 0;
}

static int plan_device(struct plan_builder *b, const Grpc__LinuxDevice *sent,
	struct plan_device *ret, struct error *err)
{
	int r = plan_clean_path(b, "Linux.Devices.Path", sent->path, &ret->path, err);

	if (r < 0)
		return r;
	if (!str_starts(ret->path, "/dev/"))
		return error_invalid(err, "Linux.Devices: %.200s is not below /dev", sent->path);
	if (device_kind(sent->type, &ret->kind) < 0)
		return error_invalid(err, "Linux.Devices: %.100s: unknown type \"%.20s\"",
			sent->path, sent->type);
	if (ret->kind != S_IFIFO && (sent->major < 0 || sent->major > MAJOR_MAX ||
					    sent->minor < 0 || sent->minor > MINOR_MAX))
		return error_invalid(err,
			"Linux.Devices: %.100s: no device has the number %lld:%lld", sent->path,
			(long long)sent->major, (long long)sent->minor);
	if (ret->kind != S_IFIFO)
		ret->dev = makedev((unsigned)sent->major, (unsigned)sent->minor);
	if (sent->uid == UINT32_MAX || sent->gid == UINT32_MAX)
		return error_invalid(err, "Linux.Devices: %.100s: 4294967295 is no id", sent->path);
	ret->mode = sent->filemode & 07777;
	ret->uid = sent->uid;
	ret->gid = sent->gid;
	return 0;
}

int plan_devices(struct plan_builder *b, struct error *err)
{
	struct plan_device *devices =
		arena_calloc(b->arena, b->linux->n_devices + 1, sizeof(*devices));

	if (!devices)
		return plan_no_memory(err);
	for (size_t i = 0; i < b->linux->n_devices; i++) {
		int r = plan_device(b, b->linux->devices[i], &devices[i], err);

		if (r < 0)
			return r;
	}
	b->plan->devices = devices;
	b->plan->device_count = b->linux->n_devices;
	return 0;
}
