/* vm: QEMU as a child of the event loop. */
#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/socket.h"
#include "base/strings.h"
#include "vm/last_words.h"
#include "vm/private_folder.h"
#include "vm/qemu_command.h"
#include "vm/qemu_version.h"
#include "vm/qmp.h"
#include "vm/vhost_vsock.h"
#include "vm/vm_shares.h"
#include "vsock/vsock_device.h"

#define QUIT_PATIENCE_MS 1000
/* Any would do: nobody else sees the addresses behind our own device. */
#define OWN_DEVICE_CID 3

struct vm {
	struct event_loop *loop;
	struct vm_config config;
	struct vm_events events;
	struct child_process child;
	bool started;
	struct console console;
	struct event_source console_source; /* its descriptor is owned */
	struct last_words words;	    /* of QEMU */
	struct vm_shares shares;
	struct qmp qmp;
	struct vsock_device *device;
	struct vsock_kernel_dialer kernel_dialer;
	struct event_timer kill_timer;
	struct event_task gone_task;
	bool stopping;
	struct private_folder folder;
	char socket_path[108]; /* of our vsock device */
};

/* What QEMU's child needs of the parent; all CLOEXEC, cleared in the child. */
struct qemu_fds {
	int console, qmp, err; /* the child's ends */
};

static void close_source(struct event_source *source)
{
	int fd = source->fd;

	if (!event_source_added(source))
		return;
	event_source_remove(source);
	close(fd);
}

/* ---- what QEMU and the guest say ---------------------------------------------------------------
 */

static bool read_console(struct vm *vm)
{
	char chunk[4096];
	ssize_t n = read(vm->console_source.fd, chunk, sizeof(chunk));

	if (n > 0) {
		if (vm->events.console_bytes)
			vm->events.console_bytes(vm->events.owner, chunk, (size_t)n);
		console_feed(&vm->console, chunk, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		close_source(&vm->console_source);
	}
	return n > 0;
}

static void on_console(struct event_source *source, uint32_t events)
{
	read_console(container_of(source, struct vm, console_source));
}

static void report_gone(struct event_task *task)
{
	struct vm *vm = container_of(task, struct vm, gone_task);

	if (vm->events.gone)
		vm->events.gone(vm->events.owner);
}

static void on_exit_of_qemu(struct child_process *child)
{
	struct vm *vm = container_of(child, struct vm, child);

	event_timer_stop(&vm->kill_timer);
	/* What it said last may still be on its way. */
	while (event_source_added(&vm->console_source) && read_console(vm))
		;
	last_words_drain(&vm->words);
	event_task_defer(vm->loop, &vm->gone_task, report_gone);
}

static void on_qmp_event(void *owner, const char *name)
{
	struct vm *vm = owner;

	if (str_eq(name, "RESET") && vm->device)
		vsock_device_reset(vm->device);
}

/* It has long been connected to our vsock device then: nothing on disk is needed any more. */
static void on_qmp_ready(void *owner)
{
	struct vm *vm = owner;

	private_folder_remove(&vm->folder);
	if (vm->config.socket_folder && vm->device)
		unlink(vm->socket_path);
}

static void on_console_line(void *context, const char *line)
{
	struct vm *vm = context;

	vm->events.console_line(vm->events.owner, line);
}

static void on_vsock_ready(void *owner)
{
	struct vm *vm = owner;

	if (vm->events.vsock_ready)
		vm->events.vsock_ready(vm->events.owner);
}

/* ---- start
 * --------------------------------------------------------------------------------------- */

/* The guest would wait for its share for ever. */
static void on_share_ended(void *owner)
{
	struct vm *vm = owner;

	if (vm_running(vm) && !vm->stopping)
		child_process_signal(&vm->child, SIGKILL);
}

static int make_folder(struct vm *vm, struct error *err)
{
	return vm->folder.path[0] ? 0 : private_folder_make(&vm->folder, err);
}

static int make_shares(struct vm *vm, struct error *err)
{
	int r;

	if (!vm->config.share_count)
		return 0;
	if (vm->config.share_count > VM_SHARES_MAX)
		return error_invalid(err, "a VM has at most %d shares", VM_SHARES_MAX);
	r = make_folder(vm, err);
	vm->shares.ended = on_share_ended;
	vm->shares.owner = vm;
	if (r == 0)
		r = vm_shares_start(&vm->shares, vm->loop, &vm->config, vm->folder.path,
			vm->config.share_fds, err);
	return r;
}

static int make_vsock(struct vm *vm, struct error *err)
{
	struct vsock_device_events events = {.ready = on_vsock_ready, .owner = vm};
	int r;

	vm->config.vhost_fd = vhost_vsock_open(&vm->config.cid);
	if (vm->config.vhost_fd >= 0) {
		vm->config.vsock = VM_VSOCK_VHOST_KERNEL;
		return 0;
	}
	vm->config.vsock = VM_VSOCK_VHOST_USER;
	r = vm->config.socket_folder ? 0 : make_folder(vm, err);
	if (r < 0)
		return r;
	r = path_join(vm->socket_path, sizeof(vm->socket_path),
		vm->config.socket_folder ? vm->config.socket_folder : vm->folder.path, "vsock");
	if (r < 0)
		return error_errno(err, -r, "a socket in %s", vm->config.socket_folder);
	vm->config.vsock_socket = vm->socket_path;
	vm->device = vsock_device_new(vm->loop, vm->socket_path, OWN_DEVICE_CID, err);
	if (!vm->device)
		return -EIO;
	vsock_device_set_events(vm->device, &events);
	return 0;
}

static int add_reader(struct vm *vm, struct event_source *source, int *fd, event_source_fn callback,
	const char *name, struct error *err)
{
	int r = fd_set_nonblock(*fd, true);

	if (r == 0)
		r = event_source_add(vm->loop, source, *fd, EPOLLIN, callback, name);
	if (r < 0)
		return error_errno(err, -r, "%s of the VM", name);
	take_fd(fd);
	return 0;
}

/* Our ends join the loop, QEMU's ends go to ret. */
static int make_channels(struct vm *vm, struct qemu_fds *ret, struct error *err)
{
	struct qmp_events events = {.ready = on_qmp_ready, .event = on_qmp_event, .owner = vm};
	int console[2] = {-1, -1}, qmp[2] = {-1, -1}, errs[2] = {-1, -1};
	int r;

	if (socket_pair(SOCK_STREAM, console) < 0 || socket_pair(SOCK_STREAM, qmp) < 0 ||
		pipe2(errs, O_CLOEXEC) < 0) {
		r = error_errno(err, errno, "channels of the VM");
		close_fd(&qmp[0]);
	} else {
		r = qmp_init(&vm->qmp, vm->loop, qmp[0], &events, err);
	}
	if (r == 0)
		r = add_reader(vm, &vm->console_source, &console[0], on_console, "console", err);
	if (r == 0)
		r = last_words_listen(
			&vm->words, vm->loop, &errs[0], "QEMU's stderr of the VM", err);
	close_fd(&console[0]);
	close_fd(&errs[0]);
	*ret = (struct qemu_fds){.console = console[1], .qmp = qmp[1], .err = errs[1]};
	return r;
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Ctrl-C at the terminal is for us, not for QEMU. */
static const struct child_fork_options own_session = {.cgroup_fd = -1, .new_session = true};

/* In the child. */
static void __attribute__((noreturn)) become_qemu(const struct qemu_command *command,
	const struct vm_config *config, int err_fd, pid_t parent)
{
	const int fds[] = {config->image_fd, config->disk_fd, config->console_fd, config->qmp_fd,
		config->vhost_fd};
	int keep[ARRAY_SIZE(fds) + VM_SHARES_MAX];
	int null = open("/dev/null", O_RDWR);
	size_t count = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Killed before it was set: nobody would ever end this VM. */
	if (getppid() != parent)
		_exit(127);
	for (size_t i = 0; i < ARRAY_SIZE(fds) + config->share_count; i++) {
		int fd = i < ARRAY_SIZE(fds) ? fds[i] : config->share_fds[i - ARRAY_SIZE(fds)];

		if (fd >= 0 && fd_set_cloexec(fd, false) == 0)
			keep[count++] = fd;
	}
	qsort(keep, count, sizeof(keep[0]), compare_ints);
	if (null >= 0)
		dup2(null, 0);
	dup2(err_fd, 1);
	dup2(err_fd, 2);
	fd_close_from(3, keep, count);
	execvp(command->argv[0], command->argv);
	dprintf(2, "%s: %s: %s\n", command->argv[0], errno_name(errno), errno_text(errno));
	_exit(127);
}

static int start_qemu(struct vm *vm, struct qemu_fds *fds, struct error *err)
{
	struct qemu_command command;
	pid_t pid, parent = getpid();
	int r;

	vm->config.console_fd = fds->console;
	vm->config.qmp_fd = fds->qmp;
	r = qemu_command_build(&vm->config, &command, err);
	if (r < 0)
		return r;
	pid = child_process_fork(&vm->child, &own_session, on_exit_of_qemu, "qemu");
	if (pid == 0)
		become_qemu(&command, &vm->config, fds->err, parent);
	qemu_command_release(&command);
	if (pid < 0)
		return error_errno(err, -pid, "start QEMU");
	vm->started = true;
	return 0;
}

struct vm *vm_start(struct event_loop *loop, const struct vm_config *config,
	const struct vm_events *events, struct error *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct qemu_fds fds = {-1, -1, -1};
	int r;

	if (!vm) {
		error_errno(err, ENOMEM, "VM");
		return NULL;
	}
	vm->loop = loop;
	vm->config = *config;
	vm->config.vhost_fd = -1;
	vm->events = *events;
	for (unsigned i = 0; i < VM_SHARES_MAX; i++)
		vm->config.share_fds[i] = -1;
	console_init(&vm->console);
	if (events->console_line) {
		vm->console.on_line = on_console_line;
		vm->console.context = vm;
	}
	r = make_vsock(vm, err);
	if (r == 0)
		r = make_shares(vm, err);
	if (r == 0)
		r = make_channels(vm, &fds, err);
	if (r == 0)
		r = start_qemu(vm, &fds, err);
	close_fd(&fds.console);
	close_fd(&fds.qmp);
	close_fd(&fds.err);
	for (unsigned i = 0; i < VM_SHARES_MAX; i++)
		close_fd(&vm->config.share_fds[i]);
	if (r < 0) {
		vm_free(vm);
		return NULL;
	}
	return vm;
}

/* ---- end
 * ----------------------------------------------------------------------------------------- */

static void kill_qemu(struct event_timer *timer)
{
	struct vm *vm = container_of(timer, struct vm, kill_timer);

	child_process_signal(&vm->child, SIGKILL);
}

void vm_stop(struct vm *vm)
{
	if (vm->stopping || !vm_running(vm))
		return;
	vm->stopping = true;
	qmp_quit(&vm->qmp);
	event_timer_start(vm->loop, &vm->kill_timer, QUIT_PATIENCE_MS, kill_qemu, "QEMU's quit");
}

void vm_power_button(struct vm *vm)
{
	if (vm_running(vm))
		qmp_power_button(&vm->qmp);
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	if (vm_running(vm)) {
		child_process_signal(&vm->child, SIGKILL);
		child_process_wait(&vm->child);
	}
	child_process_disown(&vm->child);
	event_timer_stop(&vm->kill_timer);
	event_task_cancel(&vm->gone_task);
	close_source(&vm->console_source);
	last_words_release(&vm->words);
	vm_shares_release(&vm->shares);
	qmp_release(&vm->qmp);
	vsock_device_free(vm->device);
	close_fd(&vm->config.vhost_fd);
	private_folder_remove(&vm->folder);
	free(vm);
}

/* ---- questions
 * ----------------------------------------------------------------------------------- */

struct vsock_dialer vm_dialer(struct vm *vm)
{
	if (vm->device)
		return vsock_device_dialer(vm->device);
	return vsock_kernel_dialer_init(&vm->kernel_dialer, vm->loop, vm->config.cid);
}

struct vsock_device *vm_vsock_device(struct vm *vm)
{
	return vm->device;
}

bool vm_vsock_ready(const struct vm *vm)
{
	return vm->device && vsock_device_ready(vm->device);
}

bool vm_running(const struct vm *vm)
{
	return vm->started && !vm->child.exited;
}

pid_t vm_pid(const struct vm *vm)
{
	return vm_running(vm) ? vm->child.pid : 0;
}

const struct console *vm_console(const struct vm *vm)
{
	return &vm->console;
}

/* What to do about a panic, by what it says. */
static const char *panic_advice(const struct console *console)
{
	const char *panic = console->panic;

	if (console->init_error == ENOEXEC)
		return "The initrd's /init is no program of this architecture: 'make initrd' "
		       "(ARCH=... for another) builds one with the right agent.";
	if (strstr(panic, "init found") || strstr(panic, "mount root"))
		return "The kernel found no program to start: is the initrd whole, and is an agent "
		       "in it? 'make initrd' builds one.";
	if (strstr(panic, "kill init"))
		return "The agent, process 1 of the guest, ended: its last words are below, if it "
		       "had any.";
	return "The lines below say more; --verbose shows all of the console.";
}

static void explain_exit(
	const struct vm *vm, const char *program, const char *said, struct failure *failure)
{
	const struct child_process *child = &vm->child;
	const char *advice = "This is QEMU's own message; cradle is made for QEMU 7.2 and later.";
	const char *colon = said[0] ? ": " : "";
	char version[32];

	if (!child->exit_signal && qemu_program_too_old(program, version, sizeof(version))) {
		failure_set(failure, "QEMU is too old",
			"cradle needs QEMU 7.2 or later (Debian 12 has it); --qemu names another.",
			"%s is version %s, and ended with %d%s%s", program, version,
			child->exit_status, colon, said);
		return;
	}
	if (!child->exit_signal && (strstr(said, "kernel") || strstr(said, "ELF"))) {
		failure_set(failure, "the kernel cannot be loaded",
			"Is it a whole kernel, of this architecture? ('make kernel' fetches one; "
			"on "
			"x86_64 a bzImage, or a vmlinux with CONFIG_PVH.)",
			"kernel %s%s%s", vm->config.kernel, colon, said);
		return;
	}
	if (vm->config.accel == VM_ACCEL_KVM)
		advice = "KVM may not work here: try --accel tcg.";
	else if (child->exit_signal)
		advice = "Was it killed from outside, or is this host out of memory?";
	if (child->exit_signal)
		failure_set(failure, "QEMU died", advice, "%s was ended by signal %d%s%s", program,
			child->exit_signal, colon, said);
	else
		failure_set(failure, "QEMU did not start", advice, "%s ended with %d%s%s", program,
			child->exit_status, colon, said);
}

static void explain_absence(const struct vm *vm, const char *program, struct failure *failure)
{
	char advice[128];

	str_format(advice, sizeof(advice),
		"Install it (Debian: apt install %s), or name it with --qemu.",
		qemu_package(vm->config.arch));
	failure_set(failure, "QEMU did not start", advice, "%s is not there", program);
}

void vm_explain(const struct vm *vm, struct failure *failure)
{
	const char *program =
		vm->config.qemu ? vm->config.qemu : qemu_default_program(vm->config.arch);
	const struct console *console = &vm->console;
	char said[400];

	last_words_line(&vm->words, said, sizeof(said));
	if (vm_shares_explain(&vm->shares, failure))
		return;
	if (console->panic[0])
		failure_set(failure, "the guest's kernel panicked", panic_advice(console),
			"%s (kernel %s, initrd %s)", console->panic, vm->config.kernel,
			vm->config.initrd);
	else if (strstr(console->complaint, "vsock://"))
		failure_set(failure, "the guest has no vsock", VM_NO_VSOCK_ADVICE,
			"the agent said: %s (kernel %s)", console->complaint, vm->config.kernel);
	else if (vm->child.exit_status == 127 && strstr(said, "ENOENT"))
		explain_absence(vm, program, failure);
	else if (vm->child.exit_status != 0) /* by a signal: 128 and it */
		explain_exit(vm, program, said, failure);
	else if (console->bytes == 0)
		failure_set(failure, "the guest ended before it said a word",
			"Is it a whole kernel, built for this architecture?", "kernel %s",
			vm->config.kernel);
	else
		failure_set(failure, "the guest ended", "Its last lines are below.",
			"the VM was reset or powered off%s%s",
			console->complaint[0] ? "; the agent's last word: " : "",
			console->complaint);
	/* Who kills QEMU from outside has not read it. */
	failure->show_console = console->bytes > 0 && vm->child.exit_signal != SIGKILL;
}
