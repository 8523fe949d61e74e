/*
 * Bad requests: each gets an error naming step, object and errno, and nothing stays behind: mounts,
 * cgroups, processes, descriptors and the run directory are counted before and after each (c40,
 * c42).
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct agent agent;
static struct agent_census before;
static const char *const shell[] = {"sh", "-c", "exit 0", NULL};

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	const char *warm_up;

	agent_start(&agent);
	agent_ok(&agent, "CreateSandbox", &request);
	container_whole(&agent, "warm", "true", &warm_up);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void refused(struct test_container *c, int code, const char *text)
{
	agent_fails(&agent, "CreateContainer", &c->request, code, text);
	agent_assert_census(&agent, &before);
	/* and the id is as free as before */
	container_fill(c, &agent, c->request.container_id, shell);
}

static void test_second_create_sandbox(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	/* c57, g15: refused, and it removes nothing of what runs */
	container_run(&agent, "keep", "sleep 1000");
	agent_fails(&agent, "CreateSandbox", &request, STATUS_ALREADY_EXISTS, "CreateSandbox");
	assert_int_equal(container_exec_sh(&agent, "keep", "e", "test -x /bin/busybox", NULL), 0);
	assert_int_equal(container_wait(&agent, "keep", "e"), 0);
	container_remove_id(&agent, "keep");
	agent_assert_census(&agent, &before);
}

static void test_container_ids(void **state)
{
	static const char *const bad[] = {"", "a", "../x", "-ab", ".ab", "a/b", "a b", "a\nb"};
	struct test_container c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		container_fill(&c, &agent, bad[i], shell);
		refused(&c, STATUS_INVALID_ARGUMENT, "container_id");
	}
}

/* c41: a second create with an id in use touches nothing. */
static void test_id_in_use(void **state)
{
	struct test_container c;

	container_run(&agent, "twin", "sleep 1000");
	container_fill(&c, &agent, "twin", shell);
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_ALREADY_EXISTS, "twin");
	assert_int_equal(container_exec_sh(&agent, "twin", "e", "exit 9", NULL), 0);
	assert_int_equal(container_wait(&agent, "twin", "e"), 9);
	container_remove_id(&agent, "twin");
	agent_assert_census(&agent, &before);
}

static void test_missing_parts(void **state)
{
	struct test_container c;

	container_fill(&c, &agent, "parts", shell);
	c.request.oci = NULL;
	refused(&c, STATUS_INVALID_ARGUMENT, "OCI");
	c.spec.root = NULL;
	refused(&c, STATUS_INVALID_ARGUMENT, "Root.Path");
	c.root.path = (char *)"relative/path";
	refused(&c, STATUS_INVALID_ARGUMENT, "relative/path");
	c.spec.process = NULL;
	refused(&c, STATUS_INVALID_ARGUMENT, "Process");
	c.process.n_args = 0;
	refused(&c, STATUS_INVALID_ARGUMENT, "Args");
}

static void test_missing_root(void **state)
{
	struct test_container c;

	container_fill(&c, &agent, "root", shell);
	c.root.path = (char *)"/no/such/root";
	refused(&c, STATUS_INTERNAL, "ENOENT");
	c.root.path = (char *)"/etc/passwd";
	refused(&c, STATUS_INTERNAL, "/etc/passwd");
}

static void test_command_not_found(void **state)
{
	static const char *const nothing[] = {"no-such-command", NULL};
	static const char *const absolute[] = {"/no/such/command", NULL};
	struct test_container c;

	container_fill(&c, &agent, "cmd", nothing);
	refused(&c, STATUS_INTERNAL, "the file no-such-command was not found");
	container_fill(&c, &agent, "cmd", absolute);
	refused(&c, STATUS_INTERNAL, "/no/such/command");
}

/* c5: unknown words are refused by name. */
static void test_unknown_words(void **state)
{
	static char *caps[] = {(char *)"CAP_FLY"};
	Grpc__POSIXRlimit rlimit = GRPC__POSIXRLIMIT__INIT;
	Grpc__POSIXRlimit *rlimits[] = {&rlimit};
	struct test_container c;

	container_fill(&c, &agent, "words", shell);
	c.capabilities.bounding = caps;
	refused(&c, STATUS_INVALID_ARGUMENT, "CAP_FLY");
	rlimit.type = (char *)"RLIMIT_PATIENCE";
	c.process.rlimits = rlimits;
	c.process.n_rlimits = 1;
	refused(&c, STATUS_INVALID_ARGUMENT, "RLIMIT_PATIENCE");
	c.namespaces[0].type = (char *)"mind";
	refused(&c, STATUS_INVALID_ARGUMENT, "mind");
}

static void test_bad_mounts(void **state)
{
	struct test_container c;

	container_fill(&c, &agent, "mnt", shell);
	c.mounts[1].destination = (char *)"../outside";
	refused(&c, STATUS_INVALID_ARGUMENT, "../outside");
	c.mounts[1].type = (char *)"no-such-fs";
	refused(&c, STATUS_INTERNAL, "no-such-fs");
	c.mounts[1].type = (char *)"bind";
	c.mounts[1].source = (char *)"/no/such/source";
	c.options[1][0] = (char *)"rbind";
	c.mounts[1].n_options = 1;
	refused(&c, STATUS_INTERNAL, "/no/such/source");
}

static void test_bad_cgroup_path(void **state)
{
	struct test_container c;

	container_fill(&c, &agent, "cg", shell);
	c.linux_part.cgroupspath = (char *)"/a/../../b";
	refused(&c, STATUS_INVALID_ARGUMENT, "CgroupsPath");
	c.linux_part.cgroupspath = (char *)"/";
	refused(&c, STATUS_INVALID_ARGUMENT, "CgroupsPath");
}

/* On a host without the controller a limit is refused by name; contradictions always are. */
static void test_limits(void **state)
{
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	struct test_container c;

	resources.memory = &memory;
	memory.limit = 1 << 26;
	memory.swap = 1 << 25;
	container_fill(&c, &agent, "lim", shell);
	c.linux_part.resources = &resources;
	refused(&c, STATUS_INVALID_ARGUMENT, "Memory.Swap");
	memory.swap = 0;
	memory.swappiness = 101;
	c.linux_part.resources = &resources;
	refused(&c, STATUS_INVALID_ARGUMENT, "Swappiness");
}

/* What the kernel does not have is refused by name: here, pages of a size that no machine has. */
static void test_missing_controller(void **state)
{
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT, *huges[] = {&huge};
	struct test_container c;

	container_fill(&c, &agent, "ctl", shell);
	huge.pagesize = (char *)"7MB";
	huge.limit = 7 << 20;
	resources.hugepagelimits = huges;
	resources.n_hugepagelimits = 1;
	c.linux_part.resources = &resources;
	refused(&c, STATUS_FAILED_PRECONDITION, ": this guest has no hugetlb controller");
}

static void test_unsupported_is_named(void **state)
{
	Grpc__Device device = GRPC__DEVICE__INIT;
	Grpc__Device *devices[] = {&device};
	struct test_container c;

	device.type = (char *)"vfio-pci";
	container_fill(&c, &agent, "uns", shell);
	c.request.devices = devices;
	c.request.n_devices = 1;
	refused(&c, STATUS_UNIMPLEMENTED, "vfio-pci");
	c.request.stdout_port = 7;
	refused(&c, STATUS_UNIMPLEMENTED, "stdout_port");
}

static void test_bad_storages(void **state)
{
	Grpc__Storage good = GRPC__STORAGE__INIT, bad = GRPC__STORAGE__INIT;
	Grpc__Storage *list[] = {&good, &bad};
	struct test_container c;
	char mount_point[256], bad_point[256];

	str_format(mount_point, sizeof(mount_point), "%s/storage-a", scratch_dir());
	str_format(bad_point, sizeof(bad_point), "%s/storage-b", scratch_dir());
	good.driver = (char *)"ephemeral";
	good.source = good.fstype = (char *)"tmpfs";
	good.mount_point = mount_point;
	bad.driver = (char *)"no-such-driver";
	bad.mount_point = bad_point;
	container_fill(&c, &agent, "sto", shell);
	c.request.storages = list;
	c.request.n_storages = 2;
	refused(&c, STATUS_INVALID_ARGUMENT, "no-such-driver");
	bad.driver = (char *)"blk";
	bad.source = (char *)"/dev/null";
	bad.fstype = (char *)"ext4";
	c.request.storages = list;
	c.request.n_storages = 2;
	/* g19: the first one is undone when the second fails */
	refused(&c, STATUS_INVALID_ARGUMENT, "/dev/null");
}

static void test_unknown_ids(void **state)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__CloseStdinRequest close = GRPC__CLOSE_STDIN_REQUEST__INIT;
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
	/* codes of agent-api-containers.md 1.4 */
	const struct {
		const char *method;
		void *request;
		char **id;
		int code;
	} calls[] = {
		{"StartContainer", &start, &start.container_id, STATUS_INTERNAL},
		{"RemoveContainer", &remove, &remove.container_id, STATUS_INTERNAL},
		{"ExecProcess", &exec, &exec.container_id, STATUS_INTERNAL},
		{"WriteStdin", &write, &write.container_id, STATUS_INTERNAL},
		{"SignalProcess", &sig, &sig.container_id, STATUS_INVALID_ARGUMENT},
		{"WaitProcess", &wait, &wait.container_id, STATUS_INVALID_ARGUMENT},
		{"StatsContainer", &stats, &stats.container_id, STATUS_INVALID_ARGUMENT},
		{"ReadStdout", &read, &read.container_id, STATUS_INVALID_ARGUMENT},
		{"ReadStderr", &read, &read.container_id, STATUS_INVALID_ARGUMENT},
		{"CloseStdin", &close, &close.container_id, STATUS_INVALID_ARGUMENT},
	};

	read.len = 10;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		*calls[i].id = (char *)"unknown-one";
		agent_fails(
			&agent, calls[i].method, calls[i].request, calls[i].code, "unknown-one");
	}
	sig.signal = 9; /* to all of a container: another code */
	agent_fails(&agent, "SignalProcess", &sig, STATUS_INTERNAL, "unknown-one");
	sig.signal = 4000000000u;
	agent_fails(&agent, "SignalProcess", &sig, STATUS_INVALID_ARGUMENT, "4000000000");
	agent_assert_census(&agent, &before);
}

/* c1: a second StartContainer, and one after init died, are refused and do not hang. */
static void test_start_twice(void **state)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct test_container c;

	container_run(&agent, "two", "sleep 1000");
	start.container_id = (char *)"two";
	agent_fails(&agent, "StartContainer", &start, STATUS_INTERNAL, "running");
	container_remove_id(&agent, "two");

	container_fill(&c, &agent, "two", shell);
	container_send(&agent, &c);
	sig.container_id = (char *)"two";
	sig.signal = 9;
	agent_ok(&agent, "SignalProcess", &sig);
	assert_int_equal(container_wait(&agent, "two", ""), 137);
	agent_fails(&agent, "StartContainer", &start, STATUS_INTERNAL, "stopped");
	container_remove_id(&agent, "two");
	agent_assert_census(&agent, &before);
}

static void test_failed_exec_leaves_nothing(void **state)
{
	struct error err = ERROR_INIT;
	struct agent_census running;

	container_run(&agent, "fex", "sleep 1000");
	running = agent_census(&agent);
	assert_int_equal(
		container_exec_sh(&agent, "fex", "", "true", &err), STATUS_INVALID_ARGUMENT);
	for (int i = 0; i < 20; i++) {
		Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;
		Grpc__Process process = GRPC__PROCESS__INIT;
		char *args[] = {(char *)"not-there"};

		process.args = args;
		process.n_args = 1;
		process.cwd = (char *)"/";
		exec.container_id = (char *)"fex";
		exec.exec_id = (char *)"bad";
		exec.process = &process;
		agent_fails(&agent, "ExecProcess", &exec, STATUS_INTERNAL,
			"the file not-there was not found");
		process.cwd = (char *)"/no/such/cwd";
		args[0] = (char *)"sh";
		agent_fails(&agent, "ExecProcess", &exec, STATUS_INTERNAL, "/no/such/cwd");
		args[0] = (char *)"not-there";
		process.cwd = (char *)"/";
	}
	agent_assert_census(&agent, &running);
	container_remove_id(&agent, "fex");
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_second_create_sandbox),
	cmocka_unit_test(test_container_ids),
	cmocka_unit_test(test_id_in_use),
	cmocka_unit_test(test_missing_parts),
	cmocka_unit_test(test_missing_root),
	cmocka_unit_test(test_command_not_found),
	cmocka_unit_test(test_unknown_words),
	cmocka_unit_test(test_bad_mounts),
	cmocka_unit_test(test_bad_cgroup_path),
	cmocka_unit_test(test_limits),
	cmocka_unit_test(test_missing_controller),
	cmocka_unit_test(test_unsupported_is_named),
	cmocka_unit_test(test_bad_storages),
	cmocka_unit_test(test_unknown_ids),
	cmocka_unit_test(test_start_twice),
	cmocka_unit_test(test_failed_exec_leaves_nothing),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
