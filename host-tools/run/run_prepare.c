/* run_prepare: what a run needs before there is a VM; each step fails with words of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "run/run_internal.h"
#include "vm/qemu_command.h"
#include "vm/qemu_command.h"

int run_fail_early(struct run *run, const char *stage, const char *advice, const struct error *err)
{
	failure_wrap(&run->failure, stage, advice, err);
	return -1;
}

static int name_it(struct run *run)
{
	uint32_t random;

	if (run->options.name) {
		struct error err = ERROR_INIT;

		if (container_id_valid(run->options.name) &&
			str_copy(run->id, sizeof(run->id), run->options.name) == 0)
			return 0;
		error_invalid(&err,
			"--name '%s': 2 to 128 of letters, digits, '.', '-', '_', the first a "
			"letter "
			"or digit",
			run->options.name);
		return run_fail_early(run, "wrong name", NULL, &err);
	}
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint32_t)getpid();
	str_format(run->id, sizeof(run->id), "cradle-%08x", random);
	return 0;
}

static int find_guest(struct run *run)
{
	return vm_plan_find_guest(&run->plan, &run->options.vm, &run->failure);
}

/* What the bundle says counts where no option was given. */
static void take_bundle(struct run_options *options, const struct bundle *bundle)
{
	if (!options->rootfs)
		options->rootfs = bundle->rootfs;
	if (!options->vm.memory_bytes)
		options->vm.memory_bytes = bundle->memory_bytes;
	if (!options->vm.cpus_micro)
		options->vm.cpus_micro = bundle->cpus_micro;
	options->tty |= bundle->spec->process->terminal;
}

static int open_bundle(struct run *run)
{
	struct error err = ERROR_INIT;

	if (!run->options.bundle)
		return 0;
	if (bundle_read(run->options.bundle, &run->arena, run_say, &run->bundle, &err) < 0)
		return run_fail_early(run, "the bundle cannot be run",
			"--bundle wants a folder with an OCI config.json ('cradle run --help' says "
			"what a VM cannot give); what is in the way can be taken out of it.",
			&err);
	take_bundle(&run->options, &run->bundle);
	return 0;
}

static int open_volumes(struct run *run)
{
	struct error err = ERROR_INIT;

	run->volumes = run->bundle.volumes;
	if (volumes_add(&run->volumes, run->options.volumes, run->options.volume_count,
		    run->bundle.spec, &err) < 0)
		return run_fail_early(run, VOLUMES_STAGE, VOLUMES_ADVICE, &err);
	return volumes_share(
		&run->volumes, &run->arena, &run->plan, run->options.vm.virtiofsd, &run->failure);
}

static void announce_image(const char *rootfs)
{
	fprintf(stderr, "cradle: packing %s into an image (once; kept in the cache)\n", rootfs);
}

static const char *image_advice(const struct error *err)
{
	if (err->errnum == EACCES)
		return "You may not read all of it: give a tar of it, which keeps owners and "
		       "modes.";
	if (err->errnum == ENOSPC || strstr(err->text, "No space left"))
		return "The image needs room in the cache: CRADLE_CACHE names another folder for "
		       "it.";
	return "--rootfs wants a folder or a tar with a whole root file system (bin, etc, ...).";
}

static int open_image(struct run *run)
{
	char cache[PATH_MAX];
	struct error err = ERROR_INIT;
	int r;

	if (!run->options.rootfs)
		return 0;
	r = image_cache_folder(cache, sizeof(cache), &err);
	if (r == 0)
		r = image_open(run->options.rootfs, cache, announce_image, &run->image, &err);
	if (r < 0 && !strstr(err.text, run->options.rootfs))
		error_prefix(&err, "%s", run->options.rootfs);
	if (r < 0)
		return run_fail_early(run, "the image is bad", image_advice(&err), &err);
	timing_mark(&run->timing, STAGE_IMAGE_READY, event_loop_now_ns());
	return 0;
}

static int find_user(struct run *run)
{
	char passwd[32], group[32], ids[32];
	const char *wanted = run->options.user;
	struct error err = ERROR_INIT;

	if (!run->options.rootfs)
		return 0;
	str_format(passwd, sizeof(passwd), "/proc/self/fd/%d", run->image.passwd_fd);
	str_format(group, sizeof(group), "/proc/self/fd/%d", run->image.group_fd);
	if (!wanted && run->bundle.spec) {
		const Grpc__User *user = run->bundle.spec->process->user;

		str_format(ids, sizeof(ids), "%u:%u", user ? user->uid : 0, user ? user->gid : 0);
		wanted = ids;
	}
	if (user_lookup(wanted, passwd, group, &run->user, &err) < 0)
		return run_fail_early(run, "no such user", NULL, &err);
	return 0;
}

static int size_it(struct run *run)
{
	return vm_plan_size(&run->plan, &run->options.vm, &run->failure);
}

/* Ours, if it is a plausible name: it becomes a part of the container's environment. */
static const char *terminal_kind(void)
{
	const char *term = getenv("TERM");

	return str_empty(term) || strlen(term) > 64 || !utf8_valid(term, strlen(term)) ? "xterm"
										       : term;
}

static int specify(struct run *run)
{
	struct container_spec spec = {
		.id = run->id,
		.args = run->options.args,
		.arg_count = run->options.arg_count,
		.env = run->options.env,
		.env_count = run->options.env_count,
		.workdir = run->options.workdir,
		.terminal = run->options.tty,
		.term = terminal_kind(),
		.user = &run->user,
		.memory_bytes = run->plan.sizing.limit_bytes,
		.cpu_quota = run->plan.sizing.cpu_quota,
		.cpu_period = run->plan.sizing.cpu_period,
		.bundle = run->bundle.spec,
		.keep_user = !run->options.user,
		.keep_hostname = !run->options.name,
		.volumes = &run->volumes,
		.image_driver = qemu_disk_driver(run->plan.arch),
		.image_device = qemu_disk_device(run->plan.arch),
		.network = run->options.vm.net == VM_NET_USER,
	};
	struct error err = ERROR_INIT;

	if (run->options.hold)
		return 0;
	if (run->options.tty)
		terminal_size(0, &spec.rows, &spec.columns);
	run->container = container_spec_build(&run->arena, &spec, &err);
	return run->container ? 0 : run_fail_early(run, "wrong arguments", NULL, &err);
}

static int configure(struct run *run)
{
	struct vm_config *config = &run->plan.config;

	vm_plan_configure(&run->plan, &run->options.vm, run_say);
	config->name = run->id;
	/* The agent's first words are the sign that the kernel has handed over. */
	config->agent_debug = run->options.vm.verbose || run->options.timing;
	config->image_fd = run->image.fd;
	config->share_uid = run->user.uid;
	config->share_gid = run->user.gid;
	return 0;
}

int run_prepare(struct run *run)
{
	static int (*const steps[])(struct run * run) = {name_it, open_bundle, open_volumes,
		find_guest, size_it, open_image, find_user, specify, configure};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](run);
	return r;
}
