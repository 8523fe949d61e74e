/*
 * run: `cradle run`: a container in a VM of its own. Puts the parts together: options, root image,
 * sizing, accelerator, VM, session, and turns what happened into an exit code and words.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "command_table.h"
#include "run/run_help.h"
#include "run/run_internal.h"
#include "vm/qemu_command.h"

#define CONSOLE_TAIL 12
/* What the agent says first, at level debug (its boot/boot.c). */
#define AGENT_FIRST_WORDS "the kernel started the agent"
/* After the agent is lost: how long QEMU may take to tell why. */
#define GONE_PATIENCE_MS 500

/* A raw terminal does not return to the line's beginning by itself. */
static const char *line_end = "";

void run_say(const char *text)
{
	fprintf(stderr, "cradle: %s%s\n", text, line_end);
}

/* ---- the VM and the session: events
 * ---------------------------------------------------------------- */

void run_end(struct run *run, int exit_code)
{
	run->exit_code = exit_code;
	event_loop_stop(run->loop);
}

static void end_with_failure(struct run *run, const struct failure *failure)
{
	run->failure = *failure;
	run_end(run, failure->exit_code);
}

static void mark(struct run *run, enum run_stage stage)
{
	timing_mark(&run->timing, stage, event_loop_now_ns());
}

static void on_ready(void *owner)
{
	struct run *run = owner;

	mark(run, STAGE_AGENT_ANSWERED);
	if (!run->options.hold)
		return;
	printf("ready %s\n", run->options.listen);
	fflush(stdout);
}

static void on_created(void *owner)
{
	mark(owner, STAGE_CONTAINER_CREATED);
}

static void take_terminal(struct run *run)
{
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];

	if (!run->options.tty || !isatty(0))
		return;
	if (terminal_make_raw(&run->terminal, 0, &err) < 0)
		run_say(error_render(&err, text, sizeof(text)));
	else
		line_end = "\r";
}

static void give_terminal_back(struct run *run)
{
	terminal_restore(&run->terminal);
	line_end = "";
}

static void on_started(void *owner)
{
	mark(owner, STAGE_CONTAINER_STARTED);
	take_terminal(owner);
	run_control_started(owner);
}

static void on_exited(void *owner)
{
	give_terminal_back(owner);
	mark(owner, STAGE_CONTAINER_EXITED);
	run_control_exited(owner);
}

static void on_finished(void *owner, const struct session_result *result)
{
	struct run *run = owner;

	if (result->oom[0])
		run_say(result->oom);
	else if (result->exit_code == 128 + SIGKILL && run->control.terminated)
		run_say("the container does not handle SIGTERM, so the agent killed it");
	if (result->stats[0])
		run_say(result->stats);
	run_end(run, result->exit_code);
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
		.net_path =
			run->plan.config.net == VM_NET_USER ? qemu_net_path(run->plan.arch) : NULL,
		.memory_limit = run->plan.sizing.limit_bytes,
		.in_fd = run->options.interactive || (run->options.tty && isatty(0)) ? 0 : -1,
		.out_fd = 1,
		.err_fd = 2,
		.want_stats = run->options.stats,
		.silence_ms = run->options.agent_timeout_s * 1000ull,
	};
	struct session_events events = {.ready = on_ready,
		.created = on_created,
		.started = on_started,
		.exited = on_exited,
		.finished = on_finished,
		.failed = on_session_failed,
		.owner = run};
	struct error err = ERROR_INIT;

	if (guest_session_start(&run->session, run->loop, fd, &request, &events, &err) < 0) {
		failure_wrap(&run->failure, "the agent does not answer", NULL, &err);
		run_end(run, EXIT_CRADLE_FAILED);
	}
}

static void on_boot_failed(void *owner, const struct failure *failure)
{
	end_with_failure(owner, failure);
}

static void on_console_line(void *owner, const char *line)
{
	struct run *run = owner;

	if (strstr(line, AGENT_FIRST_WORDS))
		mark(run, STAGE_KERNEL_HANDED_OVER);
	if (run->options.vm.verbose)
		fprintf(stderr, "guest| %s%s\n", line, line_end);
}

static void on_notice(void *owner, const char *text)
{
	run_say(text);
}

static void on_hold_stdin(struct event_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, hold_stdin);
	char thrown_away[512];
	ssize_t n = read(source->fd, thrown_away, sizeof(thrown_away));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		run_end(run, 0);
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
	struct vsock_dialer dialer = vm_boot_dialer(&run->boot);

	run->listener = vsock_listener_new(run->loop, &dialer, run->options.listen, err);
	return run->listener ? 0 : -1;
}

static int boot(struct run *run)
{
	struct vm_boot_events events = {.up = on_up,
		.failed = on_boot_failed,
		.console_line = run->plan.config.agent_debug ? on_console_line : NULL,
		.notice = on_notice,
		.owner = run};
	uint64_t timeout_s =
		run->options.vm.boot_timeout_s ? run->options.vm.boot_timeout_s : VM_BOOT_TIMEOUT_S;
	struct error err = ERROR_INIT;
	int r = run_control_watch(run, &err);

	if (r == 0)
		r = vm_boot_start(&run->boot, run->loop, &run->plan.config, run->plan.kvm_on_trial,
			timeout_s * 1000, &events, &err);
	if (r < 0)
		return run_fail_early(run, "QEMU did not start",
			err.errnum == ENOSPC ? "The VM's socket needs a folder that is not full: "
					       "XDG_RUNTIME_DIR names it (default /tmp)."
					     : NULL,
			&err);
	mark(run, STAGE_VM_STARTED);
	if (run->options.listen)
		r = listen_for_clients(run, &err);
	if (r == 0 && run->options.hold)
		r = watch_stdin(run, &err);
	if (r < 0)
		return run_fail_early(run, "the VM cannot be reached from outside",
			run->options.listen
				? "--listen wants a path in a folder that you may write to, "
				  "where nobody else listens."
				: NULL,
			&err);
	return 0;
}

/* ---- the whole of it
 * --------------------------------------------------------------------------------- */

static void print_failure(const struct run *run)
{
	const struct vm *vm = run->boot.vm;

	failure_print(&run->failure, stderr);
	/* With --verbose all of it was shown already. */
	if (!run->failure.show_console || !vm || run->options.vm.verbose)
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
	if (run->boot.vm)
		mark(run, STAGE_VM_GONE);
	vm_boot_release(&run->boot);
	event_timer_stop(&run->patience);
	run_control_release(run);
	event_source_remove(&run->hold_stdin);
	image_release(&run->image);
	vm_plan_release(&run->plan);
	arena_release(&run->arena);
	child_reaper_release();
	event_loop_free(run->loop);
}

static int init(struct run *run, const struct run_options *options)
{
	int r;

	memset(run, 0, sizeof(*run));
	run->options = *options;
	run->image = (struct image)IMAGE_INIT;
	vm_plan_init(&run->plan, &options->vm);
	run->exit_code = EXIT_CRADLE_FAILED;
	arena_init(&run->arena, 64u << 20);
	run->loop = event_loop_new();
	r = run->loop ? child_reaper_init(run->loop) : -errno;
	if (r < 0)
		fprintf(stderr, "cradle: cannot start: %s\n", errno_text(-r));
	return r;
}

static int run_container(struct run *run)
{
	int r;

	if (run_prepare(run) < 0 || boot(run) < 0)
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
	if (init(run, &options) < 0) {
		free(run);
		return EXIT_CRADLE_FAILED;
	}
	timing_init(
		&run->timing, options.timing ? stderr : NULL, options.json, event_loop_now_ns());
	code = run_container(run);
	give_terminal_back(run);
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
