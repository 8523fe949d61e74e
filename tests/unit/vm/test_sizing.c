/* sizing: limit plus reserve, refusals that name the nearest allowed value. */
#include <errno.h>
#include <string.h>

#include "lib/test_main.h"
#include "hard_limits.h"
#include "vm/sizing.h"

#define MIB (1ull << 20)

static void adds_the_reserve_to_the_limit(void **state)
{
	struct sizing_request request = {.memory_bytes = 256 * MIB, .initrd_bytes = 5 * MIB};
	struct error err = ERROR_INIT;
	struct sizing s;

	assert_int_equal(sizing_compute(&request, &s, &err), 0);
	assert_int_equal(s.limit_bytes, 256 * MIB);
	assert_int_equal(s.vm_bytes, s.limit_bytes + s.reserve_bytes);
	assert_int_equal(s.vm_bytes % MIB, 0);
	assert_int_equal(s.reserve_bytes,
		s.kernel_bytes + s.agent_bytes + s.initrd_bytes + s.memmap_bytes + s.padding_bytes);
	assert_int_equal(sizing_agent_reserve(&s), AGENT_RESERVE_BYTES + 5 * MIB);
}

/* What real guests kept back (see sizing.c): the limit must fit into MemTotal minus the reserve. */
static void the_kernels_part_covers_what_was_measured(void **state)
{
	static const struct {
		uint64_t limit_mib;
		double unseen_mib; /* VM size minus MemTotal */
		uint64_t vm_mib;
	} rows[] = {{8, 36.5, 92}, {64, 39, 149}, {1024, 55.2, 1124}, {4096, 114.3, 4237},
		{10240, 222.2, 10478}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sizing_request request = {.memory_bytes = rows[i].limit_mib * MIB};
		struct error err = ERROR_INIT;
		struct sizing s;

		assert_int_equal(sizing_compute(&request, &s, &err), 0);
		assert_true((double)(s.kernel_bytes + s.memmap_bytes) >= rows[i].unseen_mib * MIB);
		/* And not by waste: within 8 MiB. */
		assert_true((double)(s.kernel_bytes + s.memmap_bytes) <=
			    (rows[i].unseen_mib + 8) * MIB);
	}
}

static void has_a_default_and_one_cpu(void **state)
{
	struct sizing_request request = {0};
	struct error err = ERROR_INIT;
	struct sizing s;

	assert_int_equal(sizing_compute(&request, &s, &err), 0);
	assert_int_equal(s.limit_bytes, SIZING_DEFAULT_MEMORY);
	assert_int_equal(s.vcpus, 1);
	assert_int_equal(s.cpu_quota, 0);
}

static void rounds_cpus_up_and_keeps_the_quota(void **state)
{
	struct sizing_request request = {.cpus_micro = 1500000};
	struct error err = ERROR_INIT;
	struct sizing s;

	assert_int_equal(sizing_compute(&request, &s, &err), 0);
	assert_int_equal(s.vcpus, 2);
	assert_int_equal(s.cpu_quota, 150000);
	assert_int_equal(s.cpu_period, 100000);
	request.cpus_micro = 250000;
	assert_int_equal(sizing_compute(&request, &s, &err), 0);
	assert_int_equal(s.vcpus, 1);
	assert_int_equal(s.cpu_quota, 25000);
}

static void refuses(const struct sizing_request *request, const char *naming)
{
	struct sizing s = {.vcpus = 77};
	struct error err = ERROR_INIT;

	assert_int_equal(sizing_compute(request, &s, &err), -EPROTO);
	assert_non_null(strstr(err.text, naming));
	assert_int_equal(s.vcpus, 77);
}

static void refuses_what_cannot_start(void **state)
{
	struct sizing_request small = {.memory_bytes = 1 * MIB};
	struct sizing_request huge = {.memory_bytes = 2ull << 40};
	struct sizing_request host = {.memory_bytes = 512 * MIB, .host_bytes = 520 * MIB};
	struct sizing_request cpus = {.cpus_micro = 3000000, .host_cpus = 2};
	struct sizing_request slow = {.cpus_micro = 9999};

	refuses(&small, "--memory 6M");
	refuses(&huge, "1024 GiB");
	refuses(&host, "this host has only 520 MiB");
	refuses(&cpus, "more than the 2");
	refuses(&slow, "at least 0.01");
}

static void words_sizes(void **state)
{
	char text[32];

	assert_string_equal(sizing_text(64 * MIB, text, sizeof(text)), "64 MiB");
	assert_string_equal(sizing_text(3 * MIB / 2, text, sizeof(text)), "1.5 MiB");
	assert_string_equal(sizing_text(12, text, sizeof(text)), "12 bytes");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(adds_the_reserve_to_the_limit),
	cmocka_unit_test(the_kernels_part_covers_what_was_measured),
	cmocka_unit_test(has_a_default_and_one_cpu),
	cmocka_unit_test(rounds_cpus_up_and_keeps_the_quota),
	cmocka_unit_test(refuses_what_cannot_start),
	cmocka_unit_test(words_sizes),
};

TEST_MAIN(tests)
