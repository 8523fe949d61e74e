/* run_prepare: what a run needs before there is a VM; each step fails with words of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "run/run_internal.h"
#include "vm/accel.h"
#include "vm/guest_files.h"

#define IMAGE_DEVICE "/dev/vda"

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

static int find_file(struct run *run, const char *given, const char *file, const char *what,
	const char *advice, char out[PATH_MAX])
{
	struct error err = ERROR_INIT;
	struct stat st;
	int r = given ? str_copy(out, PATH_MAX, given)
		      : guest_file_default(run->arch, file, out, PATH_MAX);

	if (r < 0)
		error_errno(&err, -r, "%s", what);
	else if (stat(out, &st) < 0)
		error_errno(&err, errno, "%s %s", what, out);
	else if (!S_ISREG(st.st_mode) || st.st_size == 0)
		error_invalid(&err, "%s %s is %s", what, out,
			S_ISREG(st.st_mode) ? "an empty file" : "not a file");
	else
		return 0;
	return run_fail_early(run, "no guest to boot", advice, &err);
}

static int find_guest(struct run *run)
{
	char advice[128];
	int r;

	str_format(advice, sizeof(advice),
		"'make ARCH=%s kernel' fetches one; --kernel or CRADLE_KERNEL names another.",
		run->arch);
	r = find_file(run, run->options.kernel, "kernel/vmlinuz", "kernel", advice, run->kernel);

	if (r < 0)
		return r;
	str_format(advice, sizeof(advice),
		"'make ARCH=%s initrd' builds it; --initrd or CRADLE_INITRD names another.",
		run->arch);
	return find_file(run, run->options.initrd, "initrd.img", "initrd", advice, run->initrd);
}

/* What the bundle says counts where no option was given. */
static void take_bundle(struct run_options *options, const struct bundle *bundle)
{
	if (!options->rootfs)
		options->rootfs = bundle->rootfs;
	if (!options->memory_bytes)
		options->memory_bytes = bundle->memory_bytes;
	if (!options->cpus_micro)
		options->cpus_micro = bundle->cpus_micro;
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

static void announce_image(const char *rootfs)
{
	fprintf(stderr, "cradle: packing %s into an image (once; kept in the cache)\n", rootfs);
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
	if (r < 0)
		return run_fail_early(run, "the image is bad",
			err.errnum == EACCES
				? "You may not read all of it: give a tar of it, which keeps "
				  "owners "
				  "and modes."
				: "--rootfs wants a folder or a tar with a whole root file system "
				  "(bin, etc, ...).",
			&err);
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

static uint64_t host_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

static int size_it(struct run *run)
{
	struct sizing_request request = {
		.arch = run->arch,
		.memory_bytes = run->options.memory_bytes,
		.cpus_micro = run->options.cpus_micro,
		.initrd_bytes = guest_unpacked_bytes(run->initrd),
		.host_bytes = host_memory(),
		.host_cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
	};
	struct error err = ERROR_INIT;

	if (sizing_compute(&request, &run->sizing, &err) < 0)
		return run_fail_early(
			run, "wrong size", "'cradle run --explain' shows the sum.", &err);
	if (run->options.explain)
		sizing_explain(&run->sizing, stderr);
	return 0;
}

static void choose_accel(struct run *run)
{
	char why[256];

	run->config.accel = run->options.accel;
	if (run->config.accel != VM_ACCEL_AUTO)
		return;
	run->config.accel = accel_choose(run->arch, run->config.qemu, why, sizeof(why));
	run->kvm_on_trial = run->config.accel == VM_ACCEL_KVM;
	if (why[0])
		run_say(why);
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
		.memory_bytes = run->sizing.limit_bytes,
		.cpu_quota = run->sizing.cpu_quota,
		.cpu_period = run->sizing.cpu_period,
		.bundle = run->bundle.spec,
		.keep_user = !run->options.user,
		.keep_hostname = !run->options.name,
		.image_device = IMAGE_DEVICE,
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
	struct vm_config *config = &run->config;

	config->name = run->id;
	config->arch = run->arch;
	config->qemu = run->options.qemu;
	config->kernel = run->kernel;
	config->initrd = run->initrd;
	config->kernel_args = run->options.append;
	config->cpus = run->sizing.vcpus;
	config->memory_bytes = run->sizing.vm_bytes;
	config->reserve_bytes = sizing_agent_reserve(&run->sizing);
	config->verbose = run->options.verbose;
	/* The agent's first words are the sign that the kernel has handed over. */
	config->agent_debug = run->options.verbose || run->options.timing;
	config->image_fd = run->image.fd;
	choose_accel(run);
	return 0;
}

int run_prepare(struct run *run)
{
	static int (*const steps[])(struct run * run) = {name_it, open_bundle, find_guest, size_it,
		open_image, find_user, specify, configure};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](run);
	return r;
}
