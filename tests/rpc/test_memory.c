/* cradle.Memory on the agent as a process: who is listed, what adds up, what waits and how it ends.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <string.h>

#include "lib/test_main.h"

static struct agent agent;

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	agent_start(&agent);
	request.sandbox_id = (char *)"sandbox";
	agent_ok(&agent, "CreateSandbox", &request);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void test_containers_are_listed(void **state)
{
	Cradle__GetMemoryStateRequest request = CRADLE__GET_MEMORY_STATE_REQUEST__INIT;
	const Cradle__MemoryState *memory;
	struct client_call call = {0};

	container_run(&agent, "m1", "sleep 1000");
	container_run(&agent, "m2", "exit 0");
	assert_int_equal(container_wait(&agent, "m2", ""), 0);
	assert_int_equal(agent_call(&agent, &call, "GetMemoryState", &request, NULL), 0);
	memory = (void *)call.response;
	assert_int_equal(memory->n_containers, 2);
	assert_string_equal(memory->containers[0]->container_id, "m1");
	assert_string_equal(memory->containers[0]->state, "running");
	assert_string_equal(memory->containers[1]->container_id, "m2");
	assert_string_equal(memory->containers[1]->state, "stopped");
	assert_true(memory->time_unix_nano > 1700000000000000000u);
	client_call_release(&call);
	container_remove_id(&agent, "m1");
	container_remove_id(&agent, "m2");
	assert_int_equal(agent_call(&agent, &call, "GetMemoryState", &request, NULL), 0);
	assert_int_equal(((Cradle__MemoryState *)call.response)->n_containers, 0);
	client_call_release(&call);
}

static void test_the_guest_adds_up(void **state)
{
	Cradle__GetMemoryStateRequest request = CRADLE__GET_MEMORY_STATE_REQUEST__INIT;
	const Cradle__GuestMemory *g;
	struct client_call call = {0};
	uint64_t sum;

	assert_int_equal(agent_call(&agent, &call, "GetMemoryState", &request, NULL), 0);
	g = ((Cradle__MemoryState *)call.response)->guest;
	assert_non_null(g);
	sum = g->kernel_slab_bytes + g->kernel_stack_bytes + g->kernel_page_table_bytes +
	      g->kernel_percpu_bytes + g->kernel_vmalloc_bytes + g->agent_bytes +
	      g->other_process_bytes + g->page_cache_bytes + g->container_bytes +
	      g->huge_page_bytes + g->free_bytes;
	assert_true(g->total_bytes > 0);
	assert_true((int64_t)g->total_bytes == (int64_t)sum + g->unexplained_bytes);
	assert_true(g->agent_bytes > 100 * 1024);
	client_call_release(&call);
}

/* Waits, holds nothing up, and ends with the sandbox. Last: the agent ends then. */
static void test_waiting_for_a_record(void **state)
{
	Cradle__WaitOOMRecordRequest request = CRADLE__WAIT_OOMRECORD_REQUEST__INIT;
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct ttrpc_client *client = agent_connect(&agent);
	struct pending lost, waiting;

	agent_begin(&agent, client, &lost, "WaitOOMRecord", &request);
	agent_begin(&agent, NULL, &waiting, "WaitOOMRecord", &request);
	agent_ok(&agent, "Check", &check);
	ttrpc_client_free(client); /* its call goes with it */
	pending_release(&lost);
	agent_ok(&agent, "Check", &check);
	assert_false(waiting.done);
	agent_ok(&agent, "DestroySandbox", &destroy);
	agent_await(&agent, &waiting);
	assert_int_equal(waiting.code, STATUS_UNAVAILABLE);
	pending_release(&waiting);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_containers_are_listed),
	cmocka_unit_test(test_the_guest_adds_up),
	cmocka_unit_test(test_waiting_for_a_record),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
