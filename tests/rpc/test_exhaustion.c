/*
 * Out of descriptors, processes, memory, disk: the call that meets it fails and names it, what it
 * had begun is undone, the agent goes on, and once there is room again everything works. Each limit
 * is moved step by step, so that every call meets it at each of its own steps.
 */
#define TEST_TIMEOUT 200
#include "lib/agent_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define SHARED "/run/kata-containers/shared/containers/"

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	agent_start(&agent);
	agent_ok(&agent, "CreateSandbox", &request);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* ---- one life, whatever fails in it ---- */

struct life {
	const char *allowed; /* what every failure must name */
	unsigned failures, tried;
	bool created, execed;
};

static bool attempt(struct life *life, const char *method, const void *request)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	int code = agent_call(&agent, &call, method, request, &err);

	client_call_release(&call);
	life->tried++;
	if (code == 0)
		return true;
	life->failures++;
	/* a limit on memory is inherited by what the container runs, which may die of it anywhere
	 */
	if (!strstr(err.text, life->allowed) && !strstr(errno_name(err.errnum), life->allowed) &&
		(!str_eq(life->allowed, "ENOMEM") || code == STATUS_UNAVAILABLE))
		fail_msg("%s: code %d, without %s: %s", method, code, life->allowed, err.text);
	return false;
}

static bool attempt_exec(struct life *life)
{
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__Process process = GRPC__PROCESS__INIT;
	char *args[] = {(char *)"/bin/echo", (char *)"hello"};

	exec.container_id = (char *)"life";
	exec.exec_id = (char *)"e";
	exec.process = &process;
	process.args = args;
	process.n_args = 2;
	process.cwd = (char *)"/";
	return attempt(life, "ExecProcess", &exec);
}

static void attempt_create(struct life *life)
{
	static const char *const argv[] = {"sh", "-c", "echo up; exec sleep 1000", NULL};
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	struct test_container c;

	container_fill(&c, &agent, "life", argv);
	start.container_id = (char *)"life";
	life->created = attempt(life, "CreateContainer", &c.request);
	if (life->created && attempt(life, "StartContainer", &start))
		life->execed = attempt_exec(life);
}

/* The calls that end things: they work with nothing to spare. */
static void attempt_end(struct life *life)
{
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;

	sig.container_id = wait.container_id = read.container_id = stats.container_id =
		(char *)"life";
	attempt(life, "StatsContainer", &stats);
	read.len = 100;
	if (life->execed) {
		wait.exec_id = read.exec_id = (char *)"e";
		attempt(life, "ReadStdout", &read);
		attempt(life, "WaitProcess", &wait);
		wait.exec_id = (char *)"";
	}
	sig.signal = SIGKILL;
	attempt(life, "SignalProcess", &sig);
	attempt(life, "WaitProcess", &wait);
}

/* True when everything worked. */
static bool live(const char *allowed)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct life life = {.allowed = allowed};

	attempt_create(&life);
	agent_ok(&agent, "Check", &check);
	if (life.created)
		attempt_end(&life);
	remove.container_id = (char *)"life";
	if (life.created)
		attempt(&life, "RemoveContainer", &remove);
	return life.failures == 0;
}

/* With room again: what could not be removed can be, nothing is left, and a life is whole. */
static void recover(void)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct client_call call = {0};
	const char *output;

	remove.container_id = (char *)"life";
	agent_call(&agent, &call, "RemoveContainer", &remove, NULL);
	client_call_release(&call);
	agent_assert_census(&agent, &before);
	assert_int_equal(container_whole(&agent, "after", "echo ok", &output), 0);
	assert_string_equal(output, "ok\n");
	agent_assert_census(&agent, &before);
}

/* ---- descriptors ---- */

static void limit_agent(int resource, rlim_t soft)
{
	struct rlimit limit;

	assert_int_equal(prlimit(agent.pid, resource, NULL, &limit), 0);
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	assert_int_equal(prlimit(agent.pid, resource, &limit, NULL), 0);
}

static void test_no_descriptors(void **state)
{
	bool whole = false;
	int failed = 0;

	for (int spare = 0; !whole; spare++) {
		assert_true(spare < 60);
		limit_agent(RLIMIT_NOFILE, (rlim_t)(before.fds + spare));
		whole = live("EMFILE");
		failed += !whole;
		limit_agent(RLIMIT_NOFILE, 1024);
		recover();
	}
	/* the limit was met at several steps */
	assert_true(failed > 5);
}

/* ---- processes ---- */

/* A group of the pids controller for the agent and what it forks; where depends on the host. */
static const char *pids_group(void)
{
	static char path[128];

	str_format(path, sizeof(path), "%s/cradle-pids-%d",
		file_exists("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup",
		(int)getpid());
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	return path;
}

static void write_group(const char *group, const char *file, int value)
{
	char path[256], text[16];

	str_format(path, sizeof(path), "%s/%s", group, file);
	str_format(text, sizeof(text), "%d", value);
	assert_int_equal(file_write(path, text), 0);
}

static int read_group(const char *group, const char *file)
{
	char path[256], text[32] = "";

	str_format(path, sizeof(path), "%s/%s", group, file);
	assert_true(file_read(path, text, sizeof(text)) > 0);
	return atoi(text);
}

static void test_no_processes(void **state)
{
	const char *group = pids_group();
	bool whole = false;
	int failed = 0, base;

	write_group(group, "cgroup.procs", agent.pid);
	base = read_group(group, "pids.current");
	for (int spare = 0; !whole; spare++) {
		assert_true(spare < 20);
		write_group(group, "pids.max", base + spare);
		whole = live("EAGAIN");
		failed += !whole;
		write_group(group, "pids.max", 10000);
		recover();
	}
	assert_true(failed >= 1);
	{
		char root[64];

		str_format(root, sizeof(root), "%.*s", (int)(strrchr(group, '/') - group), group);
		write_group(root, "cgroup.procs", agent.pid);
		rmdir(group);
	}
}

/* ---- memory ---- */

/* Not under a sanitizer: its shadow memory is all the address space there is. */
#ifndef __SANITIZE_ADDRESS__
static rlim_t address_space(void)
{
	char path[64], text[64];
	unsigned long pages = 0;

	str_format(path, sizeof(path), "/proc/%d/statm", (int)agent.pid);
	assert_true(file_read(path, text, sizeof(text)) > 0);
	assert_int_equal(sscanf(text, "%lu", &pages), 1);
	return pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void test_no_memory(void **state)
{
	static uint8_t data[3 << 20];
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct life life = {.allowed = "ENOMEM"};
	int failed = 0;

	for (rlim_t spare = 0; spare <= 512 * 1024; spare += 32 * 1024) {
		limit_agent(RLIMIT_AS, address_space() + spare);
		failed += !live("ENOMEM");
		limit_agent(RLIMIT_AS, RLIM_INFINITY);
		recover();
	}
	/* a request that does not fit is one call's failure */
	write.container_id = (char *)"none";
	write.data.data = data;
	write.data.len = sizeof(data);
	limit_agent(RLIMIT_AS, address_space() + 64 * 1024);
	assert_false(attempt(&life, "WriteStdin", &write));
	limit_agent(RLIMIT_AS, RLIM_INFINITY);
	recover();
	print_message("# %d lives met the limit\n", failed);
}
#endif

/* ---- disk ---- */

static void remount_run(const char *size)
{
	char command[128];

	str_format(command, sizeof(command), "nsenter -t %d -m mount -o remount,%s /run",
		(int)agent.pid, size);
	assert_int_equal(system(command), 0);
}

static void test_no_disk(void **state)
{
	static char data[16384];
	Grpc__CopyFileRequest copy = GRPC__COPY_FILE_REQUEST__INIT;

	memset(data, 'x', sizeof(data));
	copy.path = (char *)SHARED "file";
	copy.file_mode = S_IFREG | 0644;
	copy.data.data = (uint8_t *)data;
	copy.data.len = sizeof(data);
	copy.file_size = sizeof(data);
	remount_run("size=12k");
	agent_fails(&agent, "CopyFile", &copy, STATUS_INTERNAL, "write 16384 bytes at 0: ENOSPC");
	assert_true(live("ENOSPC"));
	remount_run("size=1m");
	agent_ok(&agent, "CopyFile", &copy);
	before.run_entries = agent_census(&agent).run_entries;
	recover();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_no_descriptors),
	cmocka_unit_test(test_no_processes),
#ifndef __SANITIZE_ADDRESS__
	cmocka_unit_test(test_no_memory),
#endif
	cmocka_unit_test(test_no_disk),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
