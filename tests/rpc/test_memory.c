/* cradle.Memory on the agent as a process: who is listed, what adds up, what waits and how it ends.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
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

/* The network is the sandbox's: every container is told of all its interfaces. */
static void test_statistics_of_interfaces(void **state)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	const Grpc__StatsContainerResponse *stats;
	struct client_call call = {0};
	bool lo = false;

	container_run(&agent, "net", "sleep 1000");
	request.container_id = (char *)"net";
	assert_int_equal(agent_call(&agent, &call, "StatsContainer", &request, NULL), 0);
	stats = (void *)call.response;
	assert_non_null(stats->cgroup_stats);
	for (size_t i = 0; i < stats->n_network_stats; i++)
		lo |= strcmp(stats->network_stats[i]->name, "lo") == 0;
	assert_true(lo);
	client_call_release(&call);
	container_remove_id(&agent, "net");
}

/* Every source of the text works here too; a caller that goes away in between leaves nothing. */
static void test_metrics(void **state)
{
	static const char *const parts[] = {"kata_agent_scrape_count 1\n", "kata_agent_threads 1\n",
		"kata_guest_meminfo{item=\"mem_total\"} ", "kata_guest_vm_stat{item=\"pgfault\"} ",
		"kata_guest_netdev_stat{interface=\"lo\"", "kata_guest_cpu_time{cpu=\"total\"",
		"kata_agent_io_stat{item=\"rchar\"} ",
		"cradle_container_oom_kills_total{container_id=\"metrics\"} 0\n",
		"cradle_containers 1\n", "cradle_guest_memory_bytes{item=\"unexplained\"} "};
	Grpc__GetMetricsRequest request = GRPC__GET_METRICS_REQUEST__INIT;
	struct agent_census before = agent_census(&agent);
	struct ttrpc_client *client;
	struct client_call call = {0};
	struct pending lost;
	const char *text;

	container_run(&agent, "metrics", "sleep 1000");
	assert_int_equal(agent_call(&agent, &call, "GetMetrics", &request, NULL), 0);
	text = ((Grpc__Metrics *)call.response)->metrics;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strstr(text, parts[i]))
			fail_msg("no '%s' in %s", parts[i], text);
	client_call_release(&call);
	for (int i = 0; i < 10; i++) {
		client = agent_connect(&agent);
		agent_begin(&agent, client, &lost, "GetMetrics", &request);
		event_loop_step(agent.loop, i % 2 ? 0 : 1);
		ttrpc_client_free(client);
		pending_release(&lost);
	}
	container_remove_id(&agent, "metrics");
	agent_assert_census(&agent, &before);
}

/* proc_pid_stat(5), cminflt: grows with each child that the agent has had. */
static unsigned long faults_of_reaped_children(void)
{
	char path[64], text[1024];
	unsigned long faults = 0;

	str_format(path, sizeof(path), "/proc/%d/stat", (int)agent.pid);
	assert_true(file_read(path, text, sizeof(text)) > 0);
	assert_int_equal(
		sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %lu", &faults), 1);
	return faults;
}

/* What does not make a trigger is refused, and callers that go away leave none behind. */
static void test_watching_pressure(void **state)
{
	static const uint32_t bad[][2] = {
		{1, 499999}, {1, 10000001}, {0, 500000}, {500001, 500000}};
	Cradle__WatchPressureRequest request = CRADLE__WATCH_PRESSURE_REQUEST__INIT;
	struct agent_census before = agent_census(&agent);
	struct ttrpc_client *client;
	struct pending lost[70];
	unsigned refused = 0;
	unsigned long faults;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		request.stall_usec = bad[i][0];
		request.window_usec = bad[i][1];
		agent_fails(&agent, "WatchPressure", &request, STATUS_INVALID_ARGUMENT, "_usec");
	}
	request.stall_usec = request.window_usec = 10000000;
	request.container_id = (char *)"nobody";
	agent_fails(&agent, "WatchPressure", &request, STATUS_NOT_FOUND, "nobody");
	request.container_id = (char *)"";
	/* a kernel without PSI says so; with it, there are so many and no more */
	if (access("/proc/pressure/memory", F_OK) < 0) {
		agent_fails(&agent, "WatchPressure", &request, STATUS_UNIMPLEMENTED, "PSI");
		return;
	}
	client = agent_connect(&agent);
	for (int i = 0; i < 70; i++)
		agent_begin(&agent, client, &lost[i], "WatchPressure", &request);
	agent_await(&agent, &lost[69]);
	for (int i = 0; i < 70; i++)
		if (lost[i].done) {
			assert_int_equal(lost[i].code, STATUS_RESOURCE_EXHAUSTED);
			refused++;
		}
	assert_int_equal(refused, 70 - 8);
	faults = faults_of_reaped_children();
	ttrpc_client_free(client);
	for (int i = 0; i < 70; i++)
		pending_release(&lost[i]);
	agent_assert_census(&agent, &before);
	/* closing a trigger sleeps in the kernel: a child did, and the agent went on */
	assert_true(faults_of_reaped_children() > faults);
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
	cmocka_unit_test(test_statistics_of_interfaces),
	cmocka_unit_test(test_metrics),
	cmocka_unit_test(test_watching_pressure),
	cmocka_unit_test(test_waiting_for_a_record),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
