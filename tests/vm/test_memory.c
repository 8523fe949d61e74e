/*
 * Memory in a real guest, one boot: the breakdown adds up, empty and loaded; figures are true;
 * kills are told to everybody who waits.
 */
#define TEST_TIMEOUT 600
#include "lib/agent_fixture.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"
#include "lib/test_main.h"

#define MIB (1024 * 1024)

static struct agent agent;

static int setup(void **state)
{
	agent_start_vm(&agent, "256M");
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void run_limited(const char *id, const char *script, int64_t limit)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct test_container c;

	container_fill(&c, &agent, id, argv);
	container_limit(&c, limit);
	container_send(&agent, &c);
	container_start_id(&agent, id);
}

static const Cradle__MemoryState *memory_state(struct client_call *call)
{
	Cradle__GetMemoryStateRequest request = CRADLE__GET_MEMORY_STATE_REQUEST__INIT;

	assert_int_equal(agent_call(&agent, call, "GetMemoryState", &request, NULL), 0);
	return (void *)call->response;
}

/* ---- figures ------------------------------------------------------------------------------------
 */

/* What no line explains is at most 1 % of the VM or 3 MiB, and the lines make up the VM. */
static void assert_adds_up(const Cradle__GuestMemory *g)
{
	const int64_t bar = g->vm_bytes / 100 > 3 * MIB ? (int64_t)g->vm_bytes / 100 : 3 * MIB;
	uint64_t sum = g->kernel_reserved_bytes + g->kernel_slab_bytes + g->kernel_stack_bytes +
		       g->kernel_page_table_bytes + g->kernel_percpu_bytes +
		       g->kernel_vmalloc_bytes + g->agent_bytes + g->other_process_bytes +
		       g->page_cache_bytes + g->container_bytes + g->huge_page_bytes +
		       g->free_bytes;

	print_message("# VM %" PRIu64 " KiB, containers %" PRIu64 " KiB, unexplained %" PRId64
		      " KiB of at most %" PRId64 "\n",
		g->vm_bytes / 1024, g->container_bytes / 1024, g->unexplained_bytes / 1024,
		bar / 1024);
	assert_true(g->vm_bytes > g->total_bytes && g->vm_bytes < 400u * MIB);
	assert_true((int64_t)g->vm_bytes == (int64_t)sum + g->unexplained_bytes);
	assert_true(g->unexplained_bytes <= bar && g->unexplained_bytes >= -bar);
}

static void test_empty_guest_adds_up(void **state)
{
	struct client_call call = {0};
	const Cradle__MemoryState *memory = memory_state(&call);

	assert_int_equal(memory->n_containers, 0);
	assert_adds_up(memory->guest);
	assert_non_null(memory->guest->pressure);
	client_call_release(&call);
}

/* dd keeps its whole buffer while nobody takes what it writes. */
#define HOLD_ANON(mib) "dd if=/dev/zero bs=" #mib "M count=2 2>/dev/null | sleep 1000"

/*
 * Ten containers with 3 MiB of anonymous memory and 3 MiB of files each, and one with 20 and 10,
 * whose figures have to be true: within 64 pages a CPU, and what a shell, dd and sleep hold.
 */
static void test_loaded_guest_adds_up(void **state)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	const Cradle__ContainerMemory *big;
	const Cradle__MemoryState *memory;
	struct client_call call = {0}, output = {0};
	char id[16];

	read.container_id = id;
	read.len = 100;
	for (int i = 0; i < 11; i++) {
		str_format(id, sizeof(id), "load%d", i);
		run_limited(id,
			i < 10 ? "dd if=/dev/zero of=/f bs=1M count=3 2>/dev/null; (sleep 1; echo) "
				 "& " HOLD_ANON(3)
			       : "dd if=/dev/zero of=/f bs=1M count=10 2>/dev/null; (sleep 1; "
				 "echo) & " HOLD_ANON(20),
			64 * MIB);
	}
	/* the echo comes a second after the file was written: dd has its buffer by then */
	for (int i = 0; i < 11; i++) {
		str_format(id, sizeof(id), "load%d", i);
		assert_int_equal(agent_call(&agent, &output, "ReadStdout", &read, NULL), 0);
		client_call_release(&output);
	}
	memory = memory_state(&call);
	assert_int_equal(memory->n_containers, 11);
	big = memory->containers[10];
	assert_string_equal(big->container_id, "load10");
	assert_true(big->limit_bytes == 64 * MIB);
	assert_true(big->anon_bytes >= 20 * MIB - 64 * 4096 && big->anon_bytes < 21 * MIB);
	assert_true(big->shmem_bytes >= 10 * MIB - 64 * 4096 &&
		    big->shmem_bytes < 10 * MIB + 256 * 1024);
	assert_true(big->file_bytes >= big->shmem_bytes);
	assert_true(big->usage_bytes >= big->anon_bytes + big->file_bytes);
	assert_true(big->usage_bytes <
		    big->anon_bytes + big->file_bytes + big->kernel_bytes + 2 * 64 * 4096);
	assert_true(memory->guest->container_bytes > 10 * 6 * MIB + 30 * MIB);
	assert_true(memory->guest->removed_container_bytes < 2 * MIB);
	assert_adds_up(memory->guest);
	client_call_release(&call);
	for (int i = 0; i < 11; i++) {
		str_format(id, sizeof(id), "load%d", i);
		container_remove_id(&agent, id);
	}
	memory = memory_state(&call);
	assert_int_equal(memory->n_containers, 0);
	assert_adds_up(memory->guest);
	client_call_release(&call);
}

/* ---- kills --------------------------------------------------------------------------------------
 */

/* tail keeps what has no newline: it grows until it is killed. */
#define HOG "tail /dev/zero"

/* Records go to everybody who waits, on whatever connection; a filter keeps others out. */
static void test_record_wakes_all_who_wait(void **state)
{
	Cradle__WaitOOMRecordRequest any = CRADLE__WAIT_OOMRECORD_REQUEST__INIT,
				     other = CRADLE__WAIT_OOMRECORD_REQUEST__INIT;
	const Cradle__ListOOMRecordsResponse *response;
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct pending first, second, never, event;

	other.container_id = (char *)"somebody-else";
	agent_begin(&agent, NULL, &first, "WaitOOMRecord", &any);
	agent_begin(&agent, NULL, &second, "WaitOOMRecord", &any);
	agent_begin(&agent, NULL, &never, "WaitOOMRecord", &other);
	run_limited("hog", "exec " HOG, 16 * MIB);
	agent_await(&agent, &first);
	agent_await(&agent, &second);
	response = (void *)first.call.response;
	assert_int_equal(response->n_records, 1);
	assert_string_equal(response->records[0]->container_id, "hog");
	assert_int_equal(response->records[0]->cause, CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT);
	/* at once from an older number, not at all from the latest */
	any.after_sequence = response->records[0]->sequence;
	pending_release(&second);
	agent_begin(&agent, NULL, &second, "WaitOOMRecord", &any);
	assert_int_equal(container_wait(&agent, "hog", ""), 137);
	assert_false(second.done);
	assert_false(never.done);
	/* a record is not the event: that is still there for who asks */
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	agent_await(&agent, &event);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "hog");
	pending_release(&event);
	client_call_cancel(&second.call);
	client_call_cancel(&never.call);
	pending_release(&first);
	pending_release(&second);
	pending_release(&never);
	container_remove_id(&agent, "hog");
}

/* The whole container dies: one event, which says how many that were. */
static void test_group_dies_in_one_event(void **state)
{
	static const char *const argv[] = {
		"sh", "-c", "sleep 1000 & sleep 1000 & sleep 1000 & exec " HOG, NULL};
	Grpc__Spec__AnnotationsEntry entry = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT,
				     *list[] = {&entry};
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Cradle__ListOOMRecordsRequest records = CRADLE__LIST_OOMRECORDS_REQUEST__INIT;
	const Cradle__ListOOMRecordsResponse *response;
	struct pending event, second, exited;
	struct client_call call = {0};
	struct test_container c;

	container_fill(&c, &agent, "group", argv);
	container_limit(&c, 24 * MIB);
	entry.key = (char *)"io.cradle.cgroup.memory.oom.group";
	entry.value = (char *)"true";
	c.spec.annotations = list;
	c.spec.n_annotations = 1;
	container_send(&agent, &c);
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	agent_begin(&agent, NULL, &second, "GetOOMEvent", &get);
	container_start_id(&agent, "group");
	wait.container_id = records.container_id = (char *)"group";
	agent_begin(&agent, NULL, &exited, "WaitProcess", &wait);
	agent_await(&agent, &event);
	agent_await(&agent, &exited);
	assert_true(event.order < exited.order);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "group");
	assert_int_equal(agent_call(&agent, &call, "ListOOMRecords", &records, NULL), 0);
	response = (void *)call.response;
	assert_int_equal(response->n_records, 1);
	assert_int_equal(response->records[0]->kills, 4);
	assert_int_equal(response->records[0]->kills_total, 4);
	client_call_release(&call);
	container_remove_id(&agent, "group");
	assert_false(second.done);
	/* the second call takes the next kill's event, as any would */
	run_limited("next", "exec " HOG, 16 * MIB);
	agent_await(&agent, &second);
	assert_string_equal(((Grpc__OOMEvent *)second.call.response)->container_id, "next");
	pending_release(&event);
	pending_release(&second);
	pending_release(&exited);
	container_remove_id(&agent, "next");
}

/* ---- ten at once, of every kind, five times ---- */

#define AT_ONCE 10
#define ROUNDS	5

struct round {
	char ids[3 * AT_ONCE][16]; /* hogs, then those that are killed, then those that end */
	struct pending waits[3 * AT_ONCE], events[AT_ONCE];
};

static void begin_round(struct round *r, int number)
{
	static const char *const scripts[] = {
		"read x; exec " HOG, "read x; sleep 1000", "read x; exit 0"};
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

	for (int i = 0; i < 3 * AT_ONCE; i++) {
		str_format(r->ids[i], sizeof(r->ids[i]), "r%dc%d", number, i);
		run_limited(r->ids[i], scripts[i / AT_ONCE], 16 * MIB);
		wait.container_id = r->ids[i];
		agent_begin(&agent, NULL, &r->waits[i], "WaitProcess", &wait);
	}
	for (int i = 0; i < AT_ONCE; i++)
		agent_begin(&agent, NULL, &r->events[i], "GetOOMEvent", &get);
}

/* They all stand at their `read`: a line each, sent without waiting for answers, lets them go. */
static void let_go(struct round *r)
{
	Grpc__WriteStreamRequest line = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct pending writes[3 * AT_ONCE];

	line.data.data = (uint8_t *)"\n";
	line.data.len = 1;
	sig.signal = SIGKILL;
	for (int i = 0; i < 3 * AT_ONCE; i++) {
		line.container_id = sig.container_id = r->ids[i];
		if (i / AT_ONCE == 1)
			agent_begin(&agent, NULL, &writes[i], "SignalProcess", &sig);
		else
			agent_begin(&agent, NULL, &writes[i], "WriteStdin", &line);
	}
	for (int i = 0; i < 3 * AT_ONCE; i++) {
		agent_await(&agent, &writes[i]);
		assert_int_equal(writes[i].code, 0);
		pending_release(&writes[i]);
	}
}

/* One event for each hog, before its own exit; none for anybody else. */
static void check_round(struct round *r)
{
	bool told[AT_ONCE] = {false};

	for (int i = 0; i < 3 * AT_ONCE; i++) {
		agent_await(&agent, &r->waits[i]);
		assert_int_equal(r->waits[i].code, 0);
		assert_int_equal(((Grpc__WaitProcessResponse *)r->waits[i].call.response)->status,
			i / AT_ONCE == 2 ? 0 : 137);
	}
	for (int i = 0; i < AT_ONCE; i++) {
		const char *id;
		int hog = 0;

		agent_await(&agent, &r->events[i]);
		id = ((Grpc__OOMEvent *)r->events[i].call.response)->container_id;
		while (hog < AT_ONCE && !str_eq(id, r->ids[hog]))
			hog++;
		if (hog == AT_ONCE)
			fail_msg("an OOM event for %s", id);
		assert_false(told[hog]);
		told[hog] = true;
		assert_true(r->events[i].order < r->waits[hog].order);
	}
}

static void end_round(struct round *r)
{
	for (int i = 0; i < 3 * AT_ONCE; i++) {
		container_remove_id(&agent, r->ids[i]);
		pending_release(&r->waits[i]);
	}
	for (int i = 0; i < AT_ONCE; i++)
		pending_release(&r->events[i]);
}

static void test_50_kills_50_signals_50_exits(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	static struct round r;
	struct pending more;

	for (int i = 0; i < ROUNDS; i++) {
		memset(&r, 0, sizeof(r));
		begin_round(&r, i);
		let_go(&r);
		check_round(&r);
		end_round(&r);
	}
	agent_begin(&agent, NULL, &more, "GetOOMEvent", &get);
	agent_ok(&agent, "Check", &check);
	assert_false(more.done); /* no event is left over */
	client_call_cancel(&more.call);
	pending_release(&more);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_empty_guest_adds_up),
	cmocka_unit_test(test_loaded_guest_adds_up),
	cmocka_unit_test(test_record_wakes_all_who_wait),
	cmocka_unit_test(test_group_dies_in_one_event),
	cmocka_unit_test(test_50_kills_50_signals_50_exits),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
