/* container_spec: the OCI spec and the storages of a `cradle run` container. */
#include "run/container_spec.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"

struct builder {
	struct arena *arena;
	const struct container_spec *spec;
	bool failed;
};

static void *new_zeroed(struct builder *b, size_t count, size_t size)
{
	void *p = arena_calloc(b->arena, count ? count : 1, size);

	if (!p)
		b->failed = true;
	return p;
}

static char *text(struct builder *b, const char *s)
{
	char *copy = arena_strdup(b->arena, s);

	if (!copy)
		b->failed = true;
	return copy;
}

/* Words of a table row, separated by commas, as a list of strings. */
static char **words(struct builder *b, const char *row, size_t *count)
{
	char **list = new_zeroed(b, strlen(row) / 2 + 1, sizeof(*list));
	char *at = text(b, row), *word;

	*count = 0;
	if (!list || !at)
		return NULL;
	while ((word = strsep(&at, ","))) {
		if (*word)
			list[(*count)++] = word;
	}
	return list;
}

/* ---- mounts ---------------------------------------------------------------------------------- */

/* As runc and Docker set up a container; the cgroup mount shows the container only its own. */
static const struct {
	const char *destination, *type, *source, *options;
} mount_rows[] = {
	{"/proc", "proc", "proc", "nosuid,noexec,nodev"},
	{"/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"},
	{"/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
	{"/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"},
	{"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
	{"/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"},
	{"/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"},
};

static void build_mounts(struct builder *b, Grpc__Spec *oci)
{
	oci->mounts = new_zeroed(b, ARRAY_SIZE(mount_rows), sizeof(*oci->mounts));
	for (size_t i = 0; !b->failed && i < ARRAY_SIZE(mount_rows); i++) {
		Grpc__Mount *mount = new_zeroed(b, 1, sizeof(*mount));

		if (!mount)
			return;
		grpc__mount__init(mount);
		mount->destination = text(b, mount_rows[i].destination);
		mount->type = text(b, mount_rows[i].type);
		mount->source = text(b, mount_rows[i].source);
		mount->options = words(b, mount_rows[i].options, &mount->n_options);
		oci->mounts[oci->n_mounts++] = mount;
	}
}

static Grpc__Storage *add_storage(struct builder *b, Grpc__CreateContainerRequest *request,
	const char *driver, const char *source, const char *fstype, const char *mount_point)
{
	Grpc__Storage *storage = new_zeroed(b, 1, sizeof(*storage));

	if (!storage)
		return NULL;
	grpc__storage__init(storage);
	storage->driver = text(b, driver);
	storage->source = text(b, source);
	storage->fstype = text(b, fstype);
	storage->mount_point = text(b, mount_point);
	request->storages[request->n_storages++] = storage;
	return storage;
}

static char *print(struct builder *b, const char *format, const char *a, const char *c)
{
	char *out = arena_printf(b->arena, format, a, c);

	if (!out)
		b->failed = true;
	return out;
}

/* Where storages are mounted: below the share's folder, as the runtimes do (host-side.md 5.2). */
#define STORAGE_ROOT "/run/kata-containers/shared/containers/"
/* overlayfs driver option of the agent: directories to make first (agent-api-guest.md). */
#define CREATE_DIRECTORY "io.katacontainers.volume.overlayfs.create_directory="

static void set_options(
	struct builder *b, Grpc__Storage *storage, char *first, char *second, char *third)
{
	storage->options = new_zeroed(b, 3, sizeof(*storage->options));
	if (!storage->options)
		return;
	storage->options[storage->n_options++] = first;
	if (second)
		storage->options[storage->n_options++] = second;
	if (third)
		storage->options[storage->n_options++] = third;
}

/*
 * The image read-only, a tmpfs of the container's own for what it writes (its pages are charged to
 * the writer's cgroup, so the limit covers them; gone with the container), and both as one overlay.
 */
static void build_storages(struct builder *b, Grpc__CreateContainerRequest *request)
{
	const char *id = b->spec->id;
	char *lower = print(b, STORAGE_ROOT "%s%s", id, "/lower");
	char *rw = print(b, STORAGE_ROOT "%s%s", id, "/rw");
	char *root = print(b, STORAGE_ROOT "%s%s", id, "/rootfs");
	char *upper = rw ? print(b, "%s%s", rw, "/upper") : NULL;
	char *work = rw ? print(b, "%s%s", rw, "/work") : NULL;
	char *size = arena_printf(b->arena, "size=%llu", (unsigned long long)b->spec->memory_bytes);
	Grpc__Storage *image, *tmpfs, *overlay;

	request->storages = new_zeroed(b, 3, sizeof(*request->storages));
	if (b->failed || !size || !upper || !work)
		goto failed;
	image = add_storage(b, request, "blk", b->spec->image_device, "erofs", lower);
	tmpfs = add_storage(b, request, "ephemeral", "tmpfs", "tmpfs", rw);
	overlay = add_storage(b, request, "overlayfs", "overlay", "overlay", root);
	if (!image || !tmpfs || !overlay)
		goto failed;
	set_options(b, image, text(b, "ro"), NULL, NULL);
	set_options(b, tmpfs, text(b, "mode=0755"), size, NULL);
	set_options(b, overlay, print(b, "%s%s", "lowerdir=", lower),
		print(b, "%s%s", "upperdir=", upper), print(b, "%s%s", "workdir=", work));
	overlay->driver_options = new_zeroed(b, 2, sizeof(*overlay->driver_options));
	if (!overlay->driver_options)
		goto failed;
	overlay->driver_options[overlay->n_driver_options++] =
		print(b, "%s%s", CREATE_DIRECTORY, upper);
	overlay->driver_options[overlay->n_driver_options++] =
		print(b, "%s%s", CREATE_DIRECTORY, work);
	request->oci->root->path = root;
	return;
failed:
	b->failed = true;
}

/* ---- process --------------------------------------------------------------------------------- */

/* Docker's default set. */
static const char default_capabilities[] =
	"CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FSETID,CAP_FOWNER,CAP_MKNOD,CAP_NET_RAW,CAP_SETGID,"
	"CAP_SETUID,CAP_SETFCAP,CAP_SETPCAP,CAP_NET_BIND_SERVICE,CAP_SYS_CHROOT,CAP_KILL,"
	"CAP_AUDIT_WRITE";

/* Who is not root keeps the bounding set only, as after a setuid: execve of a plain file drops all.
 */
static void build_capabilities(struct builder *b, Grpc__Process *process)
{
	Grpc__LinuxCapabilities *caps = new_zeroed(b, 1, sizeof(*caps));

	if (!caps)
		return;
	grpc__linux_capabilities__init(caps);
	process->capabilities = caps;
	caps->bounding = words(b, default_capabilities, &caps->n_bounding);
	if (b->spec->user->uid != 0)
		return;
	caps->effective = words(b, default_capabilities, &caps->n_effective);
	caps->permitted = words(b, default_capabilities, &caps->n_permitted);
}

static bool same_key(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return len == strcspn(b, "=") && memcmp(a, b, len) == 0;
}

/* The first of a key wins its place, the last its value. */
static void put_env(Grpc__Process *process, char *entry)
{
	for (size_t i = 0; i < process->n_env; i++) {
		if (same_key(process->env[i], entry)) {
			process->env[i] = entry;
			return;
		}
	}
	process->env[process->n_env++] = entry;
}

static void build_env(struct builder *b, Grpc__Process *process)
{
	process->env = new_zeroed(b, b->spec->env_count + 3, sizeof(*process->env));
	if (!process->env)
		return;
	put_env(process,
		text(b, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	put_env(process, print(b, "%s%s", "HOSTNAME=", b->spec->id));
	put_env(process, print(b, "%s%s", "HOME=", b->spec->user->home));
	if (b->failed)
		return;
	for (size_t i = 0; i < b->spec->env_count; i++)
		put_env(process, b->spec->env[i]);
}

static void build_args(struct builder *b, Grpc__Process *process)
{
	size_t count = b->spec->arg_count ? b->spec->arg_count : 1;

	process->args = new_zeroed(b, count, sizeof(*process->args));
	if (!process->args)
		return;
	process->n_args = count;
	process->args[0] = b->spec->arg_count ? NULL : text(b, "/bin/sh");
	for (size_t i = 0; i < b->spec->arg_count; i++)
		process->args[i] = b->spec->args[i];
}

static void build_user(struct builder *b, Grpc__Process *process)
{
	const struct user_identity *who = b->spec->user;
	Grpc__User *user = new_zeroed(b, 1, sizeof(*user));

	if (!user)
		return;
	grpc__user__init(user);
	user->uid = who->uid;
	user->gid = who->gid;
	user->n_additionalgids = who->group_count;
	user->additionalgids = new_zeroed(b, who->group_count, sizeof(*user->additionalgids));
	if (user->additionalgids)
		memcpy(user->additionalgids, who->groups,
			who->group_count * sizeof(*user->additionalgids));
	process->user = user;
}

static void build_process(struct builder *b, Grpc__Spec *oci)
{
	Grpc__Process *process = new_zeroed(b, 1, sizeof(*process));

	if (!process)
		return;
	grpc__process__init(process);
	oci->process = process;
	process->cwd = text(b, b->spec->workdir ? b->spec->workdir : "/");
	build_args(b, process);
	build_env(b, process);
	build_user(b, process);
	build_capabilities(b, process);
}

/* ---- the linux part -------------------------------------------------------------------------- */

static const char masked_paths[] =
	"/proc/asound,/proc/acpi,/proc/kcore,/proc/keys,/proc/latency_stats,/proc/timer_list,"
	"/proc/timer_stats,/proc/sched_debug,/proc/scsi,/sys/firmware,"
	"/sys/devices/virtual/powercap";
static const char readonly_paths[] = "/proc/bus,/proc/fs,/proc/irq,/proc/sys,/proc/sysrq-trigger";
/* No network namespace: the guest has no network to keep a container out of. */
static const char namespace_types[] = "pid,ipc,uts,mount,cgroup";

/* Docker's devices: nothing but these character devices, and ptys. */
static const struct {
	bool allow;
	const char *type;
	int64_t major, minor;
	const char *access;
} device_rows[] = {
	{false, "a", -1, -1, "rwm"}, /* first of all: nothing */
	{true, "c", -1, -1, "m"},    /* nodes may be made, not opened */
	{true, "b", -1, -1, "m"},    /* the same */
	{true, "c", 1, 3, "rwm"},    /* null */
	{true, "c", 1, 5, "rwm"},    /* zero */
	{true, "c", 1, 7, "rwm"},    /* full */
	{true, "c", 1, 8, "rwm"},    /* random */
	{true, "c", 1, 9, "rwm"},    /* urandom */
	{true, "c", 5, 0, "rwm"},    /* tty */
	{true, "c", 5, 1, "rwm"},    /* console */
	{true, "c", 5, 2, "rwm"},    /* ptmx */
	{true, "c", 136, -1, "rwm"}, /* pts */
};

static void build_devices(struct builder *b, Grpc__LinuxResources *resources)
{
	resources->devices = new_zeroed(b, ARRAY_SIZE(device_rows), sizeof(*resources->devices));
	for (size_t i = 0; !b->failed && i < ARRAY_SIZE(device_rows); i++) {
		Grpc__LinuxDeviceCgroup *rule = new_zeroed(b, 1, sizeof(*rule));

		if (!rule)
			return;
		grpc__linux_device_cgroup__init(rule);
		rule->allow = device_rows[i].allow;
		rule->type = text(b, device_rows[i].type);
		rule->major = device_rows[i].major;
		rule->minor = device_rows[i].minor;
		rule->access = text(b, device_rows[i].access);
		resources->devices[resources->n_devices++] = rule;
	}
}

static void build_resources(struct builder *b, Grpc__Linux *linux_part)
{
	Grpc__LinuxResources *resources = new_zeroed(b, 1, sizeof(*resources));
	Grpc__LinuxMemory *memory = new_zeroed(b, 1, sizeof(*memory));
	Grpc__LinuxPids *pids = new_zeroed(b, 1, sizeof(*pids));
	Grpc__LinuxCPU *cpu = new_zeroed(b, 1, sizeof(*cpu));

	if (b->failed)
		return;
	grpc__linux_resources__init(resources);
	grpc__linux_memory__init(memory);
	memory->limit = (int64_t)b->spec->memory_bytes;
	grpc__linux_pids__init(pids);
	pids->limit = CONTAINER_SPEC_PIDS_MAX;
	resources->memory = memory;
	resources->pids = pids;
	if (b->spec->cpu_quota > 0) {
		grpc__linux_cpu__init(cpu);
		cpu->quota = b->spec->cpu_quota;
		cpu->period = b->spec->cpu_period;
		resources->cpu = cpu;
	}
	build_devices(b, resources);
	linux_part->resources = resources;
}

static void build_namespaces(struct builder *b, Grpc__Linux *linux_part)
{
	size_t count;
	char **types = words(b, namespace_types, &count);

	linux_part->namespaces = new_zeroed(b, count, sizeof(*linux_part->namespaces));
	for (size_t i = 0; !b->failed && i < count; i++) {
		Grpc__LinuxNamespace *namespace = new_zeroed(b, 1, sizeof(*namespace));

		if (!namespace)
			return;
		grpc__linux_namespace__init(namespace);
		namespace->type = types[i];
		linux_part->namespaces[linux_part->n_namespaces++] = namespace;
	}
}

static void build_linux(struct builder *b, Grpc__Spec *oci)
{
	Grpc__Linux *linux_part = new_zeroed(b, 1, sizeof(*linux_part));

	if (!linux_part)
		return;
	grpc__linux__init(linux_part);
	oci->linux = linux_part;
	linux_part->cgroupspath = print(b, "%s%s", "/cradle/", b->spec->id);
	linux_part->maskedpaths = words(b, masked_paths, &linux_part->n_maskedpaths);
	linux_part->readonlypaths = words(b, readonly_paths, &linux_part->n_readonlypaths);
	build_namespaces(b, linux_part);
	build_resources(b, linux_part);
}

static void build_oci(struct builder *b, Grpc__CreateContainerRequest *request)
{
	Grpc__Spec *oci = new_zeroed(b, 1, sizeof(*oci));
	Grpc__Root *root = new_zeroed(b, 1, sizeof(*root));

	if (b->failed)
		return;
	grpc__spec__init(oci);
	grpc__root__init(root);
	oci->version = text(b, "1.0.2");
	oci->hostname = arena_strndup(b->arena, b->spec->id, 63);
	oci->root = root;
	request->oci = oci;
	build_process(b, oci);
	build_mounts(b, oci);
	build_linux(b, oci);
}

/* ---- what is asked --------------------------------------------------------------------------- */

bool container_id_valid(const char *id)
{
	size_t len = strlen(id);

	if (len < 2 || len > 128 || !isalnum((unsigned char)id[0]))
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
	       len;
}

static int check_text(const char *what, const char *value, struct error *err)
{
	if (!utf8_valid(value, strlen(value)))
		return error_invalid(
			err, "%s '%s': not UTF-8, which the protocol cannot carry", what, value);
	return 0;
}

static int check(const struct container_spec *spec, struct error *err)
{
	int r = 0;

	if (!container_id_valid(spec->id))
		return error_invalid(err,
			"--name '%s': 2 to 128 of letters, digits, '.', '-', '_', beginning with a "
			"letter or digit",
			spec->id);
	if (spec->workdir && spec->workdir[0] != '/')
		return error_invalid(err, "--workdir '%s' is not an absolute path", spec->workdir);
	for (size_t i = 0; r == 0 && i < spec->env_count; i++) {
		if (!strchr(spec->env[i], '=') || spec->env[i][0] == '=')
			return error_invalid(err, "--env '%s' is not KEY=VALUE", spec->env[i]);
		r = check_text("--env", spec->env[i], err);
	}
	for (size_t i = 0; r == 0 && i < spec->arg_count; i++)
		r = check_text("argument", spec->args[i], err);
	if (r == 0 && spec->workdir)
		r = check_text("--workdir", spec->workdir, err);
	return r;
}

Grpc__CreateContainerRequest *container_spec_build(
	struct arena *arena, const struct container_spec *spec, struct error *err)
{
	struct builder b = {.arena = arena, .spec = spec};
	Grpc__CreateContainerRequest *request;

	if (check(spec, err) < 0)
		return NULL;
	request = new_zeroed(&b, 1, sizeof(*request));
	if (request) {
		grpc__create_container_request__init(request);
		request->container_id = text(&b, spec->id);
		request->exec_id = text(&b, spec->id);
		build_oci(&b, request);
	}
	if (!b.failed)
		build_storages(&b, request);
	if (b.failed) {
		error_errno(err, ENOMEM, "container %s: its specification", spec->id);
		return NULL;
	}
	return request;
}
