/* container_spec: the OCI spec and the storages of a `cradle run` container. */
#include "run/container_spec.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "run/container_spec_parts.h"
#include "vm/guest_net.h"

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

static void build_mounts(struct spec_builder *b, Grpc__Spec *oci)
{
	oci->mounts = spec_new(b, ARRAY_SIZE(mount_rows), sizeof(*oci->mounts));
	for (size_t i = 0; !b->failed && i < ARRAY_SIZE(mount_rows); i++) {
		Grpc__Mount *mount = spec_new(b, 1, sizeof(*mount));

		if (!mount)
			return;
		grpc__mount__init(mount);
		mount->destination = spec_text(b, mount_rows[i].destination);
		mount->type = spec_text(b, mount_rows[i].type);
		mount->source = spec_text(b, mount_rows[i].source);
		mount->options = spec_words(b, mount_rows[i].options, &mount->n_options);
		oci->mounts[oci->n_mounts++] = mount;
	}
}

/* ---- process --------------------------------------------------------------------------------- */

/* Docker's default set. */
static const char default_capabilities[] =
	"CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FSETID,CAP_FOWNER,CAP_MKNOD,CAP_NET_RAW,CAP_SETGID,"
	"CAP_SETUID,CAP_SETFCAP,CAP_SETPCAP,CAP_NET_BIND_SERVICE,CAP_SYS_CHROOT,CAP_KILL,"
	"CAP_AUDIT_WRITE";

/* Who is not root keeps the bounding set only, as after a setuid: execve of a plain file drops all.
 */
static void build_capabilities(struct spec_builder *b, Grpc__Process *process)
{
	Grpc__LinuxCapabilities *caps = spec_new(b, 1, sizeof(*caps));

	if (!caps)
		return;
	grpc__linux_capabilities__init(caps);
	process->capabilities = caps;
	caps->bounding = spec_words(b, default_capabilities, &caps->n_bounding);
	if (b->spec->user->uid != 0)
		return;
	caps->effective = spec_words(b, default_capabilities, &caps->n_effective);
	caps->permitted = spec_words(b, default_capabilities, &caps->n_permitted);
}

static bool same_key(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return len == strcspn(b, "=") && memcmp(a, b, len) == 0;
}

/* The first of a key wins its place, the last its value. */
void spec_put_env(Grpc__Process *process, char *entry)
{
	for (size_t i = 0; i < process->n_env; i++) {
		if (same_key(process->env[i], entry)) {
			process->env[i] = entry;
			return;
		}
	}
	process->env[process->n_env++] = entry;
}

static void build_env(struct spec_builder *b, Grpc__Process *process)
{
	process->env = spec_new(b, b->spec->env_count + 4, sizeof(*process->env));
	if (!process->env)
		return;
	spec_put_env(process,
		spec_text(b, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	spec_put_env(process, spec_print(b, "%s%s", "HOSTNAME=", b->spec->id));
	spec_put_env(process, spec_print(b, "%s%s", "HOME=", b->spec->user->home));
	if (b->spec->terminal && b->spec->term)
		spec_put_env(process, spec_print(b, "%s%s", "TERM=", b->spec->term));
	if (b->failed)
		return;
	for (size_t i = 0; i < b->spec->env_count; i++)
		spec_put_env(process, b->spec->env[i]);
}

void spec_build_args(struct spec_builder *b, Grpc__Process *process)
{
	size_t count = b->spec->arg_count ? b->spec->arg_count : 1;

	process->args = spec_new(b, count, sizeof(*process->args));
	if (!process->args)
		return;
	process->n_args = count;
	process->args[0] = b->spec->arg_count ? NULL : spec_text(b, "/bin/sh");
	for (size_t i = 0; i < b->spec->arg_count; i++)
		process->args[i] = b->spec->args[i];
}

void spec_build_user(struct spec_builder *b, Grpc__Process *process)
{
	const struct user_identity *who = b->spec->user;
	Grpc__User *user = spec_new(b, 1, sizeof(*user));

	if (!user)
		return;
	grpc__user__init(user);
	user->uid = who->uid;
	user->gid = who->gid;
	user->n_additionalgids = who->group_count;
	user->additionalgids = spec_new(b, who->group_count, sizeof(*user->additionalgids));
	if (user->additionalgids)
		memcpy(user->additionalgids, who->groups,
			who->group_count * sizeof(*user->additionalgids));
	process->user = user;
}

static void build_process(struct spec_builder *b, Grpc__Spec *oci)
{
	Grpc__Process *process = spec_new(b, 1, sizeof(*process));

	if (!process)
		return;
	grpc__process__init(process);
	oci->process = process;
	process->cwd = spec_text(b, b->spec->workdir ? b->spec->workdir : "/");
	spec_build_args(b, process);
	build_env(b, process);
	spec_build_user(b, process);
	spec_build_terminal(b, process);
	build_capabilities(b, process);
}

/* ---- the linux part -------------------------------------------------------------------------- */

static const char masked_paths[] =
	"/proc/asound,/proc/acpi,/proc/kcore,/proc/keys,/proc/latency_stats,/proc/timer_list,"
	"/proc/timer_stats,/proc/sched_debug,/proc/scsi,/sys/firmware,"
	"/sys/devices/virtual/powercap";
static const char readonly_paths[] = "/proc/bus,/proc/fs,/proc/irq,/proc/sys,/proc/sysrq-trigger";
/* No network namespace: the guest has no network, or the container's own. */
static const char namespace_types[] = "pid,ipc,uts,mount,cgroup";

static void build_resources(struct spec_builder *b, Grpc__Linux *linux_part)
{
	Grpc__LinuxResources *resources = spec_new(b, 1, sizeof(*resources));
	Grpc__LinuxMemory *memory = spec_new(b, 1, sizeof(*memory));
	Grpc__LinuxPids *pids = spec_new(b, 1, sizeof(*pids));
	Grpc__LinuxCPU *cpu = spec_new(b, 1, sizeof(*cpu));

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
	spec_build_devices(b, resources);
	linux_part->resources = resources;
}

static void build_namespaces(struct spec_builder *b, Grpc__Linux *linux_part)
{
	size_t count;
	char **types = spec_words(b, namespace_types, &count);

	linux_part->namespaces = spec_new(b, count, sizeof(*linux_part->namespaces));
	for (size_t i = 0; !b->failed && i < count; i++) {
		Grpc__LinuxNamespace *namespace = spec_new(b, 1, sizeof(*namespace));

		if (!namespace)
			return;
		grpc__linux_namespace__init(namespace);
		namespace->type = types[i];
		linux_part->namespaces[linux_part->n_namespaces++] = namespace;
	}
}

static void build_linux(struct spec_builder *b, Grpc__Spec *oci)
{
	Grpc__Linux *linux_part = spec_new(b, 1, sizeof(*linux_part));

	if (!linux_part)
		return;
	grpc__linux__init(linux_part);
	oci->linux = linux_part;
	linux_part->cgroupspath = spec_print(b, "%s%s", "/cradle/", b->spec->id);
	linux_part->maskedpaths = spec_words(b, masked_paths, &linux_part->n_maskedpaths);
	linux_part->readonlypaths = spec_words(b, readonly_paths, &linux_part->n_readonlypaths);
	build_namespaces(b, linux_part);
	build_resources(b, linux_part);
}

static void build_oci(struct spec_builder *b, Grpc__CreateContainerRequest *request)
{
	Grpc__Spec *oci = spec_new(b, 1, sizeof(*oci));
	Grpc__Root *root = spec_new(b, 1, sizeof(*root));

	if (b->failed)
		return;
	grpc__spec__init(oci);
	grpc__root__init(root);
	oci->version = spec_text(b, "1.0.2");
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

static bool has_user_namespace(const Grpc__Spec *oci)
{
	for (size_t i = 0; i < oci->linux->n_namespaces; i++) {
		if (str_eq(oci->linux->namespaces[i]->type, "user"))
			return true;
	}
	return false;
}

static int check(const struct container_spec *spec, struct error *err)
{
	int r = 0;

	if (spec->network && spec->bundle && has_user_namespace(spec->bundle))
		return error_invalid(err,
			"--net user: the bundle's user namespace comes with a network namespace of "
			"its own, which the VM's network does not reach");

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
	struct spec_builder b = {.arena = arena, .spec = spec};
	Grpc__CreateContainerRequest *request;

	if (check(spec, err) < 0)
		return NULL;
	request = spec_new(&b, 1, sizeof(*request));
	if (request) {
		grpc__create_container_request__init(request);
		request->container_id = spec_text(&b, spec->id);
		request->exec_id = spec_text(&b, spec->id);
		if (spec->bundle)
			spec_adopt_bundle(&b, request);
		else
			build_oci(&b, request);
	}
	if (!b.failed)
		spec_build_storages(&b, request);
	if (!b.failed && spec->volumes)
		spec_build_volumes(&b, request);
	if (!b.failed && spec->network)
		spec_add_mount(&b, request->oci, "/etc/resolv.conf", "bind", GUEST_NET_RESOLV_CONF,
			"bind,nosuid,nodev,noexec");
	if (b.failed) {
		error_errno(err, ENOMEM, "container %s: its specification", spec->id);
		return NULL;
	}
	return request;
}
