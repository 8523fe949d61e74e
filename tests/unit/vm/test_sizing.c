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

/* What real guests kept back: MemTotal must hold the limit and what the agent keeps. */
static const struct measured {
	const char *arch;
	unsigned vm_mib, cpus, unseen_kib, slab_kib, page_tables_kib, agent_kib;
} measured[] = {
#define SIZING_ARCH(arch, ...)
#define SIZING_POINT(arch, ...) {#arch, __VA_ARGS__},
#include "vm/sizing_table.def"
};

static void the_kernels_part_covers_what_was_measured(void **state)
{
	for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++) {
		const struct measured *m = &measured[i];
		/* A limit whose VM comes out as large as the measured one, before rounding. */
		struct sizing_request request = {.arch = m->arch};
		struct error err = ERROR_INIT;
		struct sizing s;
		double reserve, unseen = m->unseen_kib / 1024.0;

		request.memory_bytes = SIZING_MIN_MEMORY;
		do {
			request.memory_bytes += MIB;
			assert_int_equal(sizing_compute(&request, &s, &err), 0);
		} while (s.vm_bytes - s.padding_bytes + MIB < m->vm_mib * MIB &&
			 request.memory_bytes < m->vm_mib * MIB);
		reserve = (double)(s.kernel_bytes + s.memmap_bytes) / MIB;
		if (reserve < unseen || reserve > unseen + 9 + m->vm_mib / 1000.0)
			fail_msg("%s of %u MiB: %.1f MiB reserved, %.1f were unseen", m->arch,
				m->vm_mib, reserve, unseen);
		/* the agent's own part, and what the kernel holds on its behalf */
		if ((m->agent_kib + m->slab_kib + m->page_tables_kib) * 1024ull > s.agent_bytes)
			fail_msg("%s of %u MiB: %u KiB for agent and kernel", m->arch, m->vm_mib,
				m->agent_kib + m->slab_kib + m->page_tables_kib);
	}
}

/* With the least that may be asked for: the VM is one that boots, and a container costs no more
 * than is counted. */
static void the_smallest_vm_boots(void **state)
{
	static const struct {
		const char *arch;
		unsigned kernel_mib, memmap_share, align_mib, least_mib, container_kib;
	} rows[] = {
#define SIZING_ARCH(arch, ...) {#arch, __VA_ARGS__},
#define SIZING_POINT(arch, ...)
#include "vm/sizing_table.def"
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sizing_request request = {
			.arch = rows[i].arch, .memory_bytes = SIZING_MIN_MEMORY};
		struct error err = ERROR_INIT;
		struct sizing s;

		assert_int_equal(sizing_compute(&request, &s, &err), 0);
		assert_true(rows[i].least_mib > 0);
		assert_true(s.vm_bytes >= rows[i].least_mib * MIB);
		assert_true(rows[i].container_kib * 1024 <= SIZING_CONTAINER_BYTES);
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
	cmocka_unit_test(the_smallest_vm_boots),
	cmocka_unit_test(rounds_up_to_what_the_machine_takes),
	cmocka_unit_test(has_a_default_and_one_cpu),
	cmocka_unit_test(rounds_cpus_up_and_keeps_the_quota),
	cmocka_unit_test(refuses_what_cannot_start),
	cmocka_unit_test(words_sizes),
};

TEST_MAIN(tests)
