/*
 * A host with cgroup v1: containers are in every hierarchy, limits are in v1's files, what comes
 * goes. Twice (tests/rpc/sources.mk): beside a cgroup2, and with CRADLE_TEST_CGROUP=v1 without one.
 * Only made on such a host: v1's controllers cannot be had beside v2's.
 */
#define TEST_TIMEOUT 200
#include "lib/agent_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/strings.h"
#include "lib/known_memory.h"
#include "lib/test_groups.h"
#include "lib/test_main.h"

#define MIB (1024 * 1024)

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	agent_start(&agent);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

#define assert_file(controller, id, file, text)                                                    \
	assert_string_equal(group_file(controller, id, file), text)

/* ---- who is in it ---- */

/* Every line of /proc/PID/cgroup that is a hierarchy of the host ends in the container's path. */
static void assert_everywhere(pid_t pid, const char *id)
{
	char path[64], text[4096], end[128], *save = NULL;
	unsigned lines = 0;

	str_format(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	str_format(end, sizeof(end), "/cradle-test-%d/%s", (int)getpid(), id);
	assert_true(file_read(path, text, sizeof(text)) > 0);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (str_starts(line, "0:") && groups_v1_only())
			continue;
		if (!str_ends(line, end))
			fail_msg("not in the container's group: %s", line);
		lines++;
	}
	assert_true(lines >= 5);
}

static void test_in_every_hierarchy(void **state)
{
	char *next;
	long pid;

	container_run(&agent, "all", "sleep 1000");
	assert_int_equal(container_exec_sh(&agent, "all", "e", "sleep 1000", NULL), 0);
	pid = strtol(group_file("memory", "all", "cgroup.procs"), &next, 10);
	assert_true(pid > 0);
	assert_everywhere((pid_t)pid, "all");
	pid = strtol(next, NULL, 10);
	assert_true(pid > 0); /* the exec */
	assert_everywhere((pid_t)pid, "all");
	container_remove_id(&agent, "all");
	assert_file("memory", "all", "cgroup.procs", "ENOENT");
	agent_assert_census(&agent, &before);
}

/* Below a group that somebody else made, whose cpuset is empty yet. */
static void test_cpuset_comes_from_above(void **state)
{
	char all[128];

	assert_true(file_read("/sys/fs/cgroup/cpuset/cpuset.cpus", all, sizeof(all)) > 0);
	all[strcspn(all, "\n")] = '\0';
	container_run(&agent, "cpus", "sleep 1000");
	assert_file("cpuset", "cpus", "cpuset.cpus", all);
	assert_file("cpuset", "cpus", "cpuset.mems", "0");
	assert_file("cpuset", ".", "cpuset.cpus", all);
	container_remove_id(&agent, "cpus");
	agent_assert_census(&agent, &before);
}

/* ---- limits ---- */

struct limits {
	struct test_container c;
	Grpc__LinuxCPU cpu;
	Grpc__LinuxPids pids;
	Grpc__LinuxBlockIO io;
};

static void limits_fill(struct limits *l, const char *id)
{
	static const char *const argv[] = {"sleep", "1000", NULL};

	container_fill(&l->c, &agent, id, argv);
	container_limit(&l->c, 64 * MIB);
	grpc__linux_cpu__init(&l->cpu);
	grpc__linux_pids__init(&l->pids);
	grpc__linux_block_io__init(&l->io);
	l->c.memory.swap = 96 * MIB;
	l->c.memory.reservation = 32 * MIB;
	l->c.memory.swappiness = 17;
	l->cpu.shares = 300;
	l->cpu.quota = 30000;
	l->cpu.period = 60000;
	l->cpu.cpus = (char *)"0";
	l->cpu.mems = (char *)"0";
	l->pids.limit = 77;
	l->c.resources.cpu = &l->cpu;
	l->c.resources.pids = &l->pids;
}

static void test_limits_are_exact(void **state)
{
	struct limits l;

	limits_fill(&l, "lim");
	container_send(&agent, &l.c);
	container_start_id(&agent, "lim");
	assert_file("memory", "lim", "memory.limit_in_bytes", "67108864");
	assert_file("memory", "lim", "memory.memsw.limit_in_bytes", "100663296");
	assert_file("memory", "lim", "memory.soft_limit_in_bytes", "33554432");
	assert_file("memory", "lim", "memory.swappiness", "17");
	assert_file("cpu", "lim", "cpu.shares", "300");
	assert_file("cpu", "lim", "cpu.cfs_quota_us", "30000");
	assert_file("cpu", "lim", "cpu.cfs_period_us", "60000");
	assert_file("cpuset", "lim", "cpuset.cpus", "0");
	assert_file("pids", "lim", "pids.max", "77");
	container_remove_id(&agent, "lim");
	agent_assert_census(&agent, &before);
}

/* The limit holds for what the container itself sees of it. */
static void test_pids_limit_holds(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"n=0; while [ $n -lt 40 ]; do sleep 1000 & n=$((n+1)); done; echo all", NULL};
	struct limits l;
	const char *output;

	limits_fill(&l, "few");
	l.c.args[2] = (char *)argv[2];
	container_fill(&l.c, &agent, "few", argv);
	l.c.linux_part.resources = &l.c.resources;
	grpc__linux_resources__init(&l.c.resources);
	l.pids.limit = 8;
	l.c.resources.pids = &l.pids;
	container_send(&agent, &l.c);
	container_start_id(&agent, "few");
	output = container_output(&agent, "few", "", true);
	assert_non_null(strstr(output, "can't fork"));
	container_remove_id(&agent, "few");
	agent_assert_census(&agent, &before);
}

static void update_memory(const char *id, int64_t limit, int64_t swap)
{
	Grpc__UpdateContainerRequest request = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;

	memory.limit = limit;
	memory.swap = swap;
	resources.memory = &memory;
	request.resources = &resources;
	request.container_id = (char *)id;
	agent_ok(&agent, "UpdateContainer", &request);
}

/* Up, down, away (c20): the kernel wants limit <= limit with swap at every moment. */
static void test_memory_and_swap_in_order(void **state)
{
	static const char none[] = "9223372036854771712";
	struct limits l;

	limits_fill(&l, "swap");
	container_send(&agent, &l.c);
	container_start_id(&agent, "swap");
	update_memory("swap", 256 * MIB, 512 * MIB);
	assert_file("memory", "swap", "memory.limit_in_bytes", "268435456");
	assert_file("memory", "swap", "memory.memsw.limit_in_bytes", "536870912");
	update_memory("swap", 16 * MIB, 16 * MIB);
	assert_file("memory", "swap", "memory.limit_in_bytes", "16777216");
	assert_file("memory", "swap", "memory.memsw.limit_in_bytes", "16777216");
	update_memory("swap", -1, 0);
	assert_file("memory", "swap", "memory.limit_in_bytes", none);
	assert_file("memory", "swap", "memory.memsw.limit_in_bytes", none);
	container_remove_id(&agent, "swap");
	agent_assert_census(&agent, &before);
}

/* Less than is in use: refused with the reason, and the old limit stands. */
static void test_limit_below_usage(void **state)
{
	static const char script[] = "dd if=/dev/zero bs=24M count=1 2>/dev/null | { "
				     "read -r -n 1 x; echo up; sleep 1000; }";
	Grpc__UpdateContainerRequest request = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct pending update;

	container_run(&agent, "full", script);
	while (strtoull(group_file("memory", "full", "memory.usage_in_bytes"), NULL, 10) < 20 * MIB)
		event_loop_step(agent.loop, 1);
	memory.limit = 4 * MIB;
	resources.memory = &memory;
	request.resources = &resources;
	request.container_id = (char *)"full";
	agent_begin(&agent, NULL, &update, "UpdateContainer", &request);
	agent_ok(&agent, "Check", &check);
	agent_await(&agent, &update);
	assert_int_equal(update.code, STATUS_FAILED_PRECONDITION);
	assert_non_null(strstr(update.err.text, "memory.limit_in_bytes = 4194304: more is in use"));
	pending_release(&update);
	assert_file("memory", "full", "memory.limit_in_bytes", "9223372036854771712");
	container_remove_id(&agent, "full");
	agent_assert_census(&agent, &before);
}

/* What the kernel refuses undoes the creation: no directory of any hierarchy stays. */
static void test_refused_limit_leaves_nothing(void **state)
{
	struct limits l;

	limits_fill(&l, "bad");
	l.cpu.mems = (char *)"63";
	agent_fails(&agent, "CreateContainer", &l.c.request, STATUS_INTERNAL,
		"set limit cpuset.mems = 63");
	agent_assert_census(&agent, &before);
	/* CPUs that are not there (yet) are no failure on v1 */
	limits_fill(&l, "bad");
	l.cpu.cpus = (char *)"200-201";
	container_send(&agent, &l.c);
	container_remove_id(&agent, "bad");
	agent_assert_census(&agent, &before);
}

/* Annotations are for v2's files: here they are refused by name. */
static void test_annotations_are_of_v2(void **state)
{
	Grpc__Spec__AnnotationsEntry entry = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT,
				     *list[] = {&entry};
	struct limits l;

	limits_fill(&l, "high");
	entry.key = (char *)"io.cradle.cgroup.memory.high";
	entry.value = (char *)"32M";
	l.c.spec.annotations = list;
	l.c.spec.n_annotations = 1;
	agent_fails(&agent, "CreateContainer", &l.c.request, STATUS_FAILED_PRECONDITION,
		"memory.high = 33554432: cgroup v1's memory controller has no such file");
	agent_assert_census(&agent, &before);
}

/* A group of one hierarchy that is somebody else's is not taken over, and not removed. */
static void test_directory_in_use(void **state)
{
	static const char *const argv[] = {"true", NULL};
	char parent[128], path[160];
	struct test_container c;

	str_format(parent, sizeof(parent), "/sys/fs/cgroup/pids/cradle-test-%d", (int)getpid());
	str_format(path, sizeof(path), "%s/theirs", parent);
	assert_int_equal(mkdir(parent, 0755), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	container_fill(&c, &agent, "theirs", argv);
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_ALREADY_EXISTS, path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(parent), 0);
	agent_assert_census(&agent, &before);
}

/* ---- OOM ---- */

static const char hog[] = "exec dd if=/dev/zero of=/dev/null bs=64M count=1";

static void run_with_limit(const char *id, const char *script, int64_t bytes)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct test_container c;

	container_fill(&c, &agent, id, argv);
	container_limit(&c, bytes);
	container_send(&agent, &c);
	container_start_id(&agent, id);
}

static const Cradle__OOMRecord *last_record(struct client_call *call)
{
	Cradle__ListOOMRecordsRequest list = CRADLE__LIST_OOMRECORDS_REQUEST__INIT;
	const Cradle__ListOOMRecordsResponse *records;

	assert_int_equal(agent_call(&agent, call, "ListOOMRecords", &list, NULL), 0);
	records = (void *)call->response;
	assert_true(records->n_records > 0);
	return records->records[records->n_records - 1];
}

/* Each kill is one event, written before the exit of the process it killed is told. */
static void test_oom_event_before_exit(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct client_call call = {0};
	const Cradle__OOMRecord *r;
	struct pending event, exited;

	for (int i = 0; i < 20; i++) {
		agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
		run_with_limit("hog", hog, 16 * MIB);
		wait.container_id = (char *)"hog";
		agent_begin(&agent, NULL, &exited, "WaitProcess", &wait);
		agent_await(&agent, &exited);
		assert_true(event.done);
		assert_true(event.order < exited.order);
		assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "hog");
		assert_int_equal(((Grpc__WaitProcessResponse *)exited.call.response)->status, 137);
		r = last_record(&call);
		assert_int_equal(r->cause, CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT);
		assert_true(r->limit_bytes == 16 * MIB);
		assert_true(r->usage_bytes > 0 && r->peak_bytes <= 16 * MIB);
		client_call_release(&call);
		pending_release(&event);
		pending_release(&exited);
		container_remove_id(&agent, "hog");
	}
	agent_assert_census(&agent, &before);
}

/* A container that lives on: children of it, which only the kernel's counter tells of. */
static void test_event_per_kill_of_a_child(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct client_call call = {0};
	struct pending event;
	char script[256];

	str_format(script, sizeof(script), "for i in 1 2 3; do (%s); done; sleep 1000", hog);
	run_with_limit("lives", script, 16 * MIB);
	for (int i = 0; i < 3; i++) {
		agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
		agent_await(&agent, &event);
		assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "lives");
		pending_release(&event);
	}
	assert_true(last_record(&call)->kills_total == 3);
	client_call_release(&call);
	container_remove_id(&agent, "lives");
	agent_assert_census(&agent, &before);
}

/* A group that the container has made inside, with a limit of its own. */
static void test_kill_in_a_nested_group(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	char dir[256], path[300], pid[16], script[200];
	struct client_call call = {0};
	struct pending event;

	container_run(&agent, "nest", "sleep 1000");
	str_format(
		dir, sizeof(dir), "/sys/fs/cgroup/memory/cradle-test-%d/nest/inner", (int)getpid());
	assert_int_equal(mkdir(dir, 0755), 0);
	str_format(path, sizeof(path), "%s/memory.limit_in_bytes", dir);
	assert_int_equal(file_write(path, "16777216"), 0);
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	str_format(script, sizeof(script), "read go; %s", hog);
	assert_int_equal(container_exec_sh(&agent, "nest", "e", script, NULL), 0);
	str_copy(pid, sizeof(pid), strchr(group_file("memory", "nest", "cgroup.procs"), '\n') + 1);
	str_format(path, sizeof(path), "%s/cgroup.procs", dir);
	assert_int_equal(file_write(path, pid), 0);
	container_write(&agent, "nest", "e", "go\n");
	assert_int_equal(container_wait(&agent, "nest", "e"), 137);
	agent_await(&agent, &event);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "nest");
	assert_int_equal(last_record(&call)->cause, CRADLE__OOMRECORD__CAUSE__CHILD_LIMIT);
	client_call_release(&call);
	pending_release(&event);
	/* and it goes with the container */
	container_remove_id(&agent, "nest");
	agent_assert_census(&agent, &before);
}

/*
 * A kill two groups down, of a process that the container reaps itself: nothing but that group's
 * own event tells of it. For a second: soon after the group was made the agent looks by itself.
 */
static void test_kill_in_a_nested_group_is_told_at_once(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	char dir[256], path[300], pid[16], script[256];
	struct client_call call = {0};
	struct pending event;
	uint64_t end, i = 0;

	str_format(script, sizeof(script), "while :; do sh -c 'read go; %s'; echo on; done", hog);
	container_run(&agent, "inside", script);
	end = event_loop_now_ns() + 1000000000;
	str_format(
		dir, sizeof(dir), "/sys/fs/cgroup/memory/cradle-test-%d/inside/a", (int)getpid());
	assert_int_equal(mkdir(dir, 0755), 0);
	str_format(
		dir, sizeof(dir), "/sys/fs/cgroup/memory/cradle-test-%d/inside/a/b", (int)getpid());
	assert_int_equal(mkdir(dir, 0755), 0);
	str_format(path, sizeof(path), "%s/memory.limit_in_bytes", dir);
	assert_int_equal(file_write(path, "16777216"), 0);
	str_format(path, sizeof(path), "%s/cgroup.procs", dir);
	do {
		const char *second;

		i++;
		while (!(second = strchr(group_file("memory", "inside", "cgroup.procs"), '\n')) ||
			!second[1])
			event_loop_step(agent.loop, 1);
		str_copy(pid, sizeof(pid), second + 1);
		assert_int_equal(file_write(path, pid), 0);
		agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
		container_write(&agent, "inside", "", "go\n");
		container_expect_line(&agent, "inside", "on\n");
		agent_await(&agent, &event);
		assert_string_equal(
			((Grpc__OOMEvent *)event.call.response)->container_id, "inside");
		pending_release(&event);
		assert_true(last_record(&call)->kills_total == i);
		assert_int_equal(last_record(&call)->cause, CRADLE__OOMRECORD__CAUSE__CHILD_LIMIT);
		client_call_release(&call);
	} while (event_loop_now_ns() < end);
	container_remove_id(&agent, "inside");
	agent_assert_census(&agent, &before);
}

/* 5,000 groups in memory's hierarchy and in the one where the agent looks for processes. */
#define MANY 5000
static void make_many(const char *id)
{
	char path[300];

	for (int i = 0; i < MANY; i++) {
		str_format(path, sizeof(path), "/sys/fs/cgroup/memory/cradle-test-%d/%s/%d",
			(int)getpid(), id, i);
		assert_int_equal(mkdir(path, 0755), 0);
		str_format(path, sizeof(path), "%s/%d", group_path(id), i);
		/* home may be the same, or a cgroup2, which allows fewer */
		if (mkdir(path, 0755) < 0)
			assert_true(errno == EEXIST || errno == EAGAIN);
	}
}

/*
 * A container that has made more groups than are looked at in one go: kills of its own are told, by
 * whatever way; its removal goes on turn by turn, between which calls are answered.
 */
static void test_very_many_nested_groups(void **state)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct pending removal, event;
	unsigned answered = 0;
	char script[200];

	str_format(script, sizeof(script), "read go; (%s); echo on; sleep 1000", hog);
	run_with_limit("many", script, 64 * MIB);
	make_many("many");
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	container_write(&agent, "many", "", "go\n");
	agent_await(&agent, &event);
	assert_string_equal(((Grpc__OOMEvent *)event.call.response)->container_id, "many");
	pending_release(&event);
	container_expect_line(&agent, "many", "on\n");
	remove.container_id = (char *)"many";
	agent_begin(&agent, NULL, &removal, "RemoveContainer", &remove);
	while (!removal.done) {
		agent_ok(&agent, "Check", &check);
		answered++;
	}
	assert_int_equal(removal.code, 0);
	pending_release(&removal);
	/* at least 78 turns in memory's hierarchy alone */
	assert_true(answered >= 20);
	agent_assert_census(&agent, &before);
}

/*
 * 48 MiB that are in no page cache. Read, they are clean there: reclaim is sure to succeed. (What
 * is written is dirty, which v1 does not make its writer wait for: at this limit the kernel does
 * kill.)
 */
static void make_big_file(void)
{
	static char piece[MIB];
	char path[300];
	int fd;

	str_format(path, sizeof(path), "%s/big", agent.rootfs);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	for (int i = 0; i < 48; i++)
		assert_int_equal(write(fd, piece, sizeof(piece)), sizeof(piece));
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

/* SIGKILL is none, nor a clean exit, nor a removal; and a limit that is hit and reclaimed. */
static void test_no_event_without_oom(void **state)
{
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct ttrpc_client *client = agent_connect(&agent);
	struct client_call call = {0};
	struct pending event;
	uint64_t sequence;

	sequence = last_record(&call)->sequence;
	client_call_release(&call);
	agent_begin(&agent, client, &event, "GetOOMEvent", &get);
	make_big_file();
	run_with_limit("calm", "cat /big > /dev/null; rm /big; echo up; sleep 1000", 16 * MIB);
	container_expect_line(&agent, "calm", "up\n");
	if (strtoull(group_file("memory", "calm", "memory.failcnt"), NULL, 10) == 0)
		fail_msg("the limit was not hit: is %s on a disk?", agent.rootfs);
	sig.container_id = (char *)"calm";
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "calm", ""), 137);
	container_remove_id(&agent, "calm");
	container_whole(&agent, "calm", "true", NULL);
	assert_false(event.done);
	assert_true(last_record(&call)->sequence == sequence);
	client_call_release(&call);
	ttrpc_client_free(client);
	pending_release(&event);
	agent_assert_census(&agent, &before);
}

/* ---- statistics ---- */

static uint64_t file_number(const char *controller, const char *file)
{
	return strtoull(group_file(controller, "stats", file), NULL, 10);
}

static uint64_t map_value(const Grpc__MemoryStats *memory, const char *key)
{
	for (size_t i = 0; i < memory->n_stats; i++)
		if (str_eq(memory->stats[i]->key, key))
			return memory->stats[i]->value;
	fail_msg("no %s in the map", key);
	return 0;
}

/* The kernel's own error, and what it still does for one that has just gone to sleep. */
static void assert_near(uint64_t a, uint64_t b)
{
	const uint64_t slack = 64 * 4096 * (uint64_t)sysconf(_SC_NPROCESSORS_CONF);

	if (a > b + slack || b > a + slack)
		fail_msg("%llu is not %llu", (unsigned long long)a, (unsigned long long)b);
}

static void check_memory(const Grpc__MemoryStats *memory)
{
	const uint64_t slack = 64 * 4096 * 2; /* pages that CPUs keep charged ahead of use */

	assert_true(memory->use_hierarchy);
	assert_true(memory->usage->limit == 64 * MIB);
	assert_near(memory->usage->usage, file_number("memory", "memory.usage_in_bytes"));
	assert_near(memory->usage->max_usage, file_number("memory", "memory.max_usage_in_bytes"));
	assert_true(memory->swap_usage->limit == 96 * MIB);
	assert_near(
		memory->swap_usage->usage, file_number("memory", "memory.memsw.usage_in_bytes"));
	assert_near(
		memory->kernel_usage->usage, file_number("memory", "memory.kmem.usage_in_bytes"));
	assert_true(memory->kernel_usage->usage > 0);
	/* 12 MiB that the shell holds */
	assert_true(map_value(memory, "total_rss") >= 12 * MIB);
	assert_true(map_value(memory, "total_rss") < 40 * MIB);
	/* the working set, as both of Kata's shims make it: usage less total_inactive_file */
	assert_true(memory->usage->usage - map_value(memory, "total_inactive_file") + slack >=
		    map_value(memory, "total_rss"));
	assert_true(memory->usage->usage + slack >= map_value(memory, "total_rss") +
							    map_value(memory, "total_cache") +
							    memory->kernel_usage->usage);
	assert_true(memory->cache == map_value(memory, "cache"));
}

static void check_cpu(const Grpc__CpuStats *cpu)
{
	uint64_t sum = 0;

	assert_true(cpu->cpu_usage->n_percpu_usage == (size_t)sysconf(_SC_NPROCESSORS_CONF));
	for (size_t i = 0; i < cpu->cpu_usage->n_percpu_usage; i++)
		sum += cpu->cpu_usage->percpu_usage[i];
	/* read one after the other: it may have run in between */
	assert_true(sum >= cpu->cpu_usage->total_usage);
	assert_true(sum < cpu->cpu_usage->total_usage + 1000000000);
	assert_true(cpu->cpu_usage->total_usage <= file_number("cpuacct", "cpuacct.usage"));
	assert_true(cpu->cpu_usage->total_usage > 1000000);
}

struct throttling {
	uint64_t periods, throttled_periods, throttled_time;
};

static struct throttling kernels_throttling(void)
{
	const char *text = group_file("cpu", "stats", "cpu.stat");
	struct throttling t;

	assert_int_equal(parse_keyed_u64(text, "nr_periods", &t.periods), 0);
	assert_int_equal(parse_keyed_u64(text, "nr_throttled", &t.throttled_periods), 0);
	assert_int_equal(parse_keyed_u64(text, "throttled_time", &t.throttled_time), 0);
	return t;
}

/* Its limit is a tenth of a CPU: it is kept busy until the kernel has held it back. */
static void be_throttled(void)
{
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	assert_int_equal(
		container_exec_sh(&agent, "stats", "busy", "while :; do :; done", NULL), 0);
	while (kernels_throttling().throttled_periods < 3 ||
		kernels_throttling().throttled_time < 10000000)
		event_loop_step(agent.loop, 10);
	sig.container_id = (char *)"stats";
	sig.exec_id = (char *)"busy";
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "stats", "busy"), 137);
}

static void check_throttling(const Grpc__ThrottlingData *data, const struct throttling *least)
{
	const struct throttling most = kernels_throttling();

	assert_in_range(data->periods, least->periods, most.periods);
	assert_in_range(data->throttled_periods, least->throttled_periods, most.throttled_periods);
	assert_in_range(data->throttled_time, least->throttled_time, most.throttled_time);
}

/* What cradle stats shows. */
static void check_state_of_memory(void)
{
	Cradle__GetMemoryStateRequest request = CRADLE__GET_MEMORY_STATE_REQUEST__INIT;
	const Cradle__ContainerMemory *memory;
	struct client_call call = {0};

	assert_int_equal(agent_call(&agent, &call, "GetMemoryState", &request, NULL), 0);
	assert_int_equal(((Cradle__MemoryState *)call.response)->n_containers, 1);
	memory = ((Cradle__MemoryState *)call.response)->containers[0];
	assert_true(memory->limit_bytes == 64 * MIB);
	assert_near(memory->usage_bytes, file_number("memory", "memory.usage_in_bytes"));
	assert_near(memory->peak_bytes, file_number("memory", "memory.max_usage_in_bytes"));
	assert_true(memory->anon_bytes >= 12 * MIB && memory->anon_bytes < 40 * MIB);
	assert_near(memory->kernel_bytes, file_number("memory", "memory.kmem.usage_in_bytes"));
	assert_true(memory->kernel_bytes > 0);
	assert_true(memory->working_set_bytes <= memory->usage_bytes);
	client_call_release(&call);
}

/* Anonymous, file, shmem and kernel memory, by our own figures and by each shim's formula. */
static void test_known_amounts(void **state)
{
	known_memory_prepare(agent.rootfs);
	known_memory_check(&agent, (unsigned)sysconf(_SC_NPROCESSORS_CONF), true);
	agent_assert_census(&agent, &before);
}

static void test_statistics(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"a=$(head -c 12600000 /dev/zero | tr '\\0' x); echo up; read line", NULL};
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	const Grpc__StatsContainerResponse *stats;
	struct client_call call = {0};
	struct throttling least;
	struct limits l;

	limits_fill(&l, "stats");
	l.cpu.quota = 10000;
	l.cpu.period = 100000;
	for (size_t i = 0; i < 3; i++)
		l.c.args[i] = (char *)argv[i];
	l.c.process.n_args = 3;
	container_send(&agent, &l.c);
	container_start_id(&agent, "stats");
	container_expect_line(&agent, "stats", "up\n");
	be_throttled();
	least = kernels_throttling();

	request.container_id = (char *)"stats";
	assert_int_equal(agent_call(&agent, &call, "StatsContainer", &request, NULL), 0);
	stats = (void *)call.response;
	check_memory(stats->cgroup_stats->memory_stats);
	check_cpu(stats->cgroup_stats->cpu_stats);
	check_throttling(stats->cgroup_stats->cpu_stats->throttling_data, &least);
	assert_true(stats->cgroup_stats->pids_stats->current == 1);
	assert_true(stats->cgroup_stats->pids_stats->limit == 77);
	assert_non_null(stats->cgroup_stats->blkio_stats);
	assert_true(stats->n_network_stats > 0);
	client_call_release(&call);
	check_state_of_memory();
	container_remove_id(&agent, "stats");
	agent_assert_census(&agent, &before);
}

/* ---- the end ---- */

/* Everything that was forked, and what keeps forking, is killed by one SIGKILL for all. */
static void test_kill_of_all_in_a_fork_storm(void **state)
{
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	static const char *const argv[] = {"sh", "-c",
		"while :; do (sleep 1000 &) ; [ -e /proc/self/x ] || (sleep 0.001); done", NULL};
	struct limits l;

	limits_fill(&l, "storm");
	container_fill(&l.c, &agent, "storm", argv);
	grpc__linux_resources__init(&l.c.resources);
	l.c.linux_part.resources = &l.c.resources;
	l.pids.limit = 60;
	l.c.resources.pids = &l.pids;
	container_send(&agent, &l.c);
	container_start_id(&agent, "storm");
	while (strtoul(group_file("pids", "storm", "pids.current"), NULL, 10) < 40)
		event_loop_step(agent.loop, 1);
	sig.container_id = (char *)"storm";
	sig.signal = SIGKILL;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "storm", ""), 137);
	while (strtoul(group_file("pids", "storm", "pids.current"), NULL, 10) > 0)
		event_loop_step(agent.loop, 1);
	container_remove_id(&agent, "storm");
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_in_every_hierarchy),
	cmocka_unit_test(test_cpuset_comes_from_above),
	cmocka_unit_test(test_limits_are_exact),
	cmocka_unit_test(test_pids_limit_holds),
	cmocka_unit_test(test_memory_and_swap_in_order),
	cmocka_unit_test(test_limit_below_usage),
	cmocka_unit_test(test_refused_limit_leaves_nothing),
	cmocka_unit_test(test_annotations_are_of_v2),
	cmocka_unit_test(test_directory_in_use),
	cmocka_unit_test(test_oom_event_before_exit),
	cmocka_unit_test(test_event_per_kill_of_a_child),
	cmocka_unit_test(test_kill_in_a_nested_group),
	cmocka_unit_test(test_kill_in_a_nested_group_is_told_at_once),
	cmocka_unit_test(test_very_many_nested_groups),
	cmocka_unit_test(test_no_event_without_oom),
	cmocka_unit_test(test_statistics),
	cmocka_unit_test(test_known_amounts),
	cmocka_unit_test(test_kill_of_all_in_a_fork_storm),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	/* the page cache of a file is wanted: /tmp is often a tmpfs, /var/tmp is what outlives a
	 * boot */
	setenv("TMPDIR", "/var/tmp", 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
