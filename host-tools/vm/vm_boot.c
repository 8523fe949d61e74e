/* vm_boot: the wait for the agent, and the words for each way it can go wrong. */
#include "vm/vm_boot.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"

/* A refused dial is answered by the guest's kernel at once: the agent is about to listen. */
#define RETRY_REFUSED_MS 10
/* Without our own device nobody tells when the guest's driver is up. */
#define RETRY_NO_DRIVER_MS 100
#define DIAL_TIMEOUT_MS	   5000
/* Seconds of silence under KVM after which it counts as pretending (lab-notes.md). */
#define KVM_TRIAL_MS 8000

static void dial_agent(struct vm_boot *boot);
static int start_vm(struct vm_boot *boot, struct error *err);

static void stop_waiting(struct vm_boot *boot)
{
	event_timer_stop(&boot->retry);
	event_timer_stop(&boot->deadline);
	event_timer_stop(&boot->trial);
	vsock_dial_cancel(boot->dial);
	boot->dial = NULL;
}

static void fail(struct vm_boot *boot)
{
	stop_waiting(boot);
	boot->phase = BOOT_FAILED;
	boot->events.failed(boot->events.owner, &boot->failure);
}

/* ---- dialling
 * ------------------------------------------------------------------------------------ */

static void on_retry(struct event_timer *timer)
{
	dial_agent(container_of(timer, struct vm_boot, retry));
}

static void retry_later(struct vm_boot *boot, int why)
{
	uint64_t delay = RETRY_NO_DRIVER_MS;

	if (why == -ENOTCONN && !vm_running(boot->vm))
		return; /* the gone event is on its way and knows more */
	if (why == -ECONNREFUSED || why == -ETIMEDOUT) {
		boot->phase = BOOT_AGENT;
		delay = RETRY_REFUSED_MS;
	}
	event_timer_start(boot->loop, &boot->retry, delay, on_retry, "dial the agent");
}

static void on_dialled(void *owner, int result, int fd)
{
	struct vm_boot *boot = owner;

	boot->dial = NULL;
	if (result < 0) {
		retry_later(boot, result);
		return;
	}
	stop_waiting(boot);
	boot->phase = BOOT_UP;
	boot->events.up(boot->events.owner, fd);
}

static void dial_agent(struct vm_boot *boot)
{
	int r;

	if (boot->dial || boot->phase > BOOT_AGENT)
		return;
	event_timer_stop(&boot->retry);
	r = vsock_dial(
		&boot->dialer, AGENT_PORT, DIAL_TIMEOUT_MS, on_dialled, boot, &boot->dial, NULL);
	if (r < 0)
		retry_later(boot, r);
}

static void on_vsock_ready(void *owner)
{
	struct vm_boot *boot = owner;

	if (boot->phase != BOOT_VSOCK || boot->stopping)
		return;
	boot->phase = BOOT_AGENT;
	dial_agent(boot);
}

/* ---- what can go wrong
 * ----------------------------------------------------------------------------- */

static void explain_silence(struct vm_boot *boot)
{
	double seconds = (double)boot->timeout_ms / 1000;

	if (boot->phase == BOOT_AGENT)
		failure_set(&boot->failure, "the agent does not answer",
			"The guest's kernel and vsock are up, so look at what the agent said on "
			"the "
			"console; --boot-timeout gives it longer.",
			"nobody listened on vsock port %d within %.0f s", AGENT_PORT, seconds);
	else if (vm_console(boot->vm)->bytes == 0)
		failure_set(&boot->failure, "the guest says nothing",
			"Is it a kernel for this architecture, with a console? Try --accel tcg, or "
			"--boot-timeout for a slow machine.",
			"no output and no vsock within %.0f s (kernel %s)", seconds,
			boot->config.kernel);
	else
		failure_set(&boot->failure, "the guest has no vsock", VM_NO_VSOCK_ADVICE,
			"its driver did not come up within %.0f s (kernel %s)", seconds,
			boot->config.kernel);
	boot->failure.show_console = true;
}

static void on_deadline(struct event_timer *timer)
{
	struct vm_boot *boot = container_of(timer, struct vm_boot, deadline);

	explain_silence(boot);
	fail(boot);
}

static void on_gone(void *owner)
{
	struct vm_boot *boot = owner;

	if (boot->stopping || boot->phase == BOOT_FAILED)
		return;
	vm_explain(boot->vm, &boot->failure);
	fail(boot);
}

static void on_trial_over(struct event_timer *timer)
{
	struct vm_boot *boot = container_of(timer, struct vm_boot, trial);
	struct error err = ERROR_INIT;

	/* Its driver is up, its news is on its way. */
	if (boot->phase != BOOT_VSOCK || vm_vsock_ready(boot->vm) ||
		vm_console(boot->vm)->bytes > 0)
		return;
	boot->events.notice(boot->events.owner,
		"the guest says nothing under KVM: starting it again under emulation (TCG)");
	stop_waiting(boot);
	vm_free(boot->vm);
	boot->vm = NULL;
	boot->config.accel = VM_ACCEL_TCG;
	boot->kvm_on_trial = false;
	if (start_vm(boot, &err) < 0) {
		failure_wrap(&boot->failure, "QEMU did not start", NULL, &err);
		fail(boot);
	}
}

/* ---- start, end
 * ------------------------------------------------------------------------------------ */

static void on_console_line(void *owner, const char *line)
{
	struct vm_boot *boot = owner;

	boot->events.console_line(boot->events.owner, line);
}

static void on_console_bytes(void *owner, const void *data, size_t len)
{
	struct vm_boot *boot = owner;

	boot->events.console_bytes(boot->events.owner, data, len);
}

static int start_vm(struct vm_boot *boot, struct error *err)
{
	struct vm_events events = {
		.console_bytes = boot->events.console_bytes ? on_console_bytes : NULL,
		.vsock_ready = on_vsock_ready,
		.gone = on_gone,
		.console_line = boot->events.console_line ? on_console_line : NULL,
		.owner = boot,
	};

	boot->phase = BOOT_VSOCK;
	boot->vm = vm_start(boot->loop, &boot->config, &events, err);
	if (!boot->vm)
		return -EIO;
	boot->dialer = vm_dialer(boot->vm);
	event_timer_start(boot->loop, &boot->deadline, boot->timeout_ms, on_deadline, "boot");
	if (boot->kvm_on_trial)
		event_timer_start(
			boot->loop, &boot->trial, KVM_TRIAL_MS, on_trial_over, "KVM on trial");
	/* Our own device says when the driver is up; the kernel's has to be asked. */
	if (!vm_vsock_device(boot->vm))
		event_timer_start(
			boot->loop, &boot->retry, RETRY_NO_DRIVER_MS, on_retry, "dial the agent");
	return 0;
}

int vm_boot_start(struct vm_boot *boot, struct event_loop *loop, const struct vm_config *config,
	bool kvm_on_trial, uint64_t timeout_ms, const struct vm_boot_events *events,
	struct error *err)
{
	memset(boot, 0, sizeof(*boot));
	boot->loop = loop;
	boot->config = *config;
	boot->events = *events;
	boot->kvm_on_trial = kvm_on_trial && config->accel == VM_ACCEL_KVM;
	boot->timeout_ms = timeout_ms;
	return start_vm(boot, err);
}

static int forward_dial(void *context, uint32_t port, uint64_t timeout_ms, vsock_dial_fn done,
	void *owner, struct vsock_dial **ret, struct error *err)
{
	struct vm_boot *boot = context;

	if (!boot->vm)
		return error_set(err, STATUS_UNAVAILABLE, EAGAIN, "there is no VM now");
	return vsock_dial(&boot->dialer, port, timeout_ms, done, owner, ret, err);
}

struct vsock_dialer vm_boot_dialer(struct vm_boot *boot)
{
	return (struct vsock_dialer){.dial = forward_dial, .context = boot};
}

void vm_boot_expect_end(struct vm_boot *boot)
{
	boot->stopping = true;
	stop_waiting(boot);
}

void vm_boot_shut_down(struct vm_boot *boot)
{
	vm_boot_expect_end(boot);
	if (!boot->vm)
		return;
	vm_stop(boot->vm);
	while (vm_running(boot->vm)) {
		if (event_loop_step(boot->loop, -1) < 0)
			return;
	}
}

void vm_boot_release(struct vm_boot *boot)
{
	if (!boot->loop)
		return;
	stop_waiting(boot);
	vm_free(boot->vm);
	boot->vm = NULL;
}
