/*
 * The agent as PID 1 of a real guest: one boot, many checks. Limits as the kernel shows them, OOM
 * kills and their order, 64 MiB of output, the agent's own cost.
 */
#define TEST_TIMEOUT 900
#include "lib/agent_fixture.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/device_checks.h"
#include "lib/oci_checks.h"
#include "lib/pod_life.h"
#include "lib/test_main.h"

#define MIB (1024 * 1024)

static struct agent agent;

static int setup(void **state)
{
	agent_start_vm(&agent, "256M");
	oci_checks_begin(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void mount_cgroup(struct test_container *c)
{
	Grpc__Mount *m = &c->mounts[3];

	grpc__mount__init(m);
	m->destination = (char *)"/sys/fs/cgroup";
	m->type = m->source = (char *)"cgroup";
	c->mount_list[3] = m;
	c->spec.n_mounts = 4;
}

static void test_pid_1(void **state)
{
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;
	struct client_call call = {0};

	assert_int_equal(agent_call(&agent, &call, "GetGuestDetails", &request, NULL), 0);
	assert_true(((Grpc__GuestDetailsResponse *)call.response)->agent_details->init_daemon);
	client_call_release(&call);
}

static void test_a_container(void **state)
{
	const char *output;

	assert_int_equal(
		container_whole(&agent, "one", "echo to disk > /file; cat /file; exit 3", &output),
		3);
	assert_string_equal(output, "to disk\n");
	/* the next container finds the image as it was */
	assert_int_equal(container_whole(&agent, "two", "test -e /file", NULL), 1);
}

/*
 * Every limit as it was asked, read from inside. Swap on the wire is memory and swap together; what
 * the wire has no field for comes as annotations; swappiness, which v2 has not, changes nothing.
 */
static void test_limits_are_exact(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"cd /sys/fs/cgroup && cat memory.max memory.low cpu.max cpu.weight pids.max "
		"cpuset.cpus.effective memory.swap.max memory.high memory.min memory.swap.high",
		NULL};
	static const char *const given[][2] = {{"io.cradle.cgroup.memory.high", "36M"},
		{"io.cradle.cgroup.memory.min", "4M"},
		{"io.cradle.cgroup.memory.swap.high", "12M"}};
	Grpc__Spec__AnnotationsEntry entries[ARRAY_SIZE(given)], *list[ARRAY_SIZE(given)];
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	struct test_container c;

	container_fill(&c, &agent, "limits", argv);
	container_limit(&c, 40 * MIB);
	mount_cgroup(&c);
	c.memory.reservation = 20 * MIB;
	c.memory.swap = 60 * MIB;
	c.memory.swappiness = 60;
	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		grpc__spec__annotations_entry__init(&entries[i]);
		entries[i].key = (char *)given[i][0];
		entries[i].value = (char *)given[i][1];
		list[i] = &entries[i];
	}
	c.spec.annotations = list;
	c.spec.n_annotations = ARRAY_SIZE(given);
	cpu.quota = 50000;
	cpu.period = 100000;
	cpu.shares = 1024;
	cpu.cpus = (char *)"0";
	pids.limit = 17;
	c.resources.cpu = &cpu;
	c.resources.pids = &pids;
	container_send(&agent, &c);
	container_start_id(&agent, "limits");
	assert_string_equal(container_output(&agent, "limits", "", false),
		"41943040\n20971520\n50000 100000\n39\n17\n0\n"
		"20971520\n37748736\n4194304\n12582912\n");
	assert_int_equal(container_wait(&agent, "limits", ""), 0);
	container_remove_id(&agent, "limits");
}

/* c30: the disk that the container's image is on is nobody's, /dev/null is everybody's. */
static void test_c30_device_control(void **state)
{
	const char *output;
	unsigned major, minor;

	assert_int_equal(
		container_whole(&agent, "disks", "grep ' vda$' /proc/partitions", &output), 0);
	assert_int_equal(sscanf(output, "%u %u", &major, &minor), 2);
	check_device_control(&agent, major, minor);
}

static void test_statistics(void **state)
{
	static const char *const argv[] = {
		"sh", "-c", "dd if=/dev/zero of=/file bs=1M count=10 2>&1; sleep 1000", NULL};
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	const Grpc__CgroupStats *stats;
	struct client_call call = {0};
	struct test_container c;

	container_fill(&c, &agent, "stats", argv);
	container_limit(&c, 64 * MIB);
	container_send(&agent, &c);
	container_start_id(&agent, "stats");
	read.container_id = request.container_id = (char *)"stats";
	read.len = 4096; /* dd reports: the file is written */
	assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
	assert_int_equal(agent_call(&agent, &call, "StatsContainer", &request, NULL), 0);
	stats = ((Grpc__StatsContainerResponse *)call.response)->cgroup_stats;
	assert_true(stats->memory_stats->usage->limit == 64 * MIB);
	assert_true(stats->memory_stats->usage->usage >= 10 * MIB);
	assert_true(stats->memory_stats->usage->usage < 20 * MIB);
	assert_true(stats->memory_stats->usage->max_usage >= stats->memory_stats->usage->usage);
	assert_true(
		stats->memory_stats->cache >= 10 * MIB); /* the file is on the overlay's tmpfs */
	assert_true(stats->cpu_stats->cpu_usage->total_usage > 0);
	assert_true(stats->pids_stats->current >= 1);
	assert_true(stats->memory_stats->n_stats > 20);
	client_call_release(&call);
	container_remove_id(&agent, "stats");
}

/* ---- OOM
 * ------------------------------------------------------------------------------------------ */

/* tail keeps what has no newline: it grows until it is killed. */
#define HOG "tail /dev/zero"

static void run_limited(const char *id, const char *script, int64_t limit)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct test_container c;

	container_fill(&c, &agent, id, argv);
	container_limit(&c, limit);
	container_send(&agent, &c);
	container_start_id(&agent, id);
}

static Cradle__OOMRecord *last_record(struct client_call *call, const char *id)
{
	Cradle__ListOOMRecordsRequest request = CRADLE__LIST_OOMRECORDS_REQUEST__INIT;
	const Cradle__ListOOMRecordsResponse *response;

	request.container_id = (char *)id;
	assert_int_equal(agent_call(&agent, call, "ListOOMRecords", &request, NULL), 0);
	response = (void *)call->response;
	return response->n_records ? response->records[response->n_records - 1] : NULL;
}

/* ---- UpdateContainer, PauseContainer ---- */

static void read_line(const char *id, const char *want)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	const Grpc__ReadStreamResponse *response;
	struct client_call call = {0};

	read.container_id = (char *)id;
	read.len = 4096;
	assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
	response = (void *)call.response;
	assert_int_equal(response->data.len, strlen(want));
	assert_memory_equal(response->data.data, want, strlen(want));
	client_call_release(&call);
}

/* What is asked for changes, what is not stays: memory, quota and period apart, pids. */
static void test_update(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"cd /sys/fs/cgroup; while read line; do echo $(cat memory.max memory.low cpu.max "
		"cpu.weight pids.max); done",
		NULL};
	static const char *const expected[] = {"67108864 0 max 100000 100 max\n",
		"33554432 16777216 20000 100000 39 30\n", "33554432 16777216 20000 50000 39 30\n",
		"33554432 16777216 30000 50000 39 30\n", "50331648 16777216 30000 50000 39 31\n",
		"max 0 max 50000 39 max\n"};
	Grpc__UpdateContainerRequest update = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__WriteStreamRequest go = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	struct test_container c;

	container_fill(&c, &agent, "update", argv);
	container_limit(&c, 64 * MIB);
	mount_cgroup(&c);
	container_send(&agent, &c);
	container_start_id(&agent, "update");
	go.container_id = update.container_id = (char *)"update";
	go.data.data = (uint8_t *)"\n";
	go.data.len = 1;
	update.resources = &resources;
	resources.memory = &memory;
	resources.cpu = &cpu;
	resources.pids = &pids;
	/* -1 takes a limit away (c20) */
	for (size_t i = 0; i < 6; i++) {
		memory.limit = i == 1 ? 32 * MIB : i == 4 ? 48 * MIB : i == 5 ? -1 : 0;
		memory.reservation = i == 1 ? 16 * MIB : i == 5 ? -1 : 0;
		cpu.shares = i == 1 ? 1024 : 0;
		cpu.quota = i == 1 ? 20000 : i == 3 ? 30000 : i == 5 ? -1 : 0;
		cpu.period = i == 2 ? 50000 : 0;
		pids.limit = i == 1 ? 30 : i == 4 ? 31 : i == 5 ? -1 : 0;
		agent_ok(&agent, "UpdateContainer", &update);
		agent_ok(&agent, "WriteStdin", &go);
		read_line("update", expected[i]);
	}
	container_remove_id(&agent, "update");
}

/*
 * Below what is used: the kernel reclaims and kills before the write is over. That is a helper's
 * time: others are answered, and the kill is an OOM event with its record.
 */
static void test_update_below_usage(void **state)
{
	Grpc__UpdateContainerRequest update = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct pending event, updated, health;
	struct client_call call = {0};
	const Cradle__OOMRecord *r;

	run_limited("shrink", "a=$(yes | head -c 20000000); echo up; read line", 128 * MIB);
	read_line("shrink", "up\n");
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	update.container_id = (char *)"shrink";
	update.resources = &resources;
	resources.memory = &memory;
	memory.limit = 8 * MIB;
	agent_begin(&agent, NULL, &updated, "UpdateContainer", &update);
	agent_begin(&agent, NULL, &health, "Check", &check);
	agent_await(&agent, &health);
	agent_await(&agent, &updated);
	assert_true(health.order < updated.order);
	assert_int_equal(updated.code, 0);
	agent_await(&agent, &event);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "shrink");
	assert_int_equal(container_wait(&agent, "shrink", ""), 137);
	r = last_record(&call, "shrink");
	assert_non_null(r);
	assert_int_equal(r->cause, CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT);
	assert_true(r->limit_bytes == 8 * MIB);
	client_call_release(&call);
	pending_release(&event);
	pending_release(&updated);
	pending_release(&health);
	container_remove_id(&agent, "shrink");
}

/*
 * Groups inside, as systemd or docker make them, with controllers handed on: an exec lands beside
 * init, a kill by an inner limit is the container's event, all is measured, paused, removed.
 */
static void test_nested_groups(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"cd /sys/fs/cgroup; mkdir init work; echo $$ > init/cgroup.procs; "
		"echo '+memory +pids' > cgroup.subtree_control; "
		"echo 16777216 > work/memory.max; echo up; read line; "
		"(echo 0 > work/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=64M count=1); "
		"echo $?; read line",
		NULL};
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__PauseContainerRequest pause_request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume_request = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	const Grpc__CgroupStats *cgroup_stats;
	struct client_call call = {0};
	struct test_container c;
	struct pending event;
	const Cradle__OOMRecord *r;

	container_fill(&c, &agent, "nested", argv);
	container_limit(&c, 128 * MIB);
	mount_cgroup(&c);
	container_send(&agent, &c);
	container_start_id(&agent, "nested");
	read_line("nested", "up\n");
	assert_int_equal(
		container_exec_sh(&agent, "nested", "e", "cat /proc/self/cgroup", NULL), 0);
	assert_string_equal(container_output(&agent, "nested", "e", false), "0::/init\n");
	assert_int_equal(container_wait(&agent, "nested", "e"), 0);
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	container_write(&agent, "nested", "", "\n");
	read_line("nested", "137\n");
	agent_await(&agent, &event);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "nested");
	pending_release(&event);
	r = last_record(&call, "nested");
	assert_non_null(r);
	assert_int_equal(r->cause, CRADLE__OOMRECORD__CAUSE__CHILD_LIMIT);
	client_call_release(&call);
	stats.container_id = pause_request.container_id = resume_request.container_id =
		(char *)"nested";
	agent_ok(&agent, "PauseContainer", &pause_request);
	assert_int_equal(agent_call(&agent, &call, "StatsContainer", &stats, NULL), 0);
	cgroup_stats = ((Grpc__StatsContainerResponse *)call.response)->cgroup_stats;
	assert_true(cgroup_stats->memory_stats->usage->max_usage >= 12 * MIB);
	assert_true(cgroup_stats->pids_stats->current >= 1);
	client_call_release(&call);
	agent_ok(&agent, "ResumeContainer", &resume_request);
	container_remove_id(&agent, "nested");
}

/* Paused: measured, refused an exec, killed, removed. */
static void test_pause(void **state)
{
	Grpc__PauseContainerRequest pause_request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume_request = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct client_call call = {0};

	container_run(&agent, "ice", "read line; exit 4");
	pause_request.container_id = resume_request.container_id = stats.container_id =
		(char *)"ice";
	agent_ok(&agent, "PauseContainer", &pause_request);
	assert_int_equal(agent_call(&agent, &call, "StatsContainer", &stats, NULL), 0);
	assert_true(((Grpc__StatsContainerResponse *)call.response)
			    ->cgroup_stats->memory_stats->usage->usage > 0);
	client_call_release(&call);
	assert_int_equal(container_exec_sh(&agent, "ice", "e", "true", NULL), STATUS_INTERNAL);
	agent_ok(&agent, "ResumeContainer", &resume_request);
	assert_int_equal(container_exec_sh(&agent, "ice", "e", "exit 3", NULL), 0);
	assert_int_equal(container_wait(&agent, "ice", "e"), 3);
	agent_ok(&agent, "PauseContainer", &pause_request);
	container_remove_id(&agent, "ice");
}

/* ---- OOM events ---- */

/* The event's bytes come before those of the WaitProcess answer, 20 times of 20 (house: OOM order).
 */
static void test_oom_event_before_exit(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

	for (int i = 0; i < 20; i++) {
		struct pending event, exited;
		char id[16];

		str_format(id, sizeof(id), "hog%d", i);
		wait.container_id = id;
		agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
		/* killed itself, or a shell that passes on how its child ended */
		run_limited(id, i % 2 ? "exec " HOG : HOG "; exit $?", 16 * MIB);
		agent_begin(&agent, NULL, &exited, "WaitProcess", &wait);
		agent_await(&agent, &exited);
		assert_true(event.done);
		assert_true(event.order < exited.order);
		assert_int_equal(event.code, 0);
		assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, id);
		assert_int_equal(((Grpc__WaitProcessResponse *)exited.call.response)->status, 137);
		pending_release(&event);
		pending_release(&exited);
		container_remove_id(&agent, id);
	}
}

static void test_oom_record(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct client_call call = {0};
	const Cradle__OOMRecord *r;
	struct pending event;

	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	run_limited("record", "exec " HOG, 24 * MIB);
	agent_await(&agent, &event);
	/* the event is first; the kernel's line with the victim's name is read by the time of the
	 * exit */
	container_wait(&agent, "record", "");
	r = last_record(&call, "record");
	assert_non_null(r);
	assert_int_equal(r->cause, CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT);
	assert_true(r->limit_bytes == 24 * MIB);
	assert_true(r->peak_bytes >= 23 * MIB && r->peak_bytes <= 24 * MIB);
	assert_int_equal(r->kills, 1);
	assert_int_equal(r->kills_total, 1);
	assert_true(r->pid > 0);
	assert_string_equal(r->comm, "tail");
	client_call_release(&call);
	pending_release(&event);
	container_remove_id(&agent, "record");
}

/* c26: a container that survives its children's kills reports each of them. */
static void test_c26_oom_event_per_kill(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct client_call call = {0};

	run_limited("several", HOG "; " HOG "; " HOG "; exit 5", 16 * MIB);
	for (int i = 0; i < 3; i++) {
		struct pending event;

		agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
		agent_await(&agent, &event);
		assert_string_equal(
			((Grpc__OOMEvent *)event.call.response)->container_id, "several");
		pending_release(&event);
	}
	assert_int_equal(container_wait(&agent, "several", ""), 5);
	assert_int_equal(last_record(&call, "several")->kills_total, 3);
	client_call_release(&call);
	container_remove_id(&agent, "several");
}

/* A plain SIGKILL, a clean exit and a removal are no OOM: the call goes on waiting. */
static void test_no_event_without_oom(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct pending event;

	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	run_limited("killed", "sleep 1000", 32 * MIB);
	sig.container_id = (char *)"killed";
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "killed", ""), 137);
	container_remove_id(&agent, "killed");
	run_limited("clean", "exit 0", 32 * MIB);
	assert_int_equal(container_wait(&agent, "clean", ""), 0);
	container_remove_id(&agent, "clean");
	run_limited("gone", "sleep 1000", 32 * MIB);
	container_remove_id(&agent, "gone");
	assert_false(event.done);
	/* and it is the same call that gets the next real one */
	run_limited("real", "exec " HOG, 16 * MIB);
	agent_await(&agent, &event);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "real");
	pending_release(&event);
	container_remove_id(&agent, "real");
}

/* A client that disappears while it waits swallows nothing. */
static void test_event_of_vanished_client(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct ttrpc_client *client = agent_connect(&agent);
	struct pending lost, event;

	agent_begin(&agent, client, &lost, "GetOOMEvent", &get);
	event_loop_step(agent.loop, 0);
	ttrpc_client_free(client);
	pending_release(&lost);
	run_limited("kept", "exec " HOG, 16 * MIB);
	assert_int_equal(container_wait(&agent, "kept", ""), 137);
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	agent_await(&agent, &event);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "kept");
	pending_release(&event);
	container_remove_id(&agent, "kept");
}

/* More than the guest can give, no limit of its own: the pod's limit ends it, the agent goes on. */
static void test_pod_limit(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct client_call call = {0};
	struct pending event;

	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	container_run(&agent, "greedy", "exec " HOG);
	agent_await(&agent, &event);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "greedy");
	assert_int_equal(last_record(&call, "greedy")->cause, CRADLE__OOMRECORD__CAUSE__POD_LIMIT);
	agent_ok(&agent, "Check", &check);
	assert_int_equal(container_wait(&agent, "greedy", ""), 137);
	client_call_release(&call);
	pending_release(&event);
	container_remove_id(&agent, "greedy");
}

/* ---- streams and cost
 * ----------------------------------------------------------------------------- */

static void test_64_mib_of_output(void **state)
{
	container_expect_much_output(&agent, "much", 64u << 20);
}

/*
 * Line by line, the same but for PSS, the first number: the 8 KiB of the vdso are shared with every
 * process of the guest, so the agent's share of them moves when others come and go.
 */
static void assert_idle(const char *a, const char *b)
{
	while (*a && *b) {
		unsigned x[5], y[5];

		assert_int_equal(sscanf(a, "%u %u %u %u %u", &x[0], &x[1], &x[2], &x[3], &x[4]), 5);
		assert_int_equal(sscanf(b, "%u %u %u %u %u", &y[0], &y[1], &y[2], &y[3], &y[4]), 5);
		assert_true(x[0] <= y[0] + 8 && y[0] <= x[0] + 8);
		for (size_t i = 1; i < 5; i++)
			assert_int_equal(x[i], y[i]);
		a = strchr(a, '\n') + 1;
		b = strchr(b, '\n') + 1;
	}
	assert_int_equal(*a, *b);
}

/*
 * Read from the guest's /proc, ten seconds apart: threads, PSS summed over the agent's processes
 * (those whose program is /init), what they have mapped, context switches while nobody asks
 * anything.
 */
static void test_cost_of_the_agent(void **state)
{
	static const char script[] =
		"sample() { for p in /guest/[0-9]*; do "
		"[ \"$(readlink $p/exe)\" = /init ] || continue; "
		"echo $(grep -h ^Pss: $p/smaps_rollup | tr -dc 0-9) "
		"$(grep -h ^Rss: $p/smaps_rollup | tr -dc 0-9) "
		"$(grep -h ^Threads: $p/status | tr -dc 0-9) "
		"$(grep -h ctxt_switches $p/status | tr -dc '0-9\\n' | tr '\\n' ' '); done; }; "
		"sleep 2; a=$(sample); sleep 10; b=$(sample); echo \"$a\"; echo --; echo \"$b\"";
	static const char *const argv[] = {"sh", "-c", script, NULL};
	static char *caps[] = {(char *)"CAP_SYS_PTRACE", (char *)"CAP_DAC_READ_SEARCH"};
	struct test_container c;
	char text[2048], *second;
	unsigned pss = 0, processes = 0;

	container_fill(&c, &agent, "cost", argv);
	grpc__mount__init(&c.mounts[3]);
	c.mounts[3].destination = (char *)"/guest";
	c.mounts[3].type = (char *)"bind";
	c.mounts[3].source = (char *)"/proc";
	c.options[3][0] = (char *)"rbind";
	c.mounts[3].options = c.options[3];
	c.mounts[3].n_options = 1;
	c.mount_list[3] = &c.mounts[3];
	c.spec.n_mounts = 4;
	c.capabilities.bounding = c.capabilities.effective = c.capabilities.permitted = caps;
	c.capabilities.n_bounding = c.capabilities.n_effective = c.capabilities.n_permitted = 2;
	container_send(&agent, &c);
	container_start_id(&agent, "cost");
	/* only WaitProcess is in flight meanwhile: parked */
	assert_int_equal(container_wait(&agent, "cost", ""), 0);
	str_copy(text, sizeof(text), container_output(&agent, "cost", "", false));
	container_remove_id(&agent, "cost");
	second = strstr(text, "--\n");
	assert_non_null(second);
	*second = '\0';
	second += 3;
	for (const char *p = second; *p; p = strchr(p, '\n') + 1) {
		unsigned kib, threads;

		assert_int_equal(sscanf(p, "%u %*u %u", &kib, &threads), 2);
		assert_int_equal(threads, 1);
		pss += kib;
		processes++;
		if (!strchr(p, '\n'))
			break;
	}
	print_message("# agent: %u processes, %u KiB PSS\n", processes, pss);
	assert_true(processes >= 1);
	/* the house's bar is 1,500,000 B; without agent/layout.ld it is 1490 KiB here */
	assert_true(pss * 1024 <= 1300000);
	/* nothing ran in between: the same pages, the same threads, the same switches */
	assert_idle(text, second);
}

/* ---- stdio over vsock (passfd) ---- */

/* A connection to the listener; *port is what it comes from, as the guest sees it. */
static int dial_passfd(uint32_t *port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[64] = "";
	size_t n = 0;

	str_copy(address.sun_path, sizeof(address.sun_path), agent.socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, "CONNECT 1027\n", 13), 13);
	while (n < sizeof(line) - 1 && read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	assert_int_equal(sscanf(line, "OK %" SCNu32, port), 1);
	return fd;
}

static size_t read_to_end(int fd, char *data, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, data + len, size - len)) > 0)
		len += (size_t)n;
	return len;
}

/* c43, c60: half a MiB there and back over vsock's own flow control, and the exit code after it. */
static void test_c43_passfd(void **state)
{
	static const char *const argv[] = {"sh", "-c", "cat; echo oops >&2; exit 5", NULL};
	static char sent[512 << 10], back[sizeof(sent) + 1];
	_cleanup_fd_ int in = -1, out = -1, err = -1;
	struct test_container c;
	pid_t writer;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 31 + i / 65537);
	container_fill(&c, &agent, "passed", argv);
	in = dial_passfd(&c.request.stdin_port);
	out = dial_passfd(&c.request.stdout_port);
	err = dial_passfd(&c.request.stderr_port);
	container_send(&agent, &c);
	container_start_id(&agent, "passed");
	writer = fork();
	if (writer == 0)
		_exit(write(in, sent, sizeof(sent)) == sizeof(sent) ? 0 : 1);
	close_fd(&in);
	assert_int_equal(read_to_end(out, back, sizeof(back)), sizeof(sent));
	assert_memory_equal(back, sent, sizeof(sent));
	assert_int_equal(read_to_end(err, back, sizeof(back)), 5);
	assert_memory_equal(back, "oops\n", 5);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	assert_int_equal(container_wait(&agent, "passed", ""), 5);
	container_remove_id(&agent, "passed");
}

/* Whole pods, with limits, an update and an OOM kill. */
static void test_pod_of_go(void **state)
{
	pod_life_go(&agent);
}

static void test_pod_of_runtime_rs(void **state)
{
	pod_life_rs(&agent);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pid_1),
	cmocka_unit_test(test_a_container),
	OCI_CHECKS,
	cmocka_unit_test(test_c43_passfd),
	cmocka_unit_test(test_pod_of_go),
	cmocka_unit_test(test_pod_of_runtime_rs),
	cmocka_unit_test(test_limits_are_exact),
	cmocka_unit_test(test_c30_device_control),
	cmocka_unit_test(test_statistics),
	cmocka_unit_test(test_update),
	cmocka_unit_test(test_update_below_usage),
	cmocka_unit_test(test_nested_groups),
	cmocka_unit_test(test_pause),
	/* before the many kills: the kernel names ten victims in five seconds, and no more */
	cmocka_unit_test(test_oom_record),
	cmocka_unit_test(test_oom_event_before_exit),
	cmocka_unit_test(test_c26_oom_event_per_kill),
	cmocka_unit_test(test_no_event_without_oom),
	cmocka_unit_test(test_event_of_vanished_client),
	cmocka_unit_test(test_pod_limit),
	cmocka_unit_test(test_64_mib_of_output),
	cmocka_unit_test(test_cost_of_the_agent),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
