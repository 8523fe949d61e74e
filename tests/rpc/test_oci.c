/* What containers see of their OCI spec, on the host: tests/lib/oci_checks.h. */
#define TEST_TIMEOUT 240
#include "lib/agent_fixture.h"

#include "lib/oci_checks.h"
#include "lib/test_main.h"

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	const char *warm_up;

	agent_start(&agent);
	agent_ok(&agent, "CreateSandbox", &request);
	oci_checks_begin(&agent);
	container_whole(&agent, "warm", "true", &warm_up);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* The last: refused or not, none of it stays behind. */
static void test_nothing_stays(void **state)
{
	before.run_entries = agent_census(&agent).run_entries;
	agent_assert_census(&agent, &before);
}

static const struct CMUnitTest tests[] = {OCI_CHECKS, cmocka_unit_test(test_nothing_stays)};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
