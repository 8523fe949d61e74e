/*
 * run: `cradle run`: a container in a VM of its own. Puts the parts together: options, root image,
 * sizing, accelerator, VM, session, and turns what happened into an exit code and words.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "command_table.h"
#include "run/container_spec.h"
#include "run/guest_session.h"
#include "run/image.h"
#include "run/run_help.h"
#include "run/run_options.h"
#include "vm/accel.h"
#include "vm/sizing.h"
#include "vm/vm_boot.h"
#include "vsock/vsock_listener.h"

/* Emulated guests on a busy machine take their time; real trouble is noticed earlier by its signs.
 */
#define BOOT_TIMEOUT_S 90
#define CONSOLE_TAIL   12
/* After the agent is lost: how long QEMU may take to tell why. */
#define GONE_PATIENCE_MS 500
#define IMAGE_DEVICE	 "/dev/vda"

struct run {
	struct run_options options;
	struct event_loop *loop;
	struct arena arena;
	char id[129], arch[16];
	char kernel[PATH_MAX], initrd[PATH_MAX];
	struct image image;
	struct user_identity user;
	struct sizing sizing;
	struct vm_config config;
	bool kvm_on_trial;
	const Grpc__CreateContainerRequest *container;
	struct vm_boot boot;
	struct guest_session session;
	struct vsock_listener *listener;
	struct event_source signals, hold_stdin;
	struct event_timer patience;
	struct failure failure;
	bool session_lost; /* a better reason may still come from QEMU */
	int exit_code;
};

static void say(const char *text)
{
	fprintf(stderr, "cradle: %s\n", text);
}

/* ---- before the VM: everything that can be known without one
 * -------------------------------------- */

static int fail_early(
	struct run *run, const char *stage, const char *advice, const struct error *err)
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
		return fail_early(run, "wrong name", NULL, &err);
	}
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint32_t)getpid();
	str_format(run->id, sizeof(run->id), "cradle-%08x", random);
	return 0;
}

/* build/host/cradle finds build/<arch>/<file>: what the build made beside it. */
static int default_path(const struct run *run, const char *file, char *out, size_t size)
{
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return -ENOENT;
	self[n] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(self, '/');
		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	return str_format(out, size, "%s/%s/%s", self, run->arch, file);
}

static int find_file(struct run *run, const char *given, const char *file, const char *what,
	const char *advice, char out[PATH_MAX])
{
	struct error err = ERROR_INIT;
	struct stat st;
	int r = given ? str_copy(out, PATH_MAX, given) : default_path(run, file, out, PATH_MAX);

	if (r < 0)
		error_errno(&err, -r, "%s", what);
	else if (stat(out, &st) < 0)
		error_errno(&err, errno, "%s %s", what, out);
	else if (!S_ISREG(st.st_mode) || st.st_size == 0)
		error_invalid(&err, "%s %s is %s", what, out,
			S_ISREG(st.st_mode) ? "an empty file" : "not a file");
	else
		return 0;
	return fail_early(run, "no guest to boot", advice, &err);
}

static int find_guest(struct run *run)
{
	int r = find_file(run, run->options.kernel, "kernel/vmlinuz", "kernel",
		"'make kernel' fetches one; --kernel or CRADLE_KERNEL names another.", run->kernel);

	if (r == 0)
		r = find_file(run, run->options.initrd, "initrd.img", "initrd",
			"'make initrd' builds it; --initrd or CRADLE_INITRD names another.",
			run->initrd);
	return r;
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
		return fail_early(run, "the image is bad",
			err.errnum == EACCES
				? "You may not read all of it: give a tar of it, which keeps "
				  "owners "
				  "and modes."
				: "--rootfs wants a folder or a tar with a whole root file system "
				  "(bin, etc, ...).",
			&err);
	return 0;
}

static int find_user(struct run *run)
{
	char passwd[32], group[32];
	struct error err = ERROR_INIT;

	if (!run->options.rootfs)
		return 0;
	str_format(passwd, sizeof(passwd), "/proc/self/fd/%d", run->image.passwd_fd);
	str_format(group, sizeof(group), "/proc/self/fd/%d", run->image.group_fd);
	if (user_lookup(run->options.user, passwd, group, &run->user, &err) < 0)
		return fail_early(run, "no such user", NULL, &err);
	return 0;
}

/* The initrd's files live in the guest's memory; packed with gzip they are about a third. */
static uint64_t unpacked_bytes(const char *initrd)
{
	unsigned char magic[2] = {0};
	_cleanup_file_ FILE *file = fopen(initrd, "re");
	struct stat st;

	if (!file || fstat(fileno(file), &st) < 0 || fread(magic, 1, 2, file) != 2)
		return 0;
	return (uint64_t)st.st_size * (magic[0] == 0x1f && magic[1] == 0x8b ? 3 : 1);
}

static uint64_t host_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

static int size_it(struct run *run)
{
	struct sizing_request request = {
		.memory_bytes = run->options.memory_bytes,
		.cpus_micro = run->options.cpus_micro,
		.initrd_bytes = unpacked_bytes(run->initrd),
		.host_bytes = host_memory(),
		.host_cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
	};
	struct error err = ERROR_INIT;

	if (sizing_compute(&request, &run->sizing, &err) < 0)
		return fail_early(run, "wrong size", "'cradle run --explain' shows the sum.", &err);
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
		say(why);
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
		.user = &run->user,
		.memory_bytes = run->sizing.limit_bytes,
		.cpu_quota = run->sizing.cpu_quota,
		.cpu_period = run->sizing.cpu_period,
		.image_device = IMAGE_DEVICE,
	};
	struct error err = ERROR_INIT;

	if (run->options.hold)
		return 0;
	run->container = container_spec_build(&run->arena, &spec, &err);
	return run->container ? 0 : fail_early(run, "wrong arguments", NULL, &err);
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
	config->image_fd = run->image.fd;
	choose_accel(run);
	return 0;
}

static int prepare(struct run *run)
{
	static int (*const steps[])(struct run * run) = {
		name_it, find_guest, size_it, open_image, find_user, specify, configure};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](run);
	return r;
}

/* ---- the VM and the session: events
 * ---------------------------------------------------------------- */

static void end_with(struct run *run, int exit_code)
{
	run->exit_code = exit_code;
	event_loop_stop(run->loop);
}

static void end_with_failure(struct run *run, const struct failure *failure)
{
	run->failure = *failure;
	end_with(run, failure->exit_code);
}

static void on_ready(void *owner)
{
	struct run *run = owner;

	if (!run->options.hold)
		return;
	printf("ready %s\n", run->options.listen);
	fflush(stdout);
}

static void on_finished(void *owner, const struct session_result *result)
{
	struct run *run = owner;

	if (result->oom[0])
		say(result->oom);
	if (result->stats[0])
		say(result->stats);
	end_with(run, result->exit_code);
}

static void on_patience_over(struct event_timer *timer)
{
	event_loop_stop(container_of(timer, struct run, patience)->loop);
}

static void on_session_failed(void *owner, const struct failure *failure)
{
	struct run *run = owner;

	run->failure = *failure;
	run->exit_code = failure->exit_code;
	if (failure->error.status == STATUS_UNAVAILABLE) {
		/* QEMU's end explains a lost connection better: it is on its way. */
		run->session_lost = true;
		event_timer_start(run->loop, &run->patience, GONE_PATIENCE_MS, on_patience_over,
			"QEMU's end");
		return;
	}
	event_loop_stop(run->loop);
}

static void on_up(void *owner, int fd)
{
	struct run *run = owner;
	struct session_request request = {
		.sandbox_id = run->id,
		.container = run->container,
		.memory_limit = run->sizing.limit_bytes,
		.in_fd = run->options.interactive ? 0 : -1,
		.out_fd = 1,
		.err_fd = 2,
		.want_stats = run->options.stats,
	};
	struct session_events events = {.ready = on_ready,
		.finished = on_finished,
		.failed = on_session_failed,
		.owner = run};
	struct error err = ERROR_INIT;

	if (guest_session_start(&run->session, run->loop, fd, &request, &events, &err) < 0) {
		failure_wrap(&run->failure, "the agent does not answer", NULL, &err);
		end_with(run, EXIT_CRADLE_FAILED);
	}
}

static void on_boot_failed(void *owner, const struct failure *failure)
{
	end_with_failure(owner, failure);
}

static void on_console_line(void *owner, const char *line)
{
	fprintf(stderr, "guest| %s\n", line);
}

static void on_notice(void *owner, const char *text)
{
	say(text);
}

static void on_signal(struct event_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	/* Asked to end while holding is the usual end; otherwise it is an interruption. */
	end_with(run, run->options.hold ? 0 : 128 + (int)info.ssi_signo);
}

static void on_hold_stdin(struct event_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, hold_stdin);
	char thrown_away[512];
	ssize_t n = read(source->fd, thrown_away, sizeof(thrown_away));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		end_with(run, 0);
}

static int watch_signals(struct run *run, struct error *err)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "signals");
	r = event_source_add(run->loop, &run->signals, fd, EPOLLIN, on_signal, "signals");
	return r < 0 ? error_errno(err, -r, "signals") : 0;
}

static int watch_stdin(struct run *run, struct error *err)
{
	int r = event_source_add(
		run->loop, &run->hold_stdin, 0, EPOLLIN, on_hold_stdin, "standard input");

	/* A plain file (or /dev/null) has no readiness: then only a signal ends the VM. */
	return r < 0 && r != -EPERM ? error_errno(err, -r, "watch standard input") : 0;
}

static int listen_for_clients(struct run *run, struct error *err)
{
	run->listener = vsock_listener_new(run->loop, &run->boot.dialer, run->options.listen, err);
	return run->listener ? 0 : -1;
}

static int boot(struct run *run)
{
	struct vm_boot_events events = {.up = on_up,
		.failed = on_boot_failed,
		.console_line = run->options.verbose ? on_console_line : NULL,
		.notice = on_notice,
		.owner = run};
	uint64_t timeout_s =
		run->options.boot_timeout_s ? run->options.boot_timeout_s : BOOT_TIMEOUT_S;
	struct error err = ERROR_INIT;
	int r = watch_signals(run, &err);

	if (r == 0)
		r = vm_boot_start(&run->boot, run->loop, &run->config, run->kvm_on_trial,
			timeout_s * 1000, &events, &err);
	if (r < 0)
		return fail_early(run, "QEMU did not start", NULL, &err);
	if (run->options.listen)
		r = listen_for_clients(run, &err);
	if (r == 0 && run->options.hold)
		r = watch_stdin(run, &err);
	if (r < 0)
		return fail_early(run, "the VM cannot be reached from outside", NULL, &err);
	return 0;
}

/* ---- the whole of it
 * --------------------------------------------------------------------------------- */

static void print_failure(const struct run *run)
{
	const struct vm *vm = run->boot.vm;

	failure_print(&run->failure, stderr);
	/* With --verbose all of it was shown already. */
	if (!run->failure.show_console || !vm || run->options.verbose)
		return;
	if (vm_console(vm)->bytes == 0) {
		fprintf(stderr, "        (the guest's console said nothing)\n");
		return;
	}
	fprintf(stderr, "        the last lines of the guest's console:\n");
	console_print_tail(vm_console(vm), CONSOLE_TAIL, "        | ", stderr);
}

static void release(struct run *run)
{
	vsock_listener_free(run->listener);
	guest_session_release(&run->session);
	vm_boot_shut_down(&run->boot);
	vm_boot_release(&run->boot);
	event_timer_stop(&run->patience);
	if (event_source_added(&run->signals)) {
		int fd = run->signals.fd;

		event_source_remove(&run->signals);
		close(fd);
	}
	event_source_remove(&run->hold_stdin);
	image_release(&run->image);
	arena_release(&run->arena);
	child_reaper_release();
	event_loop_free(run->loop);
}

static int init(struct run *run)
{
	struct utsname host;
	int r;

	memset(run, 0, sizeof(*run));
	run->image = (struct image)IMAGE_INIT;
	run->config = (struct vm_config)VM_CONFIG_INIT;
	run->exit_code = EXIT_CRADLE_FAILED;
	arena_init(&run->arena, 64u << 20);
	uname(&host);
	str_copy(run->arch, sizeof(run->arch), host.machine);
	run->loop = event_loop_new();
	r = run->loop ? child_reaper_init(run->loop) : -errno;
	if (r < 0)
		fprintf(stderr, "cradle: cannot start: %s\n", errno_text(-r));
	return r;
}

static int run_container(struct run *run)
{
	int r;

	if (prepare(run) < 0 || boot(run) < 0)
		return run->failure.exit_code;
	r = event_loop_run(run->loop);
	if (r < 0) {
		struct error err = ERROR_INIT;

		error_errno(&err, -r, "event loop");
		failure_wrap(&run->failure, "cradle itself failed", NULL, &err);
		return EXIT_CRADLE_FAILED;
	}
	return run->exit_code;
}

static int run_main(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));
	struct run_options options;
	int code = run_options_parse(argc, argv, &options);

	if (code || options.help || !run) {
		if (!code && options.help)
			command_print_help(&run_command);
		free(run);
		return code;
	}
	if (init(run) < 0) {
		free(run);
		return EXIT_CRADLE_FAILED;
	}
	run->options = options;
	code = run_container(run);
	if (run->failure.exit_code)
		print_failure(run);
	release(run);
	free(run);
	return code;
}

const struct command run_command = {
	.name = "run",
	.summary = "run a container in a virtual machine of its own",
	.help = RUN_HELP,
	.main = run_main,
};
