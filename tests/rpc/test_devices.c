/* c30: devices are controlled on cgroup v2, by what a container sees when it makes nodes. */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/device_checks.h"
#include "lib/test_main.h"

static struct agent agent;

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	agent_start(&agent);
	agent_ok(&agent, "CreateSandbox", &request);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* A loop device that nobody has set up: open says so, if the device cgroup lets it. */
static void test_c30_device_control(void **state)
{
	check_device_control(&agent, 7, 99);
}

static void test_root_disk(void **state)
{
	struct stat st;

	assert_int_equal(stat("/", &st), 0);
	if (major(st.st_dev) != 0)
		check_root_disk_denied(&agent, major(st.st_dev), minor(st.st_dev));
	else
		print_message("# the root file system has no block device here\n");
}

/* Rules of UpdateContainer take the place of those there were. */
static void test_update_of_rules(void **state)
{
	check_device_update(&agent);
}

static void test_bad_rule(void **state)
{
	static const char *const argv[] = {"true", NULL};
	Grpc__LinuxDeviceCgroup rule = GRPC__LINUX_DEVICE_CGROUP__INIT, *rules[] = {&rule};
	struct agent_census before = agent_census(&agent);
	struct test_container c;

	container_fill(&c, &agent, "bad", argv);
	grpc__linux_resources__init(&c.resources);
	c.linux_part.resources = &c.resources;
	c.resources.devices = rules;
	c.resources.n_devices = 1;
	rule.type = (char *)"c";
	rule.access = (char *)"rwx";
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INVALID_ARGUMENT,
		"Linux.Resources.Devices[0]");
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_c30_device_control),
	cmocka_unit_test(test_root_disk),
	cmocka_unit_test(test_update_of_rules),
	cmocka_unit_test(test_bad_rule),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
