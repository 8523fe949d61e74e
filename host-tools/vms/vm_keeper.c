/* vm_keeper: see the header. */
#include "vms/vm_keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "command_table.h"
#include "run/guest_network.h"
#include "vm/qemu_command.h"
#include "vm/vm_boot.h"
#include "vms/vm_logs.h"
#include "vsock/vsock_listener.h"

/* How long a guest may take to end by itself; `cradle vm stop --timeout` may be less patient. */
#define GRACE_MS 3600000 /* the stopper has a time of its own and is firm when it is over */
/* After DestroySandbox was answered: an agent that is process 1 powers off, another does not. */
#define POWER_OFF_MS 5000
#define CONSOLE_TAIL 12

struct keeper {
	struct vm_store *store;
	struct vm_entry *entry;
	struct vm_record record;
	struct event_loop *loop;
	struct event_source signals; /* its descriptor is owned */
	struct vm_logs logs;
	struct vm_boot boot;
	struct vsock_listener *listener;
	struct ttrpc_client *agent; /* for the end; NULL before it answered */
	bool agent_gone;	    /* it closed this connection */
	const char *net_path;	    /* the network's device; NULL: none */
	struct guest_network network;
	struct agent_call destroy;
	struct event_timer grace, power_off;
	int report_fd; /* -1: the starter has heard all it waits for, or is gone */
	bool stopping; /* somebody asked */
	bool remove;   /* nothing is left to be told */
	bool done;
};

/* Into vm.log, a line. */
static void __attribute__((format(printf, 2, 3))) say(struct keeper *keeper, const char *fmt, ...)
{
	time_t now = time(NULL);
	struct tm tm;
	char line[VM_REPORT_MAX];
	size_t at;
	va_list args;
	int n;

	gmtime_r(&now, &tm);
	at = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ ", &tm);
	va_start(args, fmt);
	n = vsnprintf(line + at, sizeof(line) - at - 1, fmt, args);
	va_end(args);
	if (n > 0)
		at += (size_t)n < sizeof(line) - at - 1 ? (size_t)n : sizeof(line) - at - 2;
	line[at++] = '\n';
	vm_logs_say(&keeper->logs, line, at);
}

/* The vsock device's complaints of its guest. */
static void on_log_record(const char *record, size_t len, void *context)
{
	struct keeper *keeper = context;

	vm_logs_say(&keeper->logs, record, len);
}

/* True: the starter has it. */
static bool report(struct keeper *keeper, char kind, const char *text)
{
	char message[VM_REPORT_MAX];
	int n = snprintf(message, sizeof(message), "%c%s", kind, text);
	size_t len = n < (int)sizeof(message) ? (size_t)n : sizeof(message) - 1;

	if (keeper->report_fd < 0)
		return false;
	if (send(keeper->report_fd, message, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len)
		return true;
	say(keeper, "nobody waits for this start any more");
	close_fd(&keeper->report_fd);
	return false;
}

static void set_state(struct keeper *keeper, enum vm_state state)
{
	int r;

	keeper->record.state = state;
	keeper->record.qemu_pid = keeper->boot.vm ? vm_pid(keeper->boot.vm) : 0;
	r = vm_record_write(keeper->entry, &keeper->record);
	if (r < 0)
		say(keeper, "vm.json could not be written: %s", errno_text(-r));
}

/* ---- the VM's news
 * ---------------------------------------------------------------------------------- */

static void on_console_bytes(void *owner, const void *data, size_t len)
{
	struct keeper *keeper = owner;

	vm_logs_feed(&keeper->logs, data, len);
}

static void on_notice(void *owner, const char *text)
{
	say(owner, "%s", text);
	report(owner, VM_REPORT_NOTICE, text);
}

static void on_agent_closed(struct ttrpc_client *client, const struct error *err)
{
	struct keeper *keeper = ttrpc_client_context(client);

	keeper->agent_gone = true;
	if (!keeper->stopping)
		say(keeper, "the agent is gone: %s", err->text);
}

/* As `cradle run` words it, the console's last lines included. The caller frees. */
static char *failure_text(struct keeper *keeper, const struct failure *failure)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	failure_print(failure, to);
	if (failure->show_console && keeper->boot.vm && vm_console(keeper->boot.vm)->bytes > 0) {
		fprintf(to, "        the last lines of the guest's console:\n");
		console_print_tail(vm_console(keeper->boot.vm), CONSOLE_TAIL, "        | ", to);
	}
	fclose(to);
	return text;
}

static void end_with_failure(struct keeper *keeper, const struct failure *failure)
{
	_cleanup_free_ char *text = failure_text(keeper, failure);
	char cause[ERROR_RENDER_MAX];

	say(keeper, "the VM has ended; %s", text ? text : failure->stage);
	keeper->remove = report(keeper, VM_REPORT_FAILED, text ? text : failure->stage);
	str_format(keeper->record.reason, sizeof(keeper->record.reason), "%s: %s", failure->stage,
		error_render(&failure->error, cause, sizeof(cause)));
	keeper->done = true;
}

static void on_failed(void *owner, const struct failure *failure)
{
	end_with_failure(owner, failure);
}

static int serve(struct keeper *keeper, int fd, struct error *err)
{
	struct vsock_dialer dialer = vm_boot_dialer(&keeper->boot);
	char path[VM_ENTRY_PATH_MAX + 16];

	keeper->agent = ttrpc_client_new(keeper->loop, fd, on_agent_closed, keeper);
	if (!keeper->agent) {
		close(fd);
		return error_errno(err, ENOMEM, "connection to the agent");
	}
	vm_entry_file(keeper->entry, "agent.sock", path, sizeof(path));
	keeper->listener = vsock_listener_new(keeper->loop, &dialer, path, err);
	return keeper->listener ? 0 : -EIO;
}

static void give_up(
	struct keeper *keeper, const char *stage, const char *advice, const struct error *err)
{
	struct failure failure;

	failure_wrap(&failure, stage, advice, err);
	vm_boot_expect_end(&keeper->boot);
	end_with_failure(keeper, &failure);
}

static void be_ready(struct keeper *keeper)
{
	set_state(keeper, VM_RUNNING);
	say(keeper, "the agent answers");
	report(keeper, VM_REPORT_READY, "");
	close_fd(&keeper->report_fd);
}

static void on_network(struct guest_network *network, int result, const struct error *err)
{
	struct keeper *keeper = container_of(network, struct keeper, network);

	if (keeper->stopping || keeper->done)
		return;
	if (result < 0)
		give_up(keeper, "the network could not be set up", GUEST_NETWORK_ADVICE, err);
	else
		be_ready(keeper);
}

static void on_up(void *owner, int fd)
{
	struct keeper *keeper = owner;
	struct error err = ERROR_INIT;

	if (serve(keeper, fd, &err) < 0)
		give_up(keeper, "the VM cannot be reached from outside", NULL, &err);
	else if (!keeper->net_path)
		be_ready(keeper);
	else if (guest_network_start(
			 &keeper->network, keeper->agent, keeper->net_path, on_network, &err) < 0)
		give_up(keeper, "the network could not be set up", GUEST_NETWORK_ADVICE, &err);
}

/* ---- the end that was asked for
 * --------------------------------------------------------------------- */

static void stop_firmly(struct keeper *keeper)
{
	if (!keeper->boot.vm || !vm_running(keeper->boot.vm))
		keeper->done = true;
	else
		vm_stop(keeper->boot.vm);
}

static void on_grace_over(struct event_timer *timer)
{
	struct keeper *keeper = container_of(timer, struct keeper, grace);

	say(keeper, "the guest did not end by itself: it is ended");
	stop_firmly(keeper);
}

static void press_power_button(struct keeper *keeper)
{
	say(keeper, "the guest is told by its power button");
	vm_power_button(keeper->boot.vm);
}

static void on_power_off_over(struct event_timer *timer)
{
	press_power_button(container_of(timer, struct keeper, power_off));
}

static void on_destroyed(struct client_call *call, int result, const struct error *err)
{
	struct keeper *keeper = container_of(agent_call_finished(call), struct keeper, destroy);

	if (result == 0 || keeper->agent_gone) {
		event_timer_start(keeper->loop, &keeper->power_off, POWER_OFF_MS, on_power_off_over,
			"the guest's power off");
		return;
	}
	say(keeper, "DestroySandbox: %s", err->text);
	press_power_button(keeper);
}

static void stop_gracefully(struct keeper *keeper)
{
	struct error err = ERROR_INIT;

	/* whoever started it waits, and has nothing in there that wants an ordered end */
	if (!keeper->agent || keeper->record.state == VM_BOOTING) {
		stop_firmly(keeper);
		return;
	}
	set_state(keeper, VM_STOPPING);
	event_timer_start(keeper->loop, &keeper->grace, GRACE_MS, on_grace_over, "grace");
	if (keeper->agent_gone)
		press_power_button(keeper);
	else if (agent_destroy_sandbox(keeper->agent, &keeper->destroy, on_destroyed, &err) < 0)
		press_power_button(keeper);
}

static void take_signal(struct keeper *keeper, int signal)
{
	bool ask = signal == SIGTERM && !keeper->stopping;

	if (signal == SIGHUP)
		return;
	say(keeper, "told to end (signal %d)", signal);
	keeper->stopping = true;
	keeper->remove = true;
	vm_boot_expect_end(&keeper->boot);
	if (ask)
		stop_gracefully(keeper);
	else
		stop_firmly(keeper);
}

static void on_signal(struct event_source *source, uint32_t events)
{
	struct keeper *keeper = container_of(source, struct keeper, signals);
	struct signalfd_siginfo info;

	while (read(source->fd, &info, sizeof(info)) == sizeof(info))
		take_signal(keeper, (int)info.ssi_signo);
}

/* ---- start, and the whole
 * --------------------------------------------------------------------------- */

static int watch_signals(struct keeper *keeper, struct error *err)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "signals");
	r = event_source_add(keeper->loop, &keeper->signals, fd, EPOLLIN, on_signal, "signals");
	if (r < 0)
		close(fd);
	return r < 0 ? error_errno(err, -r, "signals") : 0;
}

static int begin(struct keeper *keeper, const struct vm_keeper_request *request, struct error *err)
{
	struct vm_boot_events events = {.up = on_up,
		.failed = on_failed,
		.console_bytes = on_console_bytes,
		.notice = on_notice,
		.owner = keeper};
	struct vm_config config = request->plan->config;
	int r;

	keeper->loop = event_loop_new();
	if (!keeper->loop)
		return error_errno(err, errno, "event loop");
	r = watch_signals(keeper, err);
	if (r < 0)
		return r;
	r = child_reaper_init(keeper->loop);
	if (r < 0)
		return error_errno(err, -r, "reaper");
	r = vm_logs_open(&keeper->logs, keeper->entry->fd);
	vm_logs_take_stderr(&keeper->logs);
	log_set_sink(on_log_record, keeper);
	if (r < 0)
		return error_errno(err, -r, "logs in %s", keeper->entry->path);
	config.name = keeper->entry->name;
	config.socket_folder = keeper->entry->path;
	keeper->net_path = config.net == VM_NET_USER ? qemu_net_path(request->plan->arch) : NULL;
	r = vm_boot_start(&keeper->boot, keeper->loop, &config, request->plan->kvm_on_trial,
		request->boot_timeout_ms, &events, err);
	if (r == 0)
		set_state(keeper, VM_BOOTING);
	return r;
}

static void loop(struct keeper *keeper)
{
	while (!keeper->done) {
		if (event_loop_step(keeper->loop, -1) < 0)
			break;
		/* No event of an end that was expected (vm_boot.h). */
		if (keeper->stopping && (!keeper->boot.vm || !vm_running(keeper->boot.vm)))
			break;
	}
}

static void release(struct keeper *keeper)
{
	int fd = keeper->signals.fd;

	guest_network_release(&keeper->network);
	agent_call_drop(&keeper->destroy);
	ttrpc_client_free(keeper->agent);
	vsock_listener_free(keeper->listener);
	vm_boot_release(&keeper->boot);
	event_timer_stop(&keeper->grace);
	event_timer_stop(&keeper->power_off);
	if (event_source_added(&keeper->signals)) {
		event_source_remove(&keeper->signals);
		close(fd);
	}
	log_set_sink(NULL, NULL);
	vm_logs_close(&keeper->logs);
	child_reaper_release();
	if (keeper->loop)
		event_loop_free(keeper->loop);
}

/*
 * The last act: until now the entry's lock said that the VM is there. The store's keeps a start of
 * that name out while the entry is half gone, its lock first of all.
 */
static void leave(struct keeper *keeper)
{
	char path[VM_ENTRY_PATH_MAX + 16];
	struct error err = ERROR_INIT;

	if (keeper->remove) {
		if (vm_store_lock(keeper->store, &err) == 0)
			vm_entry_remove(keeper->entry);
		vm_store_close(keeper->store);
		return;
	}
	set_state(keeper, VM_DEAD);
	vm_entry_file(keeper->entry, "qmp.sock", path, sizeof(path));
	unlink(path);
}

int vm_keeper_run(const struct vm_keeper_request *request)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	struct error err = ERROR_INIT;
	struct failure failure;
	int r;

	if (!keeper)
		return EXIT_CRADLE_FAILED;
	keeper->entry = request->entry;
	keeper->store = request->store;
	keeper->record = *request->told;
	keeper->report_fd = request->report_fd;
	keeper->logs =
		(struct vm_logs){.console.fd = -1, .kernel.fd = -1, .agent.fd = -1, .own.fd = -1};
	r = vm_entry_keep(keeper->entry);
	vm_store_unlock(keeper->store);
	if (r == 0)
		r = begin(keeper, request, &err);
	else
		error_errno(&err, -r, "lock of %s", keeper->entry->path);
	if (r < 0) {
		failure_wrap(&failure, "QEMU did not start", NULL, &err);
		end_with_failure(keeper, &failure);
	}
	loop(keeper);
	release(keeper);
	leave(keeper);
	close_fd(&keeper->report_fd);
	free(keeper);
	return r < 0 ? EXIT_CRADLE_FAILED : 0;
}
