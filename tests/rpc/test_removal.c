/* Removal: every call that is open on the container is answered, and nothing of it stays. */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_groups.h"
#include "lib/test_main.h"

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

/* ---- open calls
 * ----------------------------------------------------------------------------------- */

/* Wait and reads of init and of an exec, a writer and its queue, statistics, a second removal. */
static void test_open_calls_are_answered(void **state)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct pending waits[2], reads[6], writes[2], stat, removals[2];
	static uint8_t data[1 << 20];
	static const char *const ids[] = {"", "e"};

	container_run(&agent, "open", "sleep 1000");
	assert_int_equal(container_exec_sh(&agent, "open", "e", "sleep 1000", NULL), 0);
	wait.container_id = read.container_id = write.container_id = (char *)"open";
	stats.container_id = remove.container_id = (char *)"open";
	read.len = 10;
	write.data.data = data;
	write.data.len = sizeof(data);
	for (size_t i = 0; i < 2; i++) {
		wait.exec_id = read.exec_id = (char *)ids[i];
		agent_begin(&agent, NULL, &waits[i], "WaitProcess", &wait);
		agent_begin(&agent, NULL, &reads[i * 3], "ReadStdout", &read);
		agent_begin(&agent, NULL, &reads[i * 3 + 1], "ReadStdout", &read);
		agent_begin(&agent, NULL, &reads[i * 3 + 2], "ReadStderr", &read);
		agent_begin(&agent, NULL, &writes[i], "WriteStdin", &write);
	}
	agent_begin(&agent, NULL, &stat, "StatsContainer", &stats);
	agent_begin(&agent, NULL, &removals[0], "RemoveContainer", &remove);
	agent_begin(&agent, NULL, &removals[1], "RemoveContainer", &remove);
	for (size_t i = 0; i < 2; i++) {
		agent_await(&agent, &removals[i]);
		assert_int_equal(removals[i].code, 0);
		agent_await(&agent, &waits[i]);
		assert_int_equal(waits[i].code, 0);
		assert_int_equal(
			((Grpc__WaitProcessResponse *)waits[i].call.response)->status, 137);
		agent_await(&agent, &writes[i]);
		assert_int_equal(writes[i].code, STATUS_INTERNAL);
		assert_non_null(strstr(writes[i].err.text, "EPIPE"));
		pending_release(&removals[i]);
		pending_release(&waits[i]);
		pending_release(&writes[i]);
	}
	for (size_t i = 0; i < 6; i++) {
		agent_await(&agent, &reads[i]);
		assert_int_equal(reads[i].code, 0);
		assert_int_equal(((Grpc__ReadStreamResponse *)reads[i].call.response)->data.len, 0);
		pending_release(&reads[i]);
	}
	agent_await(&agent, &stat);
	pending_release(&stat);
	agent_assert_census(&agent, &before);
}

/* A start and an exec that are under way when the removal comes. */
static void test_start_and_exec_are_answered(void **state)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
	static const char *const argv[] = {"sleep", "1000", NULL};

	start.container_id = remove.container_id = exec.container_id = (char *)"begun";
	exec.exec_id = (char *)"e";
	for (int i = 0; i < 10; i++) {
		struct pending starting, execing, removal;
		struct test_container c;

		container_fill(&c, &agent, "begun", argv);
		container_send(&agent, &c);
		exec.process = &c.process;
		agent_begin(&agent, NULL, &starting, "StartContainer", &start);
		agent_begin(&agent, NULL, &execing, "ExecProcess", &exec);
		for (int k = 0; k < i; k++)
			event_loop_step(agent.loop, 1);
		agent_begin(&agent, NULL, &removal, "RemoveContainer", &remove);
		agent_await(&agent, &starting);
		agent_await(&agent, &execing);
		agent_await(&agent, &removal);
		assert_int_equal(removal.code, 0);
		pending_release(&starting);
		pending_release(&execing);
		pending_release(&removal);
		agent_assert_census(&agent, &before);
	}
}

static int call_for(const char *method, const void *request,
	const ProtobufCMessageDescriptor *response, uint64_t timeout_ms)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	int r = client_call_wait(agent.client, &call, "grpc.AgentService", method, request,
		response, timeout_ms, &err);

	client_call_release(&call);
	return r < 0 ? err.status : 0;
}

/* A deadline in the middle of a creation, an exec, a removal: whatever it was, it leaves nothing.
 */
static void test_deadlines(void **state)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
	static const char *const argv[] = {"sleep", "1000", NULL};
	struct agent_census running;
	struct test_container c;

	for (uint64_t ms = 1; ms <= 8; ms++) {
		container_fill(&c, &agent, "dead", argv);
		if (call_for("CreateContainer", &c.request, &google__protobuf__empty__descriptor,
			    ms) == 0)
			container_remove_id(&agent, "dead");
		agent_assert_census(&agent, &before);
	}
	container_run(&agent, "dead", "sleep 1000");
	running = agent_census(&agent);
	exec.container_id = remove.container_id = (char *)"dead";
	exec.exec_id = (char *)"e";
	exec.process = &c.process;
	for (uint64_t ms = 1; ms <= 6; ms++) {
		Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

		sig.container_id = (char *)"dead";
		sig.exec_id = (char *)"e";
		sig.signal = SIGKILL;
		if (call_for("ExecProcess", &exec, &google__protobuf__empty__descriptor, ms) == 0) {
			agent_ok(&agent, "SignalProcess", &sig);
			assert_int_equal(container_wait(&agent, "dead", "e"), 137);
		}
		agent_assert_census(&agent, &running);
	}
	/* the caller of a removal goes, the removal does not */
	call_for("RemoveContainer", &remove, &google__protobuf__empty__descriptor, 1);
	agent_assert_census(&agent, &before);
}

/* ---- cgroups
 * -------------------------------------------------------------------------------------- */

/* The directory above is shared: whoever goes last takes it along, not only who made it. */
static void test_shared_parent_group(void **state)
{
	container_run(&agent, "older", "sleep 1000");
	container_run(&agent, "younger", "sleep 1000");
	container_remove_id(&agent, "older");
	container_remove_id(&agent, "younger");
	agent_assert_census(&agent, &before);
}

/*
 * c33, c44: a container that nests groups as deep as it can does not get out of its removal that
 * way.
 */
static void test_nested_groups(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"cd /sys/fs/cgroup; n=0; while mkdir d 2>/dev/null && cd d && [ $n -lt 100 ]; do "
		"n=$((n+1)); done; echo $n; sleep 1000",
		NULL};
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	struct test_container c;

	container_fill(&c, &agent, "deep", argv);
	grpc__mount__init(&c.mounts[3]);
	c.mounts[3].destination = (char *)"/sys/fs/cgroup";
	c.mounts[3].type = c.mounts[3].source = (char *)"cgroup";
	c.mount_list[3] = &c.mounts[3];
	c.spec.n_mounts = 4;
	container_send(&agent, &c);
	container_start_id(&agent, "deep");
	read.container_id = (char *)"deep";
	read.len = 100;
	assert_int_equal(agent_call(&agent, &call, "ReadStdout", &read, NULL), 0);
	client_call_release(&call);
	container_remove_id(&agent, "deep");
	agent_assert_census(&agent, &before);
}

/*
 * The container hands a controller on to a group it has made: none of its processes may be in its
 * own any more, an exec neither. It goes where init is, and all is killed, paused, removed
 * together.
 */
static void test_exec_beside_nested_groups(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"cd /sys/fs/cgroup; mkdir init; echo $$ > init/cgroup.procs; "
		"c=$(cat cgroup.controllers); echo +${c##* } > cgroup.subtree_control && "
		"echo up; read line",
		NULL};
	Grpc__PauseContainerRequest pause_request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume_request = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct test_container c;

	if (groups_v1_only()) /* v1 knows no such rule */
		return;
	container_fill(&c, &agent, "inner", argv);
	grpc__mount__init(&c.mounts[3]);
	c.mounts[3].destination = (char *)"/sys/fs/cgroup";
	c.mounts[3].type = c.mounts[3].source = (char *)"cgroup";
	c.mount_list[3] = &c.mounts[3];
	c.spec.n_mounts = 4;
	container_send(&agent, &c);
	container_start_id(&agent, "inner");
	container_expect_line(&agent, "inner", "up\n");
	assert_int_equal(container_exec_sh(&agent, "inner", "e",
				 "grep ^0: /proc/self/cgroup; read line", NULL),
		0);
	container_write(&agent, "inner", "e", "\n");
	assert_string_equal(container_output(&agent, "inner", "e", false), "0::/init\n");
	assert_int_equal(container_wait(&agent, "inner", "e"), 0);
	pause_request.container_id = resume_request.container_id = (char *)"inner";
	agent_ok(&agent, "PauseContainer", &pause_request);
	while (!group_frozen("inner"))
		event_loop_step(agent.loop, 1);
	agent_ok(&agent, "ResumeContainer", &resume_request);
	assert_int_equal(container_exec_sh(&agent, "inner", "f", "sleep 1000", NULL), 0);
	container_remove_id(&agent, "inner");
	agent_assert_census(&agent, &before);
}

/* ---- removals that fail
 * --------------------------------------------------------------------------- */

/* Nests groups below the container's, past what is walked; or removes them again. */
static void nest_groups(const char *id, bool make)
{
	char path[PATH_MAX], *end;

	str_format(path, sizeof(path), "%s/cgroup.max.depth", group_path(id));
	if (!groups_v1_only()) /* v1 knows no such bound */
		assert_int_equal(file_write(path, "max"), 0);
	str_copy(path, sizeof(path), group_path(id));
	end = path + strlen(path);
	for (int i = 0; i < 40; i++, end += 2) {
		memcpy(end, "/d", 3);
		if (make)
			assert_int_equal(mkdir(path, 0755), 0);
	}
	for (int i = 0; !make && i < 40; i++, end -= 2) {
		*end = '\0';
		assert_int_equal(rmdir(path), 0);
	}
}

/* The container stays, stopped; who waits is told why; it is removed once that is possible. */
static void test_group_that_stays(void **state)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct pending both[2];

	container_run(&agent, "nest", "sleep 1000");
	nest_groups("nest", true);
	remove.container_id = (char *)"nest";
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 2; i++)
			agent_begin(&agent, NULL, &both[i], "RemoveContainer", &remove);
		for (size_t i = 0; i < 2; i++) {
			agent_await(&agent, &both[i]);
			assert_int_equal(both[i].code, STATUS_INTERNAL);
			assert_non_null(strstr(both[i].err.text, "ELOOP"));
			pending_release(&both[i]);
		}
	}
	assert_int_equal(container_wait(&agent, "nest", ""), 137);
	nest_groups("nest", false);
	container_remove_id(&agent, "nest");
	agent_assert_census(&agent, &before);
}

/* Its caller's timeout must not outlive the call: it would come during the next test, which waits.
 */
static void test_timeout_of_a_quick_removal(void **state)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	container_run(&agent, "quick", "sleep 1000");
	remove.container_id = (char *)"quick";
	remove.timeout = 1;
	agent_ok(&agent, "RemoveContainer", &remove);
	agent_assert_census(&agent, &before);
}

static void set_frozen(const char *hierarchy, const char *id, bool frozen)
{
	char path[PATH_MAX], pid[16];

	str_format(path, sizeof(path), "%s/cradle-test-%d", hierarchy, (int)getpid());
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	if (frozen) {
		str_format(pid, sizeof(pid), "%d", (int)group_first_pid(id));
		str_format(path, sizeof(path), "%s/cradle-test-%d/cgroup.procs", hierarchy,
			(int)getpid());
		assert_int_equal(file_write(path, pid), 0);
	}
	str_format(path, sizeof(path), "%s/cradle-test-%d/freezer.state", hierarchy, (int)getpid());
	assert_int_equal(file_write(path, frozen ? "FROZEN" : "THAWED"), 0);
}

/*
 * c7: frozen by another hierarchy a process does not take even SIGKILL. The caller's timeout is
 * kept, the removal gives up after its own and says so.
 */
static void test_process_that_does_not_die(void **state)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	const char *hierarchy = scratch_path("freezer");
	char path[PATH_MAX];
	struct pending patient;

	assert_int_equal(mkdir(hierarchy, 0755), 0);
	assert_int_equal(mount("none", hierarchy, "cgroup", 0, "freezer"), 0);
	container_run(&agent, "ice", "exec sleep 1000");
	set_frozen(hierarchy, "ice", true);
	remove.container_id = (char *)"ice";
	agent_begin(&agent, NULL, &patient, "RemoveContainer", &remove);
	remove.timeout = 1;
	agent_fails(&agent, "RemoveContainer", &remove, STATUS_INTERNAL, "ETIME:");
	assert_false(patient.done);
	agent_await(&agent, &patient);
	assert_int_equal(patient.code, STATUS_INTERNAL);
	assert_non_null(strstr(patient.err.text, "ETIMEDOUT"));
	pending_release(&patient);
	set_frozen(hierarchy, "ice", false);
	remove.timeout = 0;
	agent_ok(&agent, "RemoveContainer", &remove);
	agent_assert_census(&agent, &before);
	str_format(path, sizeof(path), "%s/cradle-test-%d", hierarchy, (int)getpid());
	rmdir(path);
	umount2(hierarchy, MNT_DETACH);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_open_calls_are_answered),
	cmocka_unit_test(test_start_and_exec_are_answered),
	cmocka_unit_test(test_deadlines),
	cmocka_unit_test(test_shared_parent_group),
	cmocka_unit_test(test_nested_groups),
	cmocka_unit_test(test_exec_beside_nested_groups),
	cmocka_unit_test(test_group_that_stays),
	cmocka_unit_test(test_timeout_of_a_quick_removal),
	cmocka_unit_test(test_process_that_does_not_die),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	/* a hierarchy of its own is mounted for a test: gone with this program */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 99;
	return cmocka_run_group_tests(tests, setup, teardown);
}
