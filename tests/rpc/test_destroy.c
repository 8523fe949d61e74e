/*
 * DestroySandbox and SIGTERM: an agent for each test, which ends with code 0 and leaves no group
 * behind, whatever was under way. CreateSandbox that fails or is overtaken.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_groups.h"
#include "lib/test_main.h"

static struct agent agent;

static int setup(void **state)
{
	agent_start(&agent);
	return 0;
}

/* It has been told to end already: no signal. */
static void expect_end(void)
{
	int status;

	while (agent.client && waitpid(agent.pid, &status, WNOHANG) == 0)
		event_loop_step(agent.loop, 10);
	assert_int_equal(status, 0);
	assert_int_equal(group_count(), 0);
	ttrpc_client_free(agent.client);
	event_loop_free(agent.loop);
}

static int teardown(void **state)
{
	unlink(agent.socket);
	return 0;
}

static void begin_destroy(struct ttrpc_client *client, struct pending *destroy)
{
	Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;

	agent_begin(&agent, client, destroy, "DestroySandbox", &request);
}

static void push_requests(void)
{
	for (int i = 0; i < 10; i++)
		event_loop_step(agent.loop, 0);
}

/* Containers in all states; what waits is answered; a second call, and new ones, are refused. */
static void test_destroy_with_all_under_way(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	Grpc__DestroySandboxRequest again = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	Grpc__CreateSandboxRequest sandbox = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__GetOOMEventRequest get = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct pending destroy, second, late[2], event, waiter, create;
	struct test_container c, half;

	agent_ok(&agent, "CreateSandbox", &sandbox);
	container_run(&agent, "running", "sleep 1000");
	container_run(&agent, "stopped", "exit 0");
	container_fill(&c, &agent, "created", argv);
	container_send(&agent, &c);
	wait.container_id = (char *)"running";
	agent_begin(&agent, NULL, &waiter, "WaitProcess", &wait);
	agent_begin(&agent, NULL, &event, "GetOOMEvent", &get);
	container_fill(&half, &agent, "half", argv);
	agent_begin(&agent, NULL, &create, "CreateContainer", &half.request);
	begin_destroy(NULL, &destroy);
	agent_begin(&agent, NULL, &second, "DestroySandbox", &again);
	container_fill(&c, &agent, "new", argv);
	agent_begin(&agent, NULL, &late[0], "CreateContainer", &c.request);
	agent_begin(&agent, NULL, &late[1], "CreateSandbox", &sandbox);
	agent_await(&agent, &destroy);
	assert_int_equal(destroy.code, 0);
	assert_true(second.done && second.code == STATUS_INTERNAL);
	assert_true(create.done && create.code == STATUS_ABORTED);
	assert_true(event.done && event.code == STATUS_INTERNAL);
	assert_true(waiter.done && waiter.code == 0);
	assert_int_equal(((Grpc__WaitProcessResponse *)waiter.call.response)->status, 137);
	for (size_t i = 0; i < 2; i++) {
		assert_true(late[i].done && late[i].code == STATUS_INTERNAL);
		pending_release(&late[i]);
	}
	pending_release(&destroy);
	pending_release(&second);
	pending_release(&event);
	pending_release(&waiter);
	pending_release(&create);
	expect_end();
}

/*
 * c45, g23: when DestroySandbox is answered the sandbox's storages are unmounted already, and it is
 * answered, before the agent ends. Its mount namespace is looked at afterwards: we hold it.
 */
static void test_c45_g23_storages_go_before_the_answer(void **state)
{
	static const char point[] = "/run/kata-containers/sandbox/shm";
	Grpc__CreateSandboxRequest create = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage shm = GRPC__STORAGE__INIT, *list[] = {&shm};
	char path[64], command[256];
	struct pending destroy;
	int fd;

	shm.driver = (char *)"ephemeral";
	shm.source = (char *)"shm";
	shm.fstype = (char *)"tmpfs";
	shm.mount_point = (char *)point;
	create.storages = list;
	create.n_storages = 1;
	agent_ok(&agent, "CreateSandbox", &create);
	str_format(path, sizeof(path), "/proc/%d/ns/mnt", (int)agent.pid);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	str_format(command, sizeof(command),
		"nsenter --mount=/proc/%d/fd/%d grep -q ' %s ' /proc/self/mountinfo", (int)getpid(),
		fd, point);
	assert_int_equal(system(command), 0);
	begin_destroy(NULL, &destroy);
	agent_await(&agent, &destroy);
	assert_int_equal(destroy.code, 0);
	assert_int_equal(WEXITSTATUS(system(command)), 1);
	close(fd);
	pending_release(&destroy);
	expect_end();
}

/* Its caller goes at once: the containers are torn down all the same before the agent ends. */
static void test_destroy_without_its_caller(void **state)
{
	struct ttrpc_client *client = agent_connect(&agent);
	struct pending destroy;

	for (int i = 0; i < 5; i++) {
		char id[8];

		str_format(id, sizeof(id), "c%d", i);
		container_run(&agent, id, "sleep 1000");
	}
	begin_destroy(client, &destroy);
	event_loop_step(agent.loop, 0);
	ttrpc_client_free(client);
	pending_release(&destroy);
	expect_end();
}

/* One that cannot be removed does not keep the others, and the caller is told (c10). */
static void test_destroy_with_one_that_stays(void **state)
{
	char path[PATH_MAX], *end;
	struct pending destroy;

	container_run(&agent, "stuck", "sleep 1000");
	container_run(&agent, "other", "sleep 1000");
	/* deeper than a removal walks (CGROUP_DEPTH_MAX) */
	str_format(path, sizeof(path), "%s/cgroup.max.depth", group_path("stuck"));
	if (!groups_v1_only()) /* v1 knows no such bound */
		assert_int_equal(file_write(path, "max"), 0);
	end = stpcpy(path, group_path("stuck"));
	for (int i = 0; i < 40; i++, end += 2) {
		memcpy(end, "/d", 3);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	begin_destroy(NULL, &destroy);
	agent_await(&agent, &destroy);
	assert_int_equal(destroy.code, STATUS_INTERNAL);
	assert_non_null(strstr(destroy.err.text, "ELOOP"));
	pending_release(&destroy);
	assert_int_equal(access(group_path("other"), F_OK), -1);
	for (; strlen(path) >= strlen(group_path(NULL)); *strrchr(path, '/') = '\0')
		assert_int_equal(rmdir(path), 0);
	expect_end();
}

static void test_sigterm(void **state)
{
	container_run(&agent, "term", "sleep 1000");
	kill(agent.pid, SIGTERM);
	expect_end();
}

/* A sandbox that is being made is undone first. */
static void test_destroy_meets_create_sandbox(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage storage = GRPC__STORAGE__INIT, *list[] = {&storage};
	struct pending create, destroy;
	char path[PATH_MAX];
	int status;

	str_format(path, sizeof(path), "%s/sandbox-storage", scratch_dir());
	storage.driver = (char *)"ephemeral";
	storage.source = storage.fstype = (char *)"tmpfs";
	storage.mount_point = path;
	request.storages = list;
	request.n_storages = 1;
	kill(agent.pid, SIGSTOP);
	assert_int_equal(waitpid(agent.pid, &status, WUNTRACED), agent.pid);
	agent_begin(&agent, NULL, &create, "CreateSandbox", &request);
	begin_destroy(NULL, &destroy);
	push_requests();
	kill(agent.pid, SIGCONT);
	agent_await(&agent, &destroy);
	assert_int_equal(destroy.code, 0);
	assert_true(create.done);
	assert_int_equal(create.code, STATUS_ABORTED);
	pending_release(&create);
	pending_release(&destroy);
	expect_end();
}

/* In the agent's mount namespace. */
static void in_agent(const char *script)
{
	char command[512];

	str_format(command, sizeof(command), "nsenter -t %d -m sh -c '%s'", (int)agent.pid, script);
	assert_int_equal(system(command), 0);
}

/* dns cannot be written: what somebody else has put on /etc/resolv.conf is left there. */
static void test_failed_create_sandbox_unmounts_nothing(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	char *dns[] = {(char *)"nameserver 192.0.2.1"};
	struct agent_census before;

	in_agent("touch /etc/resolv.conf; mount --bind /etc/resolv.conf /etc/resolv.conf; "
		 "mkdir -p /run/kata-containers; mount -t tmpfs -o ro none /run/kata-containers");
	before = agent_census(&agent);
	request.dns = dns;
	request.n_dns = 1;
	agent_fails(&agent, "CreateSandbox", &request, STATUS_INTERNAL, "EROFS");
	agent_assert_census(&agent, &before);
	/* and it may be called again */
	in_agent("umount /run/kata-containers");
	agent_ok(&agent, "CreateSandbox", &request);
	kill(agent.pid, SIGTERM);
	expect_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_destroy_with_all_under_way),
	TEST(test_c45_g23_storages_go_before_the_answer),
	TEST(test_destroy_without_its_caller),
	TEST(test_destroy_with_one_that_stays),
	TEST(test_sigterm),
	TEST(test_destroy_meets_create_sandbox),
	TEST(test_failed_create_sandbox_unmounts_nothing),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
