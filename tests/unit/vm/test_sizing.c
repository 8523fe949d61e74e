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

/*
 * What real guests kept back (Debian 12's 6.1, QEMU 7.2, one CPU): MemTotal must hold the limit and
 * what the agent keeps.
 */
static const struct measured {
	const char *arch;
	double vm_mib, unseen_mib; /* size of the VM; that minus MemTotal */
} measured[] = {
	{"x86_64", 92, 36.5},
	{"x86_64", 149, 39},
	{"x86_64", 1124, 55.2},
	{"x86_64", 4237, 114.3},
	{"x86_64", 10478, 222.2},
	{"aarch64", 86, 25.7},
	{"aarch64", 143, 28.0},
	{"aarch64", 1120, 46.6},
	{"aarch64", 4247, 111.7},
	{"aarch64", 10524, 234.0},
	{"ppc64le", 256, 56.2},
	{"ppc64le", 1280, 58.9},
	{"ppc64le", 4352, 72.2},
	{"ppc64le", 10496, 90.6},
	{"s390x", 86, 19.4},
	{"s390x", 143, 19.7},
	{"s390x", 1119, 40.7},
	{"s390x", 4245, 104.0},
	{"s390x", 10512, 228.5},
};

static void the_kernels_part_covers_what_was_measured(void **state)
{
	for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++) {
		const struct measured *m = &measured[i];
		/* A limit whose VM comes out as large as the measured one, before rounding. */
		struct sizing_request request = {.arch = m->arch};
		struct error err = ERROR_INIT;
		struct sizing s;
		double reserve;

		request.memory_bytes = SIZING_MIN_MEMORY;
		do {
			request.memory_bytes += MIB;
			assert_int_equal(sizing_compute(&request, &s, &err), 0);
		} while ((double)(s.vm_bytes - s.padding_bytes + MIB) < m->vm_mib * MIB &&
			 request.memory_bytes < m->vm_mib * MIB);
		reserve = (double)(s.kernel_bytes + s.memmap_bytes) / MIB;
		if (reserve < m->unseen_mib || reserve > m->unseen_mib + 9 + m->vm_mib / 1000)
			fail_msg("%s of %.0f MiB: %.1f MiB reserved, %.1f were unseen", m->arch,
				m->vm_mib, reserve, m->unseen_mib);
	}
}

static void rounds_up_to_what_the_machine_takes(void **state)
{
	struct sizing_request request = {.arch = "ppc64le", .memory_bytes = 8 * MIB};
	struct error err = ERROR_INIT;
	struct sizing s;

	assert_int_equal(sizing_compute(&request, &s, &err), 0);
	assert_int_equal(s.vm_bytes, 256 * MIB);
	request.memory_bytes = 256 * MIB;
	assert_int_equal(sizing_compute(&request, &s, &err), 0);
	assert_int_equal(s.vm_bytes, 512 * MIB);
	/* What rounding adds is nobody's: neither the limit nor what the agent keeps grows. */
	assert_int_equal(s.limit_bytes, 256 * MIB);
	assert_int_equal(sizing_agent_reserve(&s), AGENT_RESERVE_BYTES);
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
	cmocka_unit_test(rounds_up_to_what_the_machine_takes),
	cmocka_unit_test(has_a_default_and_one_cpu),
	cmocka_unit_test(rounds_cpus_up_and_keeps_the_quota),
	cmocka_unit_test(refuses_what_cannot_start),
	cmocka_unit_test(words_sizes),
};

TEST_MAIN(tests)
