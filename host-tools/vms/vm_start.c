/* vm_start: `cradle vm start`: what can be known without a VM, then a keeper of its own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/socket.h"
#include "base/strings.h"
#include "command_options.h"
#include "run/image.h"
#include "run/volumes.h"
#include "vm/vm_plan.h"
#include "vms/vm_keeper.h"
#include "vms/vms_internal.h"

struct start {
	struct vm_options options;
	const char *name, *rootfs;
	struct volumes volumes;
	struct arena arena; /* of the volumes' paths */
	struct vm_plan plan;
	struct vm_record told;
	struct image image;
	char qemu[PATH_MAX], virtiofsd[PATH_MAX];
	struct vm_store store;
	struct vm_entry entry;
	struct failure failure;
	int report_fd; /* the starter's end */
	pid_t keeper;
};

enum { OPT_ROOTFS = 256 };

static const struct option options[] = {
	VM_OPTION_ROWS,
	{"rootfs", required_argument, NULL, OPT_ROOTFS},
	{"volume", required_argument, NULL, 'v'},
	{NULL, 0, NULL, 0},
};

static int parse(struct start *start, int argc, char **argv)
{
	int option, r;

	command_options_begin();
	while ((option = command_next_option(&vm_command, argc, argv, "v:", options)) != -1) {
		if (option == COMMAND_OPTION_WRONG)
			return EXIT_CRADLE_FAILED;
		r = 0;
		if (option == OPT_ROOTFS)
			start->rootfs = optarg;
		else if (option == 'v')
			r = volumes_take_option(&vm_command, start->volumes.list,
				&start->volumes.count, optarg, volume_parse_tag);
		else
			r = vm_option_take(
				&vm_command, &start->options, option, optarg, argv[optind - 1]);
		if (r)
			return r;
	}
	start->name = vm_name_argument(argc, argv);
	if (!start->name)
		return EXIT_CRADLE_FAILED;
	vm_options_take_environment(&start->options);
	return 0;
}

static void say(const char *text)
{
	fprintf(stderr, "cradle vm: %s\n", text);
}

static void announce_image(const char *rootfs)
{
	fprintf(stderr, "cradle vm: packing %s into an image (once; kept in the cache)\n", rootfs);
}

/* The keeper works in another folder. */
static int make_absolute(char *path, size_t size, struct error *err)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	if (!real || str_copy(path, size, real) < 0)
		return error_errno(err, real ? ENAMETOOLONG : errno, "%s", path);
	return 0;
}

static int make_paths_absolute(struct start *start, struct error *err)
{
	struct vm_plan *plan = &start->plan;
	int r = make_absolute(plan->kernel, sizeof(plan->kernel), err);

	if (r == 0 && plan->initrd[0])
		r = make_absolute(plan->initrd, sizeof(plan->initrd), err);
	if (r == 0 && start->volumes.count && start->options.virtiofsd) {
		str_copy(start->virtiofsd, sizeof(start->virtiofsd), start->options.virtiofsd);
		r = make_absolute(start->virtiofsd, sizeof(start->virtiofsd), err);
		start->options.virtiofsd = start->virtiofsd;
	}
	/* A name without a slash is looked for in PATH. */
	if (r < 0 || !start->options.qemu || !strchr(start->options.qemu, '/'))
		return r;
	str_copy(start->qemu, sizeof(start->qemu), start->options.qemu);
	/* One that is not there is QEMU's stage, with words of its own. */
	if (make_absolute(start->qemu, sizeof(start->qemu), NULL) == 0)
		plan->config.qemu = start->options.qemu = start->qemu;
	return 0;
}

/* mkfs runs in a child, which takes a loop and a reaper: both are gone before the keeper is made.
 */
static int open_image(struct start *start, struct error *err)
{
	struct event_loop *loop = event_loop_new();
	char cache[PATH_MAX];
	int r = loop ? child_reaper_init(loop) : -errno;

	if (r < 0)
		error_errno(err, -r, "event loop");
	else
		r = image_cache_folder(cache, sizeof(cache), err);
	if (r == 0)
		r = image_open(start->rootfs, cache, announce_image, &start->image, err);
	child_reaper_release();
	if (loop)
		event_loop_free(loop);
	start->plan.config.image_fd = start->image.fd;
	return r;
}

static void fill_record(struct start *start)
{
	const struct vm_plan *plan = &start->plan;
	struct vm_record *told = &start->told;

	told->state = VM_BOOTING;
	str_copy(told->arch, sizeof(told->arch), plan->arch);
	str_copy(told->accel, sizeof(told->accel),
		plan->config.accel == VM_ACCEL_KVM ? "kvm" : "tcg");
	str_copy(told->kernel, sizeof(told->kernel), plan->kernel);
	str_copy(told->image, sizeof(told->image),
		start->options.disk ? start->options.disk : plan->initrd);
	told->started_s = (uint64_t)time(NULL);
	told->asked_memory = start->options.memory_bytes;
	told->asked_cpus_micro = start->options.cpus_micro;
	told->limit_bytes = plan->sizing.limit_bytes;
	told->vm_bytes = plan->sizing.vm_bytes;
	told->kernel_bytes = sizing_kernel_share(&plan->sizing);
	told->cpus = plan->sizing.vcpus;
}

static int plan_it(struct start *start)
{
	struct error err = ERROR_INIT;

	vm_plan_init(&start->plan, &start->options);
	if (vm_plan_find_guest(&start->plan, &start->options, &start->failure) < 0 ||
		vm_plan_size(&start->plan, &start->options, &start->failure) < 0 ||
		volumes_share(&start->volumes, &start->arena, &start->plan,
			start->options.virtiofsd, &start->failure) < 0)
		return -1;
	if (make_paths_absolute(start, &err) < 0) {
		failure_wrap(&start->failure, "no guest to boot", NULL, &err);
		return -1;
	}
	vm_plan_configure(&start->plan, &start->options, say);
	/* Costs the boot some 0.1 s: a kernel.log is worth it for a VM that stays. */
	start->plan.config.verbose = true;
	start->plan.config.agent_debug = start->options.verbose;
	if (start->rootfs && open_image(start, &err) < 0) {
		failure_wrap(&start->failure, "the image is bad", NULL, &err);
		return -1;
	}
	fill_record(start);
	return 0;
}

/* ---- the keeper's process ---- */

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Nothing of the starter's is held: no terminal, no pipe somebody waits on, no folder. */
static void detach(const struct start *start, int report_fd)
{
	int keep[] = {start->entry.fd, start->entry.lock_fd, start->store.lock_fd, report_fd,
		start->image.fd, start->plan.disk_fd};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = openat(start->entry.fd, "vm.log",
		O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t first = 0;

	setsid();
	umask(077);
	if (chdir("/") < 0 || null < 0)
		_exit(EXIT_CRADLE_FAILED);
	dup2(null, 0);
	dup2(log >= 0 ? log : null, 1);
	dup2(log >= 0 ? log : null, 2);
	qsort(keep, ARRAY_SIZE(keep), sizeof(keep[0]), compare_ints);
	while (first < ARRAY_SIZE(keep) && keep[first] < 3)
		first++;
	fd_close_from(3, keep + first, ARRAY_SIZE(keep) - first);
	setvbuf(stderr, NULL, _IOLBF, 0);
	prctl(PR_SET_NAME, "cradle-keeper");
}

static void __attribute__((noreturn)) be_keeper(struct start *start, int report_fd)
{
	struct vm_keeper_request request = {
		.entry = &start->entry,
		.plan = &start->plan,
		.told = &start->told,
		.boot_timeout_ms = (start->options.boot_timeout_s ? start->options.boot_timeout_s
								  : VM_BOOT_TIMEOUT_S) *
				   1000ull,
		.report_fd = report_fd,
		.store = &start->store,
	};

	detach(start, report_fd);
	_exit(vm_keeper_run(&request));
}

/* Under the store's lock, which the child takes over until it keeps the VM. */
static int fork_keeper(struct start *start, struct error *err)
{
	int pair[2];
	int r = socket_pair(SOCK_SEQPACKET, pair);

	if (r < 0)
		return error_errno(err, -r, "socket pair");
	fflush(NULL);
	start->keeper = fork();
	if (start->keeper == 0) {
		close(pair[0]);
		be_keeper(start, pair[1]);
	}
	close(pair[1]);
	start->report_fd = pair[0];
	if (start->keeper < 0)
		return error_errno(err, errno, "fork");
	return 0;
}

static int make_keeper(struct start *start, struct error *err)
{
	int r = vm_store_open(&start->store, err);

	if (r == 0)
		r = vm_store_lock(&start->store, err);
	if (r == 0)
		r = vm_entry_create(&start->store, start->name, &start->entry, err);
	if (r < 0)
		return r;
	r = fork_keeper(start, err);
	if (r < 0)
		vm_entry_remove(&start->entry);
	return r;
}

/* ---- waiting for it ---- */

static void print_ready(const struct start *start)
{
	char address[VM_ENTRY_PATH_MAX + 32];

	vm_agent_address(&start->entry, address, sizeof(address));
	printf("ready %s %s\n", start->name, address);
}

/* It ended without a word: killed, most likely. What it left goes. */
static int keeper_is_gone(struct start *start)
{
	struct error err = ERROR_INIT;
	int status = 0;

	waitpid(start->keeper, &status, 0);
	error_set(&err, STATUS_INTERNAL, 0,
		WIFSIGNALED(status) ? "the keeper of VM '%s' was ended by signal %d"
				    : "the keeper of VM '%s' ended with %d",
		start->name, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (vm_store_open(&start->store, NULL) == 0 && vm_store_lock(&start->store, NULL) == 0)
		vm_entry_remove(&start->entry);
	return vm_complain(&err);
}

/* -1: there is more to come. */
static int take_report(struct start *start)
{
	char message[VM_REPORT_MAX + 1];
	ssize_t n = recv(start->report_fd, message, VM_REPORT_MAX, 0);

	if (n < 0 && errno == EINTR)
		return -1;
	if (n <= 0)
		return keeper_is_gone(start);
	message[n] = '\0';
	switch (message[0]) {
	case VM_REPORT_NOTICE:
		say(message + 1);
		return -1;
	case VM_REPORT_READY:
		print_ready(start);
		return fflush(stdout) == 0 ? 0 : EXIT_CRADLE_FAILED;
	default:
		fputs(message + 1, stderr);
		/* Its entry is removed when it is gone. */
		waitpid(start->keeper, NULL, 0);
		return EXIT_CRADLE_FAILED;
	}
}

static int give_up(struct start *start, int signal)
{
	/* Our child, not waited for: the number is its own. */
	kill(start->keeper, SIGTERM);
	waitpid(start->keeper, NULL, 0);
	fprintf(stderr, "cradle vm: interrupted: VM '%s' is not started\n", start->name);
	return 128 + signal;
}

static int wait_for_keeper(struct start *start, int signal_fd)
{
	struct pollfd polls[] = {
		{.fd = start->report_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
	struct signalfd_siginfo info;
	int code = -1;

	while (code < 0) {
		if (poll(polls, 2, -1) < 0)
			continue;
		if (polls[1].revents && read(signal_fd, &info, sizeof(info)) == sizeof(info))
			code = give_up(start, (int)info.ssi_signo);
		else if (polls[0].revents)
			code = take_report(start);
	}
	return code;
}

/* Ctrl-C while it boots: then nobody wants it. A starter that is killed leaves it alone. */
static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int start_it(struct start *start)
{
	_cleanup_fd_ int signal_fd = -1;
	struct error err = ERROR_INIT;

	if (plan_it(start) < 0) {
		failure_print(&start->failure, stderr);
		return start->failure.exit_code;
	}
	signal_fd = catch_signals();
	if (make_keeper(start, &err) < 0)
		return vm_complain(&err);
	/* The keeper's copy holds the lock from here on. */
	close_fd(&start->store.lock_fd);
	return wait_for_keeper(start, signal_fd);
}

int vm_start_main(int argc, char **argv)
{
	struct start *start = calloc(1, sizeof(*start));
	int code;

	if (!start)
		return EXIT_CRADLE_FAILED;
	start->image = (struct image)IMAGE_INIT;
	arena_init(&start->arena, 1u << 20);
	start->store.lock_fd = start->entry.fd = start->entry.lock_fd = start->report_fd = -1;
	code = parse(start, argc, argv);
	if (code == 0)
		code = start_it(start);
	arena_release(&start->arena);
	image_release(&start->image);
	vm_plan_release(&start->plan);
	vm_entry_close(&start->entry);
	vm_store_close(&start->store);
	close_fd(&start->report_fd);
	free(start);
	return code;
}
