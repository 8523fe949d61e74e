/*
 * main: config, boot, build loop + sandbox + server, run, shutdown. Before the loop runs, a failure
 * ends the program with a clear line; from then on no failure of a call does.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/resident.h"
#include "base/socket.h"
#include "boot/boot.h"
#include "boot/shutdown.h"
#include "config.h"
#include "hard_limits.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"
#include "service/service_table.h"
#include "service/versions.h"
#include "telemetry/log_sink.h"
#include "ttrpc/server.h"

#define RUN_DIRECTORY "/run/kata-containers"

struct agent {
	struct agent_config config;
	bool is_init;
	struct event_loop *loop;
	struct sandbox sandbox;
	struct ttrpc_server *server;
	struct event_source signals;
	struct waiter ended; /* SIGTERM: parked on sandbox.ended */
	bool ending;
};

static void report_config(const char *text, void *context)
{
	log_printf(LOG_WARN, "config", "%s", text);
}

static void on_server_stopped(void *context)
{
	struct agent *agent = context;

	event_loop_stop(agent->loop);
}

/* Everything of the sandbox is gone and its caller has the answer. */
static void end_agent(void *context)
{
	struct agent *agent = context;

	if (agent->ending)
		return;
	agent->ending = true;
	ttrpc_server_stop(agent->server, SHUTDOWN_GRACE_MS, on_server_stopped, agent);
}

static void on_sandbox_ended(struct waiter *waiter, int value)
{
	end_agent(container_of(waiter, struct agent, ended));
}

/* SIGTERM, SIGINT: as DestroySandbox, then exit. */
static void terminate(struct agent *agent)
{
	struct error err = ERROR_INIT;

	agent->ended.wake = on_sandbox_ended;
	waiter_park(&agent->sandbox.ended, &agent->ended);
	/* all gone already, but the answer to DestroySandbox is not read */
	if (sandbox_destroy(&agent->sandbox, &err) < 0 && agent->sandbox.over)
		end_agent(agent);
}

static void dump_state(struct agent *agent)
{
	log_printf(LOG_INFO, "dump", "%u calls on %u connections, %llu log records dropped",
		ttrpc_server_calls(agent->server), ttrpc_server_connections(agent->server),
		(unsigned long long)log_sink_dropped());
	sandbox_dump(&agent->sandbox);
}

static void on_signal(struct event_source *source, uint32_t events)
{
	struct agent *agent = container_of(source, struct agent, signals);
	struct signalfd_siginfo info;

	while (read(source->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			dump_state(agent);
		else if (list_empty(&agent->ended.node))
			terminate(agent);
	}
}

static int watch_signals(struct agent *agent, struct error *err)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "make the signal descriptor");
	r = event_source_add(agent->loop, &agent->signals, fd, EPOLLIN, on_signal, "signals");
	return r < 0 ? error_errno(err, -r, "watch signals") : 0;
}

static int listen_at(struct agent *agent, const char *text, struct error *err)
{
	struct address address;
	int r = address_parse(text, &address, err);

	return r < 0 ? r : ttrpc_server_listen(agent->server, &address, err);
}

static int build(struct agent *agent, struct error *err)
{
	const struct sandbox_options options = {.init = agent->is_init,
		.memory_reserve = agent->config.reserve,
		.oom_window_ms = agent->config.oom_window_ms,
		.stall_guard = agent->config.stall_guard,
		.pipe_size = agent->config.container_pipe_size,
		.passfd_address = agent->config.passfd_addr,
		.run_directory = RUN_DIRECTORY,
		.device_timeout_ms = agent->config.hotplug_timeout_s * 1000ull};
	int r;

	agent->loop = event_loop_new();
	if (!agent->loop)
		return error_errno(err, errno, "make the event loop");
	r = child_reaper_init(agent->loop);
	if (r < 0)
		return error_errno(err, -r, "set up the reaper");
	log_sink_attach(agent->loop);
	r = watch_signals(agent, err);
	if (r == 0)
		r = sandbox_init(&agent->sandbox, agent->loop, &options, err);
	if (r < 0)
		return r;
	agent->server =
		ttrpc_server_new(agent->loop, service_table, service_table_count, &agent->sandbox);
	if (!agent->server)
		return error_errno(err, errno, "make the ttrpc server");
	sandbox_service_set_end(end_agent, agent);
	r = listen_at(agent, agent->config.server_addr, err);
	if (r == 0 && agent->config.also_listen[0])
		r = listen_at(agent, agent->config.also_listen, err);
	return r;
}

/*
 * The agent has to go on while the guest is out of memory: what it uses stays in memory (program
 * text on a disk would be thrown out first), and the stack is there to the depth that calls need.
 * Only pages that are in use: locking all would read in what is never run, and what only the boot
 * has run is let go first. Children inherit no locks.
 */
static void stay_in_memory(void)
{
	volatile char depth[RESIDENT_STACK];
	int r;

	for (size_t i = 0; i < sizeof(depth); i += 4096)
		depth[i] = 0;
	resident_forget_text();
	r = resident_lock();
	if (r < 0)
		log_printf(LOG_WARN, "root", "memory is not locked: %s", errno_name(r));
}

/* For GetMetrics: how long this took from the kernel's hand-over (start) on. */
static void note_boot(struct agent *agent, uint64_t start, const struct boot *boot)
{
	uint64_t since = event_loop_now_ns() - start;

	if (agent->is_init)
		agent->sandbox.boot = (struct metrics_boot){.kernel_us = start / 1000,
			.modules_us = boot->modules_ns / 1000,
			.agent_us = (since - boot->modules_ns) / 1000};
}

static int run(struct agent *agent, struct error *err)
{
	stay_in_memory();
	int r;

	log_record(LOG_INFO, "root", "agent is listening", "address", agent->config.server_addr,
		"agent-version", AGENT_VERSION, "api-version", API_VERSION, "cradle-version",
		CRADLE_VERSION, NULL);
	r = event_loop_run(agent->loop);
	if (r < 0)
		return error_errno(err, -r, "wait for events");
	ttrpc_server_free(agent->server);
	sandbox_release(&agent->sandbox);
	log_record(LOG_INFO, "root", "agent has ended", NULL);
	return 0;
}

/* What only prints and leaves. True: done, *code is the exit code. */
static bool answer_arguments(int argc, char **argv, bool is_init, int *code)
{
	const struct config_report report = {report_config, NULL};
	struct agent_config scratch;

	agent_config_init(&scratch);
	switch (agent_config_parse_arguments(&scratch, argc, argv, is_init, &report)) {
	case CONFIG_SHOW_VERSION:
		printf("cradle-agent %s (agent version %s, api version %s)\n", CRADLE_VERSION,
			AGENT_VERSION, API_VERSION);
		*code = 0;
		return true;
	case CONFIG_SHOW_HELP:
		fputs(agent_config_help, stdout);
		*code = 0;
		return true;
	case CONFIG_WRONG_USAGE:
		*code = 2;
		return true;
	case CONFIG_RUN:
		break;
	}
	return false;
}

int main(int argc, char **argv)
{
	static struct agent agent; /* static: large, and the first page faults happen at start */
	const struct config_report report = {report_config, NULL};
	struct boot boot = {.config = &agent.config, .report = &report};
	const uint64_t start = event_loop_now_ns();
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];
	int code, r;

	/*
	 * Freed memory goes back to the kernel: left alone, glibc raises both thresholds after the
	 * first big frame and keeps up to 64 MiB. Setting them ends that.
	 */
	mallopt(M_MMAP_THRESHOLD, 512 * 1024);
	mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
	agent.is_init = getpid() == 1;
	if (answer_arguments(argc, argv, agent.is_init, &code))
		return code;
	agent_config_init(&agent.config);
	r = boot_run(&boot, agent.is_init, &err);
	if (r == 0) {
		agent_config_parse_arguments(&agent.config, argc, argv, agent.is_init, &report);
		log_set_level(agent.config.log_level);
		r = build(&agent, &err);
	}
	if (r == 0) {
		note_boot(&agent, start, &boot);
		r = run(&agent, &err);
	}
	if (r < 0)
		log_record(LOG_CRIT, "root", "agent cannot go on", "error",
			error_render(&err, text, sizeof(text)), NULL);
	shutdown_end(r < 0 ? 1 : 0);
}
