/*
 * Kills for memory in a real guest, one boot: one event for each, before the exit of whom it
 * killed, none for anything else; the cause of each; an agent that goes on answering meanwhile.
 * Order is the order of answers on one connection. OOM_ROUNDS=N in the environment: only the kills,
 * signals and exits, N times ten of each (make soak-oom).
 */
#include "lib/agent_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/strings.h"
#include "lib/test_main.h"

#define MIB (1024 * 1024)

/* tail keeps what has no newline: it grows until it is killed. */
#define HOG "tail /dev/zero"

static struct agent agent;
static Grpc__GetOOMEventRequest get_event = GRPC__GET_OOMEVENT_REQUEST__INIT;

/* ---- helpers ------------------------------------------------------------------------------------
 */

/* limit 0: none. mount: a fourth mount, or NULL. */
static void run_container(
	const char *id, const char *script, int64_t limit, const char *type, const char *source)
{
	static const char *const options[] = {"rbind", "rw"};
	const char *argv[] = {"sh", "-c", script, NULL};
	struct test_container c;

	container_fill(&c, &agent, id, argv);
	if (limit)
		container_limit(&c, limit);
	if (type) {
		grpc__mount__init(&c.mounts[3]);
		c.mounts[3].destination = (char *)"/sys/fs/cgroup";
		c.mounts[3].type = (char *)type;
		c.mounts[3].source = (char *)source;
		c.mounts[3].options = (char **)options;
		c.mounts[3].n_options = str_eq(type, "bind") ? 2 : 0;
		c.mount_list[3] = &c.mounts[3];
		c.spec.n_mounts = 4;
	}
	container_send(&agent, &c);
	container_start_id(&agent, id);
}

static void run_limited(const char *id, const char *script, int64_t limit)
{
	run_container(id, script, limit, NULL, NULL);
}

static void begin_wait(struct pending *pending, const char *id, const char *exec_id)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

	wait.container_id = (char *)id;
	wait.exec_id = (char *)exec_id;
	agent_begin(&agent, NULL, pending, "WaitProcess", &wait);
}

static int exit_of(struct pending *pending)
{
	agent_await(&agent, pending);
	assert_int_equal(pending->code, 0);
	return ((Grpc__WaitProcessResponse *)pending->call.response)->status;
}

/* Awaits an event; it has to be this container's. Its place in the order of answers. */
static unsigned expect_event(const char *id)
{
	struct pending event;
	unsigned order;

	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get_event);
	agent_await(&agent, &event);
	assert_int_equal(event.code, 0);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, id);
	order = event.order;
	pending_release(&event);
	return order;
}

/*
 * Asks for an event on a connection of its own and goes away; false: there was one. Its Check comes
 * after, so the agent had time to look.
 */
static bool ask_and_vanish(void)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct ttrpc_client *client = agent_connect(&agent);
	struct client_call call = {0};
	struct pending lost;
	bool none;

	agent_begin(&agent, client, &lost, "GetOOMEvent", &get_event);
	assert_int_equal(client_call_wait(client, &call, "grpc.Health", "Check", &check.base,
				 &grpc__health_check_response__descriptor, 30000, NULL),
		0);
	client_call_release(&call);
	none = !lost.done;
	ttrpc_client_free(client);
	pending_release(&lost);
	return none;
}

static void expect_no_event(void)
{
	assert_true(ask_and_vanish());
}

/* The records of one container; how many have to be there. */
static const Cradle__ListOOMRecordsResponse *records_of(
	struct client_call *call, const char *id, size_t expected)
{
	Cradle__ListOOMRecordsRequest request = CRADLE__LIST_OOMRECORDS_REQUEST__INIT;
	const Cradle__ListOOMRecordsResponse *response;

	request.container_id = (char *)id;
	assert_int_equal(agent_call(&agent, call, "ListOOMRecords", &request, NULL), 0);
	response = (void *)call->response;
	assert_int_equal(response->n_records, expected);
	return response;
}

/* The last line that the container has written. */
static void expect_line(const char *id, const char *line)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	const Grpc__ReadStreamResponse *response;

	read.container_id = (char *)id;
	read.len = 100;
	assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
	response = (void *)call.response;
	assert_int_equal(response->data.len, strlen(line));
	assert_memory_equal(response->data.data, line, strlen(line));
	client_call_release(&call);
}

/* ---- who is told --------------------------------------------------------------------------------
 */

/* Records go to everybody who waits, on whatever connection; a filter keeps others out. */
static void test_record_wakes_all_who_wait(void **state)
{
	Cradle__WaitOOMRecordRequest any = CRADLE__WAIT_OOMRECORD_REQUEST__INIT,
				     other = CRADLE__WAIT_OOMRECORD_REQUEST__INIT;
	const Cradle__ListOOMRecordsResponse *response;
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
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get_event);
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
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get_event);
	agent_begin(&agent, NULL, &second, "GetOOMEvent", &get_event);
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

/* ---- which kills count --------------------------------------------------------------------------
 */

/* A container that lives on: each of its children that is killed is told of, also in quick
 * succession. */
static void test_three_kills_of_a_survivor(void **state)
{
	const Cradle__ListOOMRecordsResponse *records;
	struct client_call call = {0};

	run_limited(
		"survivor", "for i in 1 2 3; do " HOG "; sleep 0.03; done; sleep 1000", 16 * MIB);
	for (int i = 0; i < 3; i++)
		expect_event("survivor");
	records = records_of(&call, "survivor", 3);
	for (size_t i = 0; i < 3; i++) {
		const Cradle__OOMRecord *r = records->records[i];

		assert_int_equal(r->cause, CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT);
		assert_int_equal(r->kills, 1);
		assert_int_equal(r->kills_total, i + 1);
	}
	client_call_release(&call);
	expect_no_event();
	container_remove_id(&agent, "survivor");
}

/* All that a record can hold. */
static void test_a_record_is_complete(void **state)
{
	Cradle__WaitOOMRecordRequest wait = CRADLE__WAIT_OOMRECORD_REQUEST__INIT;
	const Cradle__OOMRecord *r;
	struct pending told;

	wait.container_id = (char *)"complete";
	agent_begin(&agent, NULL, &told, "WaitOOMRecord", &wait);
	run_limited("complete", "exec " HOG, 24 * MIB);
	agent_await(&agent, &told);
	r = ((Cradle__ListOOMRecordsResponse *)told.call.response)->records[0];
	print_message("# victim %s: anon %" PRIu64 " KiB, file %" PRIu64 " KiB\n", r->comm,
		r->anon_bytes / 1024, r->file_bytes / 1024);
	assert_true(r->pid > 1);
	assert_string_equal(r->comm, "tail");
	assert_true(r->anon_bytes > 16 * MIB && r->anon_bytes <= 24 * MIB);
	assert_true(r->file_bytes > 0 && r->file_bytes < 4 * MIB);
	assert_true(r->limit_bytes == 24 * MIB);
	assert_true(r->peak_bytes > 23 * MIB && r->peak_bytes <= 24 * MIB);
	assert_true(r->usage_bytes <= r->peak_bytes);
	assert_true(r->time_unix_nano > 1700000000000000000u);
	assert_non_null(r->pressure);
	pending_release(&told);
	expect_event("complete");
	assert_int_equal(container_wait(&agent, "complete", ""), 137);
	container_remove_id(&agent, "complete");
}

/* Not even its first process fits: the creation says so, and an event who was killed. */
static void test_limit_too_small_to_start(void **state)
{
	static const char *const argv[] = {"true", NULL};
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	struct test_container c;

	container_fill(&c, &agent, "tiny", argv);
	container_limit(&c, 65536);
	assert_int_not_equal(agent_call(&agent, &call, "CreateContainer", &c.request, &err), 0);
	client_call_release(&call);
	print_message("# %s\n", err.text);
	assert_non_null(strstr(err.text, "tiny: memory limit too small to start: init was killed"));
	expect_event("tiny");
	expect_no_event();
	/* and nothing of it stays */
	container_limit(&c, 16 * MIB);
	container_send(&agent, &c);
	container_remove_id(&agent, "tiny");
}

/* An exec is of its container; its exit is told after the event. */
static void test_exec_is_killed(void **state)
{
	struct pending event, exited;

	run_limited("host", "sleep 1000", 16 * MIB);
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get_event);
	assert_int_equal(container_exec_sh(&agent, "host", "e1", "exec " HOG, NULL), 0);
	begin_wait(&exited, "host", "e1");
	assert_int_equal(exit_of(&exited), 137);
	assert_true(event.done && event.order < exited.order);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "host");
	pending_release(&event);
	pending_release(&exited);
	expect_no_event();
	container_remove_id(&agent, "host");
}

/* A group that a container made for itself, with a limit of its own. */
static void test_child_group(void **state)
{
	struct client_call call = {0};

	run_container("nest",
		"cd /sys/fs/cgroup && mkdir leaf small && echo $$ > leaf/cgroup.procs && "
		"echo +memory > cgroup.subtree_control && echo 8388608 > small/memory.max && "
		"sh -c 'echo $$ > small/cgroup.procs; exec " HOG "'; echo $?; sleep 1000",
		64 * MIB, "cgroup", "cgroup");
	expect_event("nest");
	expect_line("nest", "137\n");
	assert_int_equal(records_of(&call, "nest", 1)->records[0]->cause,
		CRADLE__OOMRECORD__CAUSE__CHILD_LIMIT);
	client_call_release(&call);
	container_remove_id(&agent, "nest");
	expect_no_event();
}

/* Nobody waits when it happens; the container is gone when somebody asks. */
static void test_kill_right_before_removal(void **state)
{
	run_limited("brief", HOG "; echo over; sleep 1000", 16 * MIB);
	expect_line("brief", "over\n");
	container_remove_id(&agent, "brief");
	expect_event("brief");
	expect_no_event();
}

/* Who asked first has gone: his call takes nothing with it. */
static void test_vanished_client(void **state)
{
	expect_no_event();
	run_limited("unseen", "exec " HOG, 16 * MIB);
	assert_int_equal(container_wait(&agent, "unseen", ""), 137);
	expect_event("unseen");
	expect_no_event();
	container_remove_id(&agent, "unseen");
}

/* ---- whose limit --------------------------------------------------------------------------------
 */

#define KILLS	      2
#define KEEPER_PARENT "/sys/fs/cgroup/cradle/memory.max"

/* Runs a script in a container that sees the guest's cgroups as the guest does. */
static void as_keeper(const char *script)
{
	static unsigned number;
	char id[16];

	str_format(id, sizeof(id), "k%u", number++);
	assert_int_equal(container_exec_sh(&agent, "keeper", id, script, NULL), 0);
	assert_int_equal(container_wait(&agent, "keeper", id), 0);
}

struct slowest {
	double ms;
	const char *method;
	unsigned answers, late; /* late: the worker had no time to read within its second */
};

/* An answer, in time; on a machine that is very busy it may be that there was no time to read. */
static void timed_call(const char *method, const void *request, struct slowest *slowest)
{
	const uint64_t start = event_loop_now_ns();
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	double ms;

	if (agent_call(&agent, &call, method, request, &err) == 0)
		slowest->answers++;
	else if (err.errnum == ETIMEDOUT || strstr(err.text, "ETIMEDOUT"))
		slowest->late++;
	else
		fail_msg("%s: %s", method, err.text);
	client_call_release(&call);
	ms = (double)(event_loop_now_ns() - start) / 1e6;
	if (ms > slowest->ms) {
		slowest->ms = ms;
		slowest->method = method;
	}
}

static void print_slowest(const char *what, const struct slowest *slowest)
{
	print_message("# %s: %u answers, %u without figures, slowest %.0f ms (%s)\n", what,
		slowest->answers, slowest->late, slowest->ms, slowest->method);
	assert_true(slowest->answers > 10 * slowest->late);
}

/*
 * Children of a container are killed one after another, for a limit that is not its own. Meanwhile
 * the agent answers; each kill is told, with its cause. The container and a bystander live on.
 */
static void kills_from_above(
	const char *id, Cradle__OOMRecord__Cause cause, uint64_t *limit, struct slowest *slowest)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	const Cradle__ListOOMRecordsResponse *records;
	struct client_call call = {0};
	struct pending events[KILLS];

	stats.container_id = (char *)"keeper";
	for (int i = 0; i < KILLS; i++)
		agent_begin(&agent, NULL, &events[i], "GetOOMEvent", &get_event);
	run_limited(id, "for i in 1 2; do " HOG "; done; sleep 1000", 0);
	for (int calls = 0; !events[KILLS - 1].done; calls++) {
		if (calls > 2000)
			fail_msg("%d kills are not told", KILLS);
		timed_call("Check", &check, slowest);
		timed_call("StatsContainer", &stats, slowest);
		/* leaves the guest's CPU to the hog for a while */
		event_loop_step(agent.loop, 100);
	}
	for (int i = 0; i < KILLS; i++) {
		assert_string_equal(((Grpc__OOMEvent *)events[i].call.response)->container_id, id);
		pending_release(&events[i]);
	}
	records = records_of(&call, id, KILLS);
	for (size_t i = 0; i < KILLS; i++)
		assert_int_equal(records->records[i]->cause, cause);
	*limit = records->records[0]->limit_bytes;
	client_call_release(&call);
	expect_no_event();
	container_remove_id(&agent, id);
}

/* ---- the stall guard, and who watches pressure --------------------------------------------------
 */

/* A hog that memory.high slows down for good: reclaim finds nothing, nobody is killed. */
static void begin_stall(const char *id, const char *guard)
{
	static const char *const argv[] = {"sh", "-c", "read x; " HOG "; echo over", NULL};
	Grpc__Spec__AnnotationsEntry entry = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT,
				     *list[] = {&entry};
	struct test_container c;
	char script[300];

	container_fill(&c, &agent, id, argv);
	entry.key = (char *)"io.cradle.memory.stall_guard";
	entry.value = (char *)guard;
	if (guard) {
		c.spec.annotations = list;
		c.spec.n_annotations = 1;
	}
	container_send(&agent, &c);
	container_start_id(&agent, id);
	str_format(script, sizeof(script), "echo 4194304 > /sys/fs/cgroup/cradle%s/memory.high",
		c.group);
	as_keeper(script);
}

static void go(const char *id)
{
	Grpc__WriteStreamRequest line = GRPC__WRITE_STREAM_REQUEST__INIT;

	line.container_id = (char *)id;
	line.data.data = (uint8_t *)"\n";
	line.data.len = 1;
	agent_ok(&agent, "WriteStdin", &line);
}

/*
 * Half a second of one second at least, as the guard was told. Not the average: the kernel brings
 * it up to date every 2 s only (kernel/sched/psi.c, PSI_FREQ), the sum at each read.
 */
static void expect_pressure(const Cradle__OOMRecord *r)
{
	assert_non_null(r->pressure);
	assert_true(r->pressure->full_total_usec >= 500000);
	assert_true(r->pressure->some_total_usec >= r->pressure->full_total_usec);
}

/* Killed by the guard: an event, before the exit, and a record with its own cause. */
static void test_stall_guard_kills(void **state)
{
	struct client_call call = {0};
	struct pending event, exited;
	const Cradle__OOMRecord *r;

	begin_stall("stalled", "kill,50,2");
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get_event);
	begin_wait(&exited, "stalled", "");
	go("stalled");
	assert_int_equal(exit_of(&exited), 137);
	assert_true(event.done && event.order < exited.order);
	r = records_of(&call, "stalled", 1)->records[0];
	assert_int_equal(r->cause, CRADLE__OOMRECORD__CAUSE__STALL);
	assert_int_equal(r->kills, 2); /* the shell and its hog */
	expect_pressure(r);
	client_call_release(&call);
	pending_release(&event);
	pending_release(&exited);
	expect_no_event();
	container_remove_id(&agent, "stalled");
}

/* Only reported: a record, no event; it lives on. Pressure can be watched, its end is told too. */
static void test_stall_is_reported_and_watched(void **state)
{
	Cradle__WaitOOMRecordRequest wait = CRADLE__WAIT_OOMRECORD_REQUEST__INIT;
	Cradle__WatchPressureRequest watch = CRADLE__WATCH_PRESSURE_REQUEST__INIT;
	const Cradle__WatchPressureResponse *response;
	struct pending told, fired, gone;
	const Cradle__OOMRecord *r;

	begin_stall("slow", "report,50,2");
	wait.container_id = watch.container_id = (char *)"slow";
	watch.full = true;
	watch.stall_usec = 300000;
	watch.window_usec = 1000000;
	agent_begin(&agent, NULL, &told, "WaitOOMRecord", &wait);
	agent_begin(&agent, NULL, &fired, "WatchPressure", &watch);
	expect_no_event();
	if (fired.done)
		fail_msg("pressure at once: code %d: %s", fired.code, fired.err.text);
	go("slow");
	agent_await(&agent, &fired);
	assert_int_equal(fired.code, 0);
	response = (void *)fired.call.response;
	assert_true(response->pressure->full_total_usec > 0);
	agent_await(&agent, &told);
	r = ((Cradle__ListOOMRecordsResponse *)told.call.response)->records[0];
	assert_int_equal(r->cause, CRADLE__OOMRECORD__CAUSE__STALL);
	assert_int_equal(r->kills, 0);
	expect_pressure(r);
	expect_no_event();
	watch.stall_usec = 10000000;
	watch.window_usec = 10000000;
	agent_begin(&agent, NULL, &gone, "WatchPressure", &watch);
	container_remove_id(&agent, "slow");
	agent_await(&agent, &gone);
	assert_int_equal(gone.code, STATUS_NOT_FOUND);
	pending_release(&told);
	pending_release(&fired);
	pending_release(&gone);
}

static void test_pod_limit(void **state)
{
	struct slowest slowest = {0};
	uint64_t limit;

	as_keeper("echo 67108864 > " KEEPER_PARENT);
	kills_from_above("podhog", CRADLE__OOMRECORD__CAUSE__POD_LIMIT, &limit, &slowest);
	assert_true(limit == 64 * MIB);
	print_slowest("pod OOM", &slowest);
}

/*
 * Holds most of the guest, and is the last to be killed for it: one hog's buffer alone would be
 * refused before the guest is full (a single allocation larger than all of memory).
 */
static void fill_the_guest(void)
{
	static const char *const argv[] = {"sh", "-c",
		"dd if=/dev/zero bs=200M count=2 2>/dev/null | "
		"(head -c 1 > /dev/null; echo full; sleep 100000)",
		NULL};
	struct test_container c;

	container_fill(&c, &agent, "filler", argv);
	c.process.oomscoreadj = -900;
	container_send(&agent, &c);
	container_start_id(&agent, "filler");
	expect_line("filler", "full\n");
}

/* After an OOM of the pod, so that nothing of that may show. */
static void test_whole_vm(void **state)
{
	struct slowest slowest = {0};
	uint64_t limit;

	as_keeper("echo max > " KEEPER_PARENT);
	fill_the_guest();
	kills_from_above("vmhog", CRADLE__OOMRECORD__CAUSE__WHOLE_VM, &limit, &slowest);
	assert_int_equal(limit, 0);
	print_slowest("whole-VM OOM", &slowest);
	as_keeper("cat /saved > " KEEPER_PARENT);
	container_remove_id(&agent, "filler");
}

/* ---- ten at once, of every kind, five times ---- */

#define AT_ONCE 10
#define ROUNDS	5 /* make soak-oom: 100 */

struct round {
	char ids[3 * AT_ONCE][16]; /* hogs, then those that are killed, then those that end */
	struct pending waits[3 * AT_ONCE], events[AT_ONCE];
};

static void begin_round(struct round *r, int number)
{
	static const char *const scripts[] = {
		"read x; exec " HOG, "read x; sleep 1000", "read x; exit 0"};
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

	for (int i = 0; i < 3 * AT_ONCE; i++) {
		str_format(r->ids[i], sizeof(r->ids[i]), "r%dc%d", number, i);
		run_limited(r->ids[i], scripts[i / AT_ONCE], 16 * MIB);
		wait.container_id = r->ids[i];
		agent_begin(&agent, NULL, &r->waits[i], "WaitProcess", &wait);
	}
	for (int i = 0; i < AT_ONCE; i++)
		agent_begin(&agent, NULL, &r->events[i], "GetOOMEvent", &get_event);
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

static int rounds = ROUNDS;

static void test_50_kills_50_signals_50_exits(void **state)
{
	static struct round r;

	for (int i = 0; i < rounds; i++) {
		memset(&r, 0, sizeof(r));
		begin_round(&r, i);
		let_go(&r);
		check_round(&r);
		end_round(&r);
		if (i % 10 == 9)
			print_message("# %d kills, %d signals, %d exits\n", (i + 1) * AT_ONCE,
				(i + 1) * AT_ONCE, (i + 1) * AT_ONCE);
	}
	expect_no_event(); /* none is left over */
}

static int setup(void **state)
{
	agent_start_vm(&agent, "256M");
	run_container("keeper", "sleep 100000", 0, "bind", "/sys/fs/cgroup");
	as_keeper("cat " KEEPER_PARENT " > /saved");
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_record_wakes_all_who_wait),
	cmocka_unit_test(test_group_dies_in_one_event),
	cmocka_unit_test(test_three_kills_of_a_survivor),
	cmocka_unit_test(test_a_record_is_complete),
	cmocka_unit_test(test_limit_too_small_to_start),
	cmocka_unit_test(test_exec_is_killed),
	cmocka_unit_test(test_child_group),
	cmocka_unit_test(test_kill_right_before_removal),
	cmocka_unit_test(test_vanished_client),
	cmocka_unit_test(test_50_kills_50_signals_50_exits),
	cmocka_unit_test(test_stall_guard_kills),
	cmocka_unit_test(test_stall_is_reported_and_watched),
	cmocka_unit_test(test_pod_limit),
	cmocka_unit_test(test_whole_vm),
};

static const struct CMUnitTest soak[] = {
	cmocka_unit_test(test_50_kills_50_signals_50_exits),
};

/* A pattern as argument: only these tests. */
int main(int argc, char **argv)
{
	const char *text = getenv("OOM_ROUNDS");
	uint32_t number;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (text && parse_u32(text, &number) == 0 && number > 0) {
		rounds = (int)number;
		test_begin(60 + number * 60);
		return cmocka_run_group_tests(soak, setup, teardown);
	}
	test_begin(1200); /* a minute on an idle machine */
	return cmocka_run_group_tests(tests, setup, teardown);
}
