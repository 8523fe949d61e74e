/*
 * Tests host-tools/vm/vm_boot.c with VMs made of nothing: what is waited for, what is not any more,
 * and a trial of KVM that fails while others hold the way to the guest.
 */
#include "vm/vm_boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "lib/test_main.h"
#include "vsock/vsock_device.h"

/* ---- VMs, in the place of vm.c ----------------------------------------------------------------
 */

struct vm {
	unsigned number;
	struct vm_events events;
	struct console console;
	bool driver_up;
};

static struct vm *now; /* the one there is */
static unsigned started, stopped;
static bool cannot_start;

/* One dial at a time. */
static struct {
	struct vsock_dial base;
	bool active;
	unsigned vm; /* whose guest is called */
	vsock_dial_fn done;
	void *owner;
} dial;

static void on_cancel(struct vsock_dial *base)
{
	dial.active = false;
}

static int on_dial(void *context, uint32_t port, uint64_t timeout_ms, vsock_dial_fn done,
	void *owner, struct vsock_dial **ret, struct error *err)
{
	struct vm *vm = context;

	assert_false(dial.active);
	dial.base.cancel = on_cancel;
	dial.active = true;
	dial.vm = vm->number;
	dial.done = done;
	dial.owner = owner;
	*ret = &dial.base;
	return 0;
}

static void answer_dial(int result, int fd)
{
	assert_true(dial.active);
	dial.active = false;
	dial.done(dial.owner, result, fd);
}

struct vm *vm_start(struct event_loop *loop, const struct vm_config *config,
	const struct vm_events *events, struct error *err)
{
	assert_null(now);
	if (cannot_start) {
		error_errno(err, ENOEXEC, "start QEMU");
		return NULL;
	}
	now = calloc(1, sizeof(*now));
	assert_non_null(now);
	now->number = ++started;
	now->events = *events;
	return now;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	assert_ptr_equal(vm, now);
	now = NULL;
	free(vm);
}

void vm_stop(struct vm *vm)
{
	stopped++;
}

bool vm_running(const struct vm *vm)
{
	return vm == now && stopped == 0;
}

struct vsock_dialer vm_dialer(struct vm *vm)
{
	return (struct vsock_dialer){.dial = on_dial, .context = vm};
}

struct vsock_device *vm_vsock_device(struct vm *vm)
{
	return (struct vsock_device *)(void *)vm; /* there is one: that is all that matters */
}

bool vm_vsock_ready(const struct vm *vm)
{
	return vm->driver_up;
}

const struct console *vm_console(const struct vm *vm)
{
	return &vm->console;
}

void vm_explain(const struct vm *vm, struct failure *failure)
{
	failure_set(failure, "the guest ended", NULL, "as the test wants it");
}

/* Not called by vm_boot.c; they stand in the same file as the others. */
pid_t vm_pid(const struct vm *vm)
{
	return 0;
}

void vm_power_button(struct vm *vm)
{
}

/* ---- the owner ------------------------------------------------------------------------------- */

static struct event_loop *loop;
static struct vm_boot boot;
static unsigned ups, failures, notices;

static void on_up(void *owner, int fd)
{
	ups++;
}

static void on_failed(void *owner, const struct failure *failure)
{
	failures++;
}

static void on_notice(void *owner, const char *text)
{
	notices++;
}

static int begin(bool on_trial)
{
	struct vm_boot_events events = {.up = on_up, .failed = on_failed, .notice = on_notice};
	struct vm_config config = VM_CONFIG_INIT;
	struct error err = ERROR_INIT;

	config.accel = VM_ACCEL_KVM;
	config.kernel = "a kernel";
	return vm_boot_start(&boot, loop, &config, on_trial, 60000, &events, &err);
}

static int set_up(void **state)
{
	loop = event_loop_new();
	assert_non_null(loop);
	memset(&dial, 0, sizeof(dial));
	started = stopped = ups = failures = notices = 0;
	cannot_start = false;
	return 0;
}

static int tear_down(void **state)
{
	vm_boot_release(&boot);
	assert_null(now);
	event_loop_free(loop);
	return 0;
}

/* As if its time had come. */
static void fire(struct event_timer *timer)
{
	event_timer_fn callback = timer->callback;

	assert_true(event_timer_running(timer));
	event_timer_stop(timer);
	callback(timer);
}

static unsigned answers;

static void on_dialled(void *owner, int result, int fd)
{
	answers++;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void test_up(void **state)
{
	assert_int_equal(begin(true), 0);
	now->events.vsock_ready(now->events.owner);
	answer_dial(-ECONNREFUSED, -1);
	assert_true(event_timer_running(&boot.retry));
	fire(&boot.retry);
	answer_dial(0, 77);
	assert_int_equal(ups, 1);
	assert_false(event_timer_running(&boot.retry));
	assert_false(event_timer_running(&boot.deadline));
	assert_false(event_timer_running(&boot.trial));
}

/* `cradle run --listen` hands the way to the guest out before the trial is over. */
static void test_trial_fails_under_a_dialer(void **state)
{
	struct vsock_dialer dialer;
	struct vsock_dial *mine = NULL;

	assert_int_equal(begin(true), 0);
	dialer = vm_boot_dialer(&boot);
	assert_int_equal(vsock_dial(&dialer, 5, 0, on_dialled, NULL, &mine, NULL), 0);
	assert_int_equal(dial.vm, 1);
	answer_dial(-EAGAIN, -1);
	fire(&boot.trial);
	assert_int_equal(notices, 1);
	assert_int_equal(started, 2);
	assert_int_equal(vsock_dial(&dialer, 5, 0, on_dialled, NULL, &mine, NULL), 0);
	assert_int_equal(dial.vm, 2);
	vsock_dial_cancel(mine);
}

static void test_trial_fails_and_nothing_starts(void **state)
{
	struct vsock_dial *mine = NULL;
	struct vsock_dialer dialer;

	assert_int_equal(begin(true), 0);
	dialer = vm_boot_dialer(&boot);
	cannot_start = true;
	fire(&boot.trial);
	assert_int_equal(failures, 1);
	assert_int_equal(vsock_dial(&dialer, 5, 0, on_dialled, NULL, &mine, NULL), -EAGAIN);
}

/* The driver is up: somebody may be calling it although its news has not come yet. */
static void test_trial_is_not_lost_by_late_news(void **state)
{
	assert_int_equal(begin(true), 0);
	now->driver_up = true;
	fire(&boot.trial);
	assert_int_equal(started, 1);
	now->events.vsock_ready(now->events.owner);
	answer_dial(0, 77);
	assert_int_equal(ups, 1);
}

static void assert_waits_for_nothing(void)
{
	assert_false(event_timer_running(&boot.retry));
	assert_false(event_timer_running(&boot.deadline));
	assert_false(event_timer_running(&boot.trial));
	assert_false(dial.active);
}

static void test_expected_end_while_it_boots(void **state)
{
	assert_int_equal(begin(true), 0);
	vm_boot_expect_end(&boot);
	assert_waits_for_nothing();
	/* It comes up all the same, and nobody wants to know. */
	now->events.vsock_ready(now->events.owner);
	assert_waits_for_nothing();
	now->events.gone(now->events.owner);
	assert_int_equal(ups + failures, 0);
}

static void test_expected_end_while_it_dials(void **state)
{
	assert_int_equal(begin(false), 0);
	now->events.vsock_ready(now->events.owner);
	assert_true(dial.active);
	vm_boot_expect_end(&boot);
	assert_waits_for_nothing();
	now->events.gone(now->events.owner);
	assert_int_equal(ups + failures, 0);
}

static void test_unexpected_end(void **state)
{
	assert_int_equal(begin(true), 0);
	now->events.gone(now->events.owner);
	assert_int_equal(failures, 1);
	assert_waits_for_nothing();
	assert_string_equal(boot.failure.stage, "the guest ended");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	CASE(test_up),
	CASE(test_trial_fails_under_a_dialer),
	CASE(test_trial_fails_and_nothing_starts),
	CASE(test_trial_is_not_lost_by_late_news),
	CASE(test_expected_end_while_it_boots),
	CASE(test_expected_end_while_it_dials),
	CASE(test_unexpected_end),
};

TEST_MAIN(tests)
