/* Two whole pods, as the two runtimes drive them (lib/pod_life.h). Limits and the OOM kill are the
 * VM's part (tests/vm/test_guest). */
#define TEST_TIMEOUT 120
#include "lib/pod_life.h"

#include <sys/wait.h>

#include "lib/test_main.h"

static struct agent agent;

/* Go ends it with DestroySandbox. */
static void test_go(void **state)
{
	int status;

	agent_start(&agent);
	pod_life_go(&agent);
	assert_int_equal(waitpid(agent.pid, &status, 0), agent.pid);
	assert_int_equal(status, 0);
	ttrpc_client_free(agent.client);
	event_loop_free(agent.loop);
}

/* runtime-rs kills the VM: here the agent is asked to end, and must have nothing left to end. */
static void test_runtime_rs(void **state)
{
	agent_start(&agent);
	pod_life_rs(&agent);
	agent_stop(&agent);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_go),
	cmocka_unit_test(test_runtime_rs),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
