/* run_control: signals and the time limit. */
#include "run/run_control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "run/run_internal.h"

#define SECOND_CHANCE_MS 1000
/* After the limit: how long the container's end and its last output may take. */
#define KILL_PATIENCE_MS 5000

static const int watched[] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

static bool ends_a_run(int signal)
{
	return signal != SIGUSR1 && signal != SIGUSR2;
}

static void on_chance_over(struct event_timer *timer)
{
	struct run *run = container_of(timer, struct run, control.second_chance);

	if (run->control.running)
		run_say("the container still runs after SIGINT; "
			"two of them within a second end the VM");
}

/* The container got it already: the next within a second is meant for us. */
static bool is_second_interrupt(struct run *run)
{
	struct run_control *control = &run->control;

	if (event_timer_running(&control->second_chance))
		return true;
	event_timer_start(run->loop, &control->second_chance, SECOND_CHANCE_MS, on_chance_over,
		"a second SIGINT");
	return false;
}

static void on_hangup_over(struct event_timer *timer)
{
	struct run *run = container_of(timer, struct run, control.hangup);

	run_say("the terminal is gone, and the container did not end by that: ending the VM");
	run_end(run, 128 + SIGHUP);
}

static void pass_on(struct run *run, int signal)
{
	struct run_control *control = &run->control;

	if (signal == SIGINT && is_second_interrupt(run)) {
		run_say("SIGINT twice within a second: ending the VM");
		run_end(run, 128 + SIGINT);
		return;
	}
	if (signal == SIGHUP && run->options.tty)
		event_timer_start(run->loop, &control->hangup, KILL_PATIENCE_MS, on_hangup_over,
			"the terminal's hang-up");
	if (signal == SIGTERM)
		control->terminated = true;
	guest_session_signal(&run->session, signal);
}

static void pass_on_size(struct run *run)
{
	uint16_t rows, columns;

	if (run->options.tty && terminal_size(0, &rows, &columns))
		guest_session_resize(&run->session, rows, columns);
}

/* True: it is about the terminal, not for the container. */
static bool is_for_terminal(struct run *run, int signal)
{
	if (signal == SIGCONT)
		terminal_renew(&run->terminal);
	else if (signal == SIGWINCH && run->control.running)
		pass_on_size(run);
	return signal == SIGCONT || signal == SIGWINCH;
}

static void take_signal(struct run *run, int signal)
{
	if (is_for_terminal(run, signal))
		return;
	if (run->options.hold) {
		/* Asked to end while holding is the usual end. */
		if (ends_a_run(signal))
			run_end(run, 0);
	} else if (run->control.running) {
		pass_on(run, signal);
	} else if (ends_a_run(signal)) {
		run_end(run, 128 + signal);
	} else {
		run->control.early |= 1ull << signal;
	}
}

static void on_signal(struct event_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, control.signals);
	struct signalfd_siginfo info;

	while (read(source->fd, &info, sizeof(info)) == sizeof(info))
		take_signal(run, (int)info.ssi_signo);
}

int run_control_watch(struct run *run, struct error *err)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
		sigaddset(&set, watched[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "signals");
	r = event_source_add(run->loop, &run->control.signals, fd, EPOLLIN, on_signal, "signals");
	if (r < 0)
		close(fd);
	return r < 0 ? error_errno(err, -r, "signals") : 0;
}

static void on_kill_over(struct event_timer *timer)
{
	struct run *run = container_of(timer, struct run, control.kill);

	run_say("it did not end when it was killed: ending the VM");
	run_end(run, 128 + SIGKILL);
}

static void on_limit(struct event_timer *timer)
{
	struct run *run = container_of(timer, struct run, control.limit);

	char text[256];

	str_format(text, sizeof(text), "container %s ran longer than --timeout %s: killing it",
		run->id, run->options.timeout_text);
	run_say(text);
	guest_session_signal(&run->session, SIGKILL);
	event_timer_start(run->loop, &run->control.kill, KILL_PATIENCE_MS, on_kill_over, "kill");
}

void run_control_started(struct run *run)
{
	run->control.running = true;
	/* It may have changed while the VM booted. */
	pass_on_size(run);
	for (int signal = 1; signal < 64; signal++) {
		if (run->control.early & 1ull << signal)
			pass_on(run, signal);
	}
	if (run->options.timeout_ms)
		event_timer_start(run->loop, &run->control.limit, run->options.timeout_ms, on_limit,
			"--timeout");
}

void run_control_exited(struct run *run)
{
	run->control.running = false;
	event_timer_stop(&run->control.limit);
	event_timer_stop(&run->control.kill);
	event_timer_stop(&run->control.hangup);
}

void run_control_release(struct run *run)
{
	struct event_source *signals = &run->control.signals;
	int fd = signals->fd;

	event_timer_stop(&run->control.second_chance);
	run_control_exited(run);
	if (!event_source_added(signals))
		return;
	event_source_remove(signals);
	close(fd);
}
