/* sizing_plan: requests of containers and pods to a VM and to what the host must have. */
#include <errno.h>
#include <string.h>

#include "lib/test_main.h"
#include "base/cleanup.h"
#include "hard_limits.h"
#include "vm/sizing_plan.h"

#define MIB  (1ull << 20)
#define CPUS .cpu_period = 100000, .cpu_quota = 100000 *

static struct sizing_plan plan(const struct sizing_plan_request *request)
{
	struct error err = ERROR_INIT;
	struct sizing_plan p;

	if (sizing_plan(request, &p, &err) < 0)
		fail_msg("%s", err.text);
	/* Whatever was asked: the lines add up. */
	assert_int_equal(p.vm.vm_bytes, p.workload_bytes + p.hugepage_bytes + p.more_bytes +
						p.initrd_bytes + p.vm.kernel_bytes +
						p.vm.memmap_bytes + p.vm.agent_bytes +
						p.vm.padding_bytes);
	assert_int_equal(p.host_bytes, p.vm.vm_bytes + p.qemu_bytes + p.tables_bytes);
	assert_int_equal(p.vm.limit_bytes, p.workload_bytes);
	return p;
}

static bool notes(const struct sizing_plan *p, const char *text)
{
	for (unsigned i = 0; i < p->note_count; i++) {
		if (strstr(p->notes[i], text))
			return true;
	}
	return false;
}

static void one_container_is_sized_as_cradle_run_does(void **state)
{
	struct sizing_ask ask = {
		.memory_bytes = 600 * MIB, .cpu_quota = 120000, .cpu_period = 100000};
	struct sizing_plan_request request = {
		.arch = "x86_64", .containers = &ask, .count = 1, .initrd_bytes = 5 * MIB};
	struct sizing_request run = {.arch = "x86_64",
		.memory_bytes = 600 * MIB,
		.cpus_micro = 1200000,
		.initrd_bytes = 5 * MIB};
	struct sizing_plan p = plan(&request);
	struct error err = ERROR_INIT;
	struct sizing s = {0};

	assert_int_equal(sizing_compute(&run, &s, &err), 0);
	assert_int_equal(p.vm.vm_bytes, s.vm_bytes);
	assert_int_equal(p.vm.vcpus, 2);
	assert_int_equal(p.vm.cpu_quota, 120000);
	assert_int_equal(sizing_agent_reserve(&p.vm), sizing_agent_reserve(&s));
}

static void says_nothing_gets_the_defaults(void **state)
{
	struct sizing_plan_request request = {.arch = "x86_64"};
	struct sizing_plan p = plan(&request);

	assert_int_equal(p.workload_bytes, SIZING_DEFAULT_MEMORY);
	assert_int_equal(p.vm.vcpus, 1);
	assert_int_equal(p.vm.cpu_quota, 0);
	assert_true(notes(&p, "without a memory limit"));
}

/* The request that gets 32 MiB from runtime-rs. */
static void cpu_only_gets_a_vm_to_live_in(void **state)
{
	static const char *const archs[] = {"x86_64", "aarch64", "ppc64le", "s390x"};
	struct sizing_ask ask = {CPUS 1}, pod = {CPUS 2};

	for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
		struct sizing_plan_request single = {
			.arch = archs[i], .containers = &ask, .count = 1};
		struct sizing_plan_request sandbox = {.arch = archs[i], .pod = &pod};
		struct sizing_plan p = plan(&single);

		assert_int_equal(p.workload_bytes, 256 * MIB);
		assert_true(p.vm.vm_bytes > 300 * MIB);
		assert_int_equal(p.vm.cpu_quota, 100000);
		p = plan(&sandbox);
		assert_int_equal(p.workload_bytes, 256 * MIB);
		assert_int_equal(p.vm.vcpus, 2);
		assert_int_equal(p.vm.cpu_quota, 200000);
	}
}

static void memory_only_gets_one_cpu_without_quota(void **state)
{
	struct sizing_ask ask = {.memory_bytes = 512 * MIB};
	struct sizing_plan_request request = {.arch = "s390x", .containers = &ask, .count = 1};
	struct sizing_plan p = plan(&request);

	assert_int_equal(p.workload_bytes, 512 * MIB);
	assert_int_equal(p.vm.vcpus, 1);
	assert_int_equal(p.vm.cpu_quota, 0);
	assert_int_equal(p.note_count, 0);
}

static void fractions_round_up_once(void **state)
{
	struct sizing_ask asks[] = {{CPUS 0.2, .memory_bytes = 64 * MIB},
		{CPUS 0.3, .memory_bytes = 64 * MIB}, {CPUS 0.4, .memory_bytes = 64 * MIB}};
	struct sizing_plan_request request = {.arch = "x86_64", .containers = asks, .count = 3};
	struct sizing_plan p = plan(&request);

	/* The sum is rounded, not each: 0.9 is one CPU, not three. */
	assert_int_equal(p.vm.vcpus, 1);
	assert_int_equal(p.vm.cpu_quota, 90000);
	assert_int_equal(p.workload_bytes, 192 * MIB);
	assert_int_equal(p.more_bytes, 2 * MIB);
	assert_int_equal(sizing_agent_reserve(&p.vm), AGENT_RESERVE_BYTES + p.more_bytes);
	/* Periods may differ. */
	asks[0] = (struct sizing_ask){.cpu_quota = 25000, .cpu_period = 10000};
	p = plan(&request);
	assert_int_equal(p.vm.vcpus, 4);
	assert_int_equal(p.vm.cpu_quota, 320000);
}

static void a_pod_mixes_limited_and_unlimited(void **state)
{
	struct sizing_ask asks[] = {{CPUS 2, .memory_bytes = 512 * MIB}, {.cpu_shares = 1024}};
	struct sizing_plan_request request = {.arch = "x86_64", .containers = asks, .count = 2};
	struct sizing_plan p = plan(&request);

	assert_int_equal(p.workload_bytes, (512 + 256) * MIB);
	assert_int_equal(p.unlimited, 1);
	assert_int_equal(p.vm.vcpus, 3);
	assert_int_equal(p.vm.cpu_quota, 0);
	assert_true(notes(&p, "one CPU more"));
}

static void a_pods_own_limit_counts_when_larger(void **state)
{
	struct sizing_ask asks[] = {{.memory_bytes = 512 * MIB}, {0}};
	struct sizing_ask pod = {.memory_bytes = 1024 * MIB, CPUS 1.5};
	struct sizing_plan_request request = {
		.arch = "x86_64", .containers = asks, .count = 2, .pod = &pod};
	struct sizing_plan p = plan(&request);

	/* The container that says nothing lives in what the pod leaves. */
	assert_int_equal(p.workload_bytes, 1024 * MIB);
	assert_int_equal(p.vm.vcpus, 2);
	assert_int_equal(p.vm.cpu_quota, 150000);
	pod.memory_bytes = 256 * MIB;
	p = plan(&request);
	assert_int_equal(p.workload_bytes, (512 + 256) * MIB);
	assert_true(notes(&p, "the sum counts"));
}

/* Kubernetes' static CPU manager: no quota, CPUs by cpuset; the pod's shares tell how many. */
static void cpusets_and_shares_count_cpus(void **state)
{
	struct sizing_ask set = {.cpu_quota = -1, .cpu_period = 100000, .cpuset_cpus = 3};
	struct sizing_ask pod = {.cpu_quota = -1, .cpu_period = 100000, .cpu_shares = 1536};
	struct sizing_ask idle = {.cpu_quota = -1, .cpu_period = 100000, .cpu_shares = 2};
	struct sizing_plan_request request = {.arch = "x86_64", .containers = &set, .count = 1};
	struct sizing_plan p = plan(&request);

	assert_int_equal(p.vm.vcpus, 3);
	assert_int_equal(p.vm.cpu_quota, 0);
	request = (struct sizing_plan_request){.arch = "x86_64", .pod = &pod};
	p = plan(&request);
	assert_int_equal(p.vm.vcpus, 2);
	assert_int_equal(p.vm.cpu_quota, 0);
	request.pod = &idle;
	assert_int_equal(plan(&request).vm.vcpus, 1);
}

static void huge_pages_and_swap(void **state)
{
	struct sizing_ask ask = {
		.memory_bytes = 128 * MIB, .swap_bytes = 256 * MIB, .hugepage_bytes = 64 * MIB};
	struct sizing_plan_request request = {.arch = "x86_64", .containers = &ask, .count = 1};
	struct sizing_plan p = plan(&request);

	assert_int_equal(p.hugepage_bytes, 64 * MIB);
	assert_int_equal(p.workload_bytes, 128 * MIB);
	/* The agent keeps them free of the containers' limits. */
	assert_int_equal(sizing_agent_reserve(&p.vm), AGENT_RESERVE_BYTES + 64 * MIB);
	assert_true(notes(&p, "no swap"));
}

static void aligns_as_the_machine_does(void **state)
{
	for (uint64_t mib = 6; mib < 3000; mib += 37) {
		struct sizing_ask ask = {.memory_bytes = (int64_t)(mib * MIB)};
		struct sizing_plan_request request = {
			.arch = "ppc64le", .containers = &ask, .count = 1};

		assert_int_equal(plan(&request).vm.vm_bytes % (256 * MIB), 0);
		request.arch = "s390x";
		assert_int_equal(plan(&request).vm.vm_bytes % MIB, 0);
		assert_true(plan(&request).vm.padding_bytes < 4 * MIB);
	}
}

static void refuses(const struct sizing_plan_request *request, const char *naming)
{
	struct sizing_plan p = {.containers = 77};
	struct error err = ERROR_INIT;

	assert_int_equal(sizing_plan(request, &p, &err), -EPROTO);
	if (!strstr(err.text, naming))
		fail_msg("'%s' does not name '%s'", err.text, naming);
	assert_int_equal(p.containers, 77);
}

static void refuses_what_the_host_has_not(void **state)
{
	static struct host_room room = {
		.memory_bytes = 1024 * MIB, .cgroup_bytes = 512 * MIB, .cgroup = "/a/b", .cpus = 2};
	struct sizing_ask ask = {.memory_bytes = 300 * MIB};
	struct sizing_plan_request request = {
		.arch = "x86_64", .containers = &ask, .count = 1, .host = &room};

	/* The VM alone would fit in: QEMU needs the rest. */
	refuses(&request, "cgroup /a/b allows only 512 MiB");
	room.cgroup_bytes = 0;
	assert_int_equal(plan(&request).workload_bytes, 300 * MIB);
	room.memory_bytes = 512 * MIB;
	refuses(&request, "this host has only 512 MiB");
	room.memory_bytes = 0;
	ask = (struct sizing_ask){CPUS 3};
	refuses(&request, "more than the 2");
}

static void refuses_nonsense(void **state)
{
	struct sizing_ask small[] = {{.memory_bytes = 64 * MIB}, {.memory_bytes = MIB}};
	struct sizing_ask huge = {.memory_bytes = INT64_MAX},
			  many = {.cpu_quota = INT64_MAX, .cpu_period = 1};
	struct sizing_ask pages = {.hugepage_bytes = UINT64_MAX};
	struct sizing_plan_request request = {.arch = "x86_64", .containers = small, .count = 2};

	refuses(&request, "container 2 cannot start with 1 MiB");
	request = (struct sizing_plan_request){.arch = "x86_64", .containers = &huge, .count = 1};
	refuses(&request, "1024 GiB");
	request.containers = &pages;
	refuses(&request, "1024 GiB");
	request.containers = &many;
	refuses(&request, "more than the 64");
	request = (struct sizing_plan_request){.arch = "x86_64", .pod = &huge};
	refuses(&request, "1024 GiB");
	request = (struct sizing_plan_request){.arch = "x86_64", .containers = small, .count = 65};
	refuses(&request, "64 at most");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_container_is_sized_as_cradle_run_does),
	cmocka_unit_test(says_nothing_gets_the_defaults),
	cmocka_unit_test(cpu_only_gets_a_vm_to_live_in),
	cmocka_unit_test(memory_only_gets_one_cpu_without_quota),
	cmocka_unit_test(fractions_round_up_once),
	cmocka_unit_test(a_pod_mixes_limited_and_unlimited),
	cmocka_unit_test(a_pods_own_limit_counts_when_larger),
	cmocka_unit_test(cpusets_and_shares_count_cpus),
	cmocka_unit_test(huge_pages_and_swap),
	cmocka_unit_test(aligns_as_the_machine_does),
	cmocka_unit_test(refuses_what_the_host_has_not),
	cmocka_unit_test(refuses_nonsense),
};

TEST_MAIN(tests)
