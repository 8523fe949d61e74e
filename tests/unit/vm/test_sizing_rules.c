/*
 * sizing_rules and sizing_ask: every worked example of host-side.md section 1.7, with its numbers:
 * the cases of Kata's own tests, of its sizing document, and those derived from the formulas.
 */
#include <errno.h>
#include <string.h>

#include "lib/test_main.h"
#include "base/cleanup.h"
#include "vm/sizing_rules.h"

#define MIB (1ll << 20)
#define RS  SIZING_RULES_RS
#define GO  SIZING_RULES_GO

static void about(float got, double want)
{
	if (got < want - 0.0001 || got > want + 0.0001)
		fail_msg("%f is not %f", (double)got, want);
}

static void runtime_rs_reads_annotations_and_spec(void **state)
{
	static const struct {
		struct sizing_ask ask;
		bool sandbox;
		double vcpus;
		uint64_t mib;
	} rows[] = {
		{{0}, true, 0, 0},
		{{0}, false, 0, 0},
		{{.cpu_period = 100000, .cpu_quota = 220000, .memory_bytes = 512 * MIB}, true, 2.2,
			512},
		{{.cpu_period = 100000, .cpu_quota = 220000, .memory_bytes = 512 * MIB}, false, 2.2,
			512},
		{{.memory_bytes = 513 * MIB}, true, 0, 514},
		{{.memory_bytes = 513 * MIB}, false, 0, 514},
		/* 1.2: a negative quota is the cpuset's size in a spec, nothing in annotations. */
		{{.cpu_quota = -1, .cpu_period = 100000, .cpuset_cpus = 4}, false, 4, 0},
		{{.cpu_quota = -1, .cpu_period = 100000, .cpu_shares = 2048}, true, 0, 0},
		{{.memory_bytes = -1}, false, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sizing_workload w = sizing_rules_workload(RS, &rows[i].ask, rows[i].sandbox);

		about(w.vcpus, rows[i].vcpus);
		assert_int_equal(w.memory_mib, rows[i].mib);
	}
}

static void runtime_rs_supplements_from_annotations(void **state)
{
	const struct sizing_ask annotations = {
		.cpu_period = 100000, .cpu_quota = 120000, .memory_bytes = 256 * MIB};
	struct sizing_workload none = {0}, has = {.vcpus = 2, .memory_mib = 512};

	sizing_rules_supplement(&none, &annotations);
	about(none.vcpus, 1.2);
	assert_int_equal(none.memory_mib, 256);
	sizing_rules_supplement(&has, &annotations);
	about(has.vcpus, 2);
	assert_int_equal(has.memory_mib, 512);
}

static void runtime_rs_sizes_the_vm(void **state)
{
	static const struct {
		float default_vcpus;
		uint64_t default_mib;
		float overhead_vcpus;
		uint64_t overhead_mib;
		uint32_t maxvcpus;
		uint64_t maxmemory;
		bool not_static;
		struct sizing_workload ask;
		double vcpus; /* 0: refused */
		unsigned boot;
		uint64_t mib;
		unsigned maxvcpus_after;
		uint64_t maxmemory_after;
	} rows[] = {
		{1, 256, 0.5f, 128, 4, 4096, false, {1.2f, 512}, 1.7, 2, 640, 2, 4096},
		{1, 256, 0.5f, 128, 4, 4096, true, {1.2f, 512}, 1.0, 1, 256, 4, 4096},
		{1, 256, 1.0f, 128, 2, 4096, false, {2.5f, 0}, 3.5, 4, 128, 4, 4096},
		{1, 256, 0.5f, 128, 8, 4096, false, {1.2f, 0}, 1.7, 2, 128, 2, 4096},
		{1, 256, 0.5f, 128, 8, 300, false, {0, 512}, 1.0, 1, 640, 1, 640},
		{2, 512, 0.5f, 128, 8, 4096, false, {0, 0}, 2.0, 2, 512, 2, 4096},
		{1, 1024, 0.5f, 0, 8, 4096, false, {1.0f, 0}, 0, 0, 0, 0, 0},
		{3, 1024, 0.75f, 256, 8, 4096, false, {1.25f, 1024}, 2.0, 2, 1280, 2, 4096},
		{3, 1024, 0.5f, 128, 8, 4096, false, {1.5f, 0}, 2.0, 2, 128, 2, 4096},
		{3, 1024, 0.5f, 128, 8, 4096, false, {0, 512}, 1.0, 1, 640, 1, 4096},
		{3, 1024, 0, 0, 8, 4096, false, {1.25f, 1024}, 1.25, 2, 1024, 2, 4096},
		{3, 1024, 0, 0, 8, 4096, false, {0, 512}, 1.0, 1, 512, 1, 4096},
		{2, 1024, 0.5f, 128, 0, 4096, false, {1.5f, 600}, 2.0, 2, 728, 2, 4096},
		{2, 1024, 0, 0, 0, 4096, false, {1.5f, 600}, 1.5, 2, 600, 2, 4096},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sizing_rules_config config = {
			.default_vcpus = rows[i].default_vcpus,
			.default_memory = rows[i].default_mib,
			.overhead_vcpus = rows[i].overhead_vcpus,
			.overhead_memory = rows[i].overhead_mib,
			.default_maxvcpus = rows[i].maxvcpus,
			.default_maxmemory = rows[i].maxmemory,
			.static_mgmt = !rows[i].not_static,
		};
		struct sizing_prediction p = {0};
		struct error err = ERROR_INIT;
		int r = sizing_rules_predict(RS, &config, &rows[i].ask, NULL, 0, &p, &err);

		if (rows[i].boot == 0) {
			assert_int_equal(r, -EPROTO);
			assert_non_null(strstr(err.text, "0 MiB"));
			continue;
		}
		assert_int_equal(r, 0);
		about(p.vcpus, rows[i].vcpus);
		assert_int_equal(p.boot_vcpus, rows[i].boot);
		assert_int_equal(p.memory_mib, rows[i].mib);
		assert_int_equal(p.maxvcpus, rows[i].maxvcpus_after);
		assert_int_equal(p.maxmemory_mib, rows[i].maxmemory_after);
		assert_int_equal(p.grows, rows[i].not_static);
	}
}

/* As the annotations are written: text. */
static void go_reads_annotations(void **state)
{
	static const struct {
		const char *memory, *quota, *period, *shares;
		double vcpus;
		uint64_t mib;
	} rows[] = {
		{"1048576", "200", "100", NULL, 2, 1},
		{"1024", "200", "1", NULL, 200, 0},
		{"foobar", "200", "spaghetti", NULL, 0, 0},
		{"-1048576", "-100", "1", NULL, 0, 0},
		{"-1", "100", "1", NULL, 100, 0},
		{"4294967296", "400", "100", NULL, 4, 4096},
		{"1048576", "-1", "100", "2048", 2, 1},
		{"0", "-1", "100", "1536", 2, 0},
		{"0", "0", "100", "2", 0, 0},
		{"0", "200", "100", "8192", 2, 0},
		{"0", "-1", "100", "0", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct {
			const char *key, *value;
		} annotations[] = {
			{"io.kubernetes.cri.sandbox-memory", rows[i].memory},
			{"io.kubernetes.cri.sandbox-cpu-quota", rows[i].quota},
			{"io.kubernetes.cri.sandbox-cpu-period", rows[i].period},
			{"io.kubernetes.cri.sandbox-cpu-shares", rows[i].shares},
		};
		struct sizing_ask ask = {0};
		struct sizing_workload w;

		for (size_t k = 0; k < ARRAY_SIZE(annotations); k++) {
			bool bad, letters;

			if (!annotations[k].value)
				continue;
			letters = strpbrk(annotations[k].value, "fs") != NULL;
			assert_true(sizing_ask_annotation(
				&ask, annotations[k].key, annotations[k].value, &bad));
			assert_int_equal(bad, letters);
		}
		w = sizing_rules_workload(GO, &ask, true);
		about(w.vcpus, rows[i].vcpus);
		assert_int_equal(w.memory_mib, rows[i].mib);
	}
}

static void go_reads_a_containers_spec(void **state)
{
	static const struct {
		struct sizing_ask ask;
		double vcpus;
		uint64_t mib;
	} rows[] = {
		{{.memory_bytes = MIB, .cpu_quota = 200, .cpu_period = 100}, 2, 1},
		{{.memory_bytes = 1024 * MIB, .cpu_quota = 200, .cpu_period = 1}, 200, 1024},
		{{.memory_bytes = -1024 * MIB, .cpu_quota = 200, .cpu_period = 1}, 200, 0},
		{{.memory_bytes = 0, .cpu_quota = 10, .cpu_period = 0}, 0, 0},
		{{.memory_bytes = -1, .cpu_quota = 10, .cpu_period = 1}, 10, 0},
		/* Shares count for pods only. */
		{{.cpu_quota = -1, .cpu_period = 100, .cpu_shares = 2048}, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sizing_workload w = sizing_rules_workload(GO, &rows[i].ask, false);

		about(w.vcpus, rows[i].vcpus);
		assert_int_equal(w.memory_mib, rows[i].mib);
	}
}

static void go_adds_the_defaults(void **state)
{
	struct sizing_rules_config config = sizing_rules_shipped(GO, "aarch64");
	struct sizing_workload w = {1.5f, 600}, none = {0};
	struct sizing_prediction p;
	struct error err = ERROR_INIT;

	assert_true(config.static_mgmt);
	assert_false(sizing_rules_shipped(GO, "s390x").static_mgmt);
	assert_int_equal(sizing_rules_predict(GO, &config, &w, NULL, 0, &p, &err), 0);
	about(p.vcpus, 2.5);
	assert_int_equal(p.boot_vcpus, 3);
	assert_int_equal(p.memory_mib, 2648);
	config.default_vcpus = 0;
	assert_int_equal(sizing_rules_predict(GO, &config, &none, NULL, 0, &p, &err), 0);
	assert_int_equal(p.maxvcpus, 1);
}

static void hotplug_adds_up(void **state)
{
	struct sizing_ask ten[10], mixed[2] = {{.cpu_quota = 1000000, .cpu_period = 1000000},
					   {.cpu_quota = 1000000, .cpu_period = 500000}};
	struct sizing_ask quarter = {.cpu_quota = 250000, .cpu_period = 1000000};
	struct sizing_ask large[3] = {{.cpu_quota = 32000000, .cpu_period = 1000000},
		{.cpu_quota = 32000000, .cpu_period = 1000000},
		{.cpu_quota = 64000000, .cpu_period = 1000000}};
	struct sizing_rules_config config = {
		.default_vcpus = 1, .default_memory = 2048, .default_maxvcpus = 8};
	struct sizing_workload w = {0};
	struct sizing_prediction p;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(ten); i++)
		ten[i] = (struct sizing_ask){.cpu_quota = 100000, .cpu_period = 1000000};
	about(sizing_rules_hotplug_vcpus(ten, 10, 0), 1.0);
	about(sizing_rules_hotplug_vcpus(mixed, 2, 3), 6);
	about(sizing_rules_hotplug_vcpus(&quarter, 1, 0.5f), 0.75);
	about(sizing_rules_hotplug_vcpus(large, 3, 10), 138);
	about(sizing_rules_hotplug_vcpus(NULL, 0, 2), 2);

	mixed[0].memory_bytes = 512 * MIB;
	mixed[1].memory_bytes = 256 * MIB;
	mixed[1].hugepage_bytes = 64 * MIB;
	assert_int_equal(sizing_rules_predict(GO, &config, &w, mixed, 2, &p, &err), 0);
	assert_true(p.grows);
	assert_int_equal(p.memory_mib, 2048);
	assert_int_equal(p.grown_mib, 2048 + 512 + 256 + 64);
	about(p.grown_vcpus, 4);
}

/* 1.4: what the shipped numbers make of a pod that limits only its CPU. */
static void a_cpu_only_pod_gets_32_mib_of_runtime_rs(void **state)
{
	struct sizing_rules_config config = sizing_rules_shipped(RS, "x86_64");
	struct sizing_workload w = {1, 0};
	struct sizing_prediction p;
	struct error err = ERROR_INIT;

	assert_int_equal(sizing_rules_predict(RS, &config, &w, NULL, 0, &p, &err), 0);
	assert_int_equal(p.memory_mib, 32);
	about(p.vcpus, 1.2);
	assert_non_null(strstr(p.note, "too small"));
}

/* 1.5: minima, maxima, alignment when the file is loaded. */
static void loading_bounds_the_configuration(void **state)
{
	static const struct {
		enum sizing_rules rules;
		const char *arch, *memory, *maxmemory, *vcpus;
		uint64_t memory_after, maxmemory_after; /* 0: refused */
		float vcpus_after;
	} rows[] = {
		{RS, "x86_64", "0", "0", "0", 128, 16384, 1},
		{RS, "x86_64", "63", "0", "1", 0, 0, 0},
		{RS, "x86_64", "64", "0", "-1", 64, 16384, 8},
		{RS, "x86_64", "99999", "99999", "9", 16384, 16384, 8},
		{RS, "ppc64le", "512", "0", "1", 0, 0, 0},
		{RS, "ppc64le", "1300", "3000", "1", 1280, 2816, 1},
		{RS, "ppc64le", "1300", "1500", "1", 0, 0, 0},
		{GO, "x86_64", "255", "0", "0", 2048, 16384, 1},
		{GO, "ppc64le", "1300", "3000", "-1", 1300, 2816, 8},
		{GO, "s390x", "1301", "3001", "2", 1301, 3001, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sizing_rules_host host = {rows[i].arch, 8, 16384};
		struct sizing_rules_config config =
			sizing_rules_shipped(rows[i].rules, rows[i].arch);
		struct error err = ERROR_INIT;
		int r;

		assert_int_equal(
			sizing_rules_set(&config, "default_memory", rows[i].memory, &err), 0);
		assert_int_equal(
			sizing_rules_set(&config, "default_maxmemory", rows[i].maxmemory, &err), 0);
		assert_int_equal(
			sizing_rules_set(&config, "default_vcpus", rows[i].vcpus, &err), 0);
		r = sizing_rules_load(rows[i].rules, &host, &config, &err);
		if (rows[i].memory_after == 0) {
			assert_int_equal(r, -EPROTO);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(config.default_memory, rows[i].memory_after);
		assert_int_equal(config.default_maxmemory, rows[i].maxmemory_after);
		about(config.default_vcpus, rows[i].vcpus_after);
	}
}

static void keys_of_the_file_are_checked(void **state)
{
	struct sizing_rules_config config = {0};
	struct error err = ERROR_INIT;
	enum sizing_rules rules;

	assert_int_equal(sizing_rules_set(&config, "overhead_vcpus", "0.2", &err), 0);
	about(config.overhead_vcpus, 0.2);
	assert_int_equal(sizing_rules_set(&config, "overhead_memory", "x", &err), -EPROTO);
	assert_int_equal(sizing_rules_set(&config, "memory_slots", "1", &err), -EPROTO);
	assert_non_null(strstr(err.text, "default_maxvcpus"));
	assert_int_equal(
		sizing_rules_set(&config, "static_sandbox_resource_mgmt", "maybe", &err), -EPROTO);
	assert_int_equal(sizing_rules_by_name("runtime-rs", &rules), 0);
	assert_int_equal(rules, RS);
	assert_int_equal(sizing_rules_by_name("rust", &rules), -EINVAL);
}

static void counts_a_cpuset(void **state)
{
	static const struct {
		const char *list;
		unsigned count; /* 0: refused */
	} rows[] = {{"0", 1}, {"0-3,8", 5}, {"0-3,2-5", 6}, {"", 0}, {"3-1", 0}, {"0,", 0},
		{"0-8192", 0}, {"a", 0}, {"1--2", 0}, {"8191", 1},
		{"00000000000000000000000000000000000001", 0}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned count = 77;
		int r = sizing_cpuset_count(rows[i].list, &count);

		assert_int_equal(r, rows[i].count ? 0 : -EINVAL);
		assert_int_equal(count, rows[i].count ? rows[i].count : 77);
	}
}

/* Absurd numbers stay numbers. */
static void takes_no_harm_from_extremes(void **state)
{
	struct sizing_ask ask = {.cpu_quota = INT64_MAX,
		.cpu_period = 1,
		.memory_bytes = INT64_MAX,
		.hugepage_bytes = UINT64_MAX,
		.cpu_shares = UINT64_MAX};
	struct sizing_ask asks[] = {ask, ask, ask};

	for (int rules = RS; rules <= GO; rules++) {
		struct sizing_rules_config config = sizing_rules_shipped(rules, "x86_64");
		struct sizing_workload w = sizing_rules_workload(rules, &ask, true);
		struct sizing_prediction p;

		assert_int_equal(sizing_rules_predict(rules, &config, &w, asks, 3, &p, NULL), 0);
		config.static_mgmt = !config.static_mgmt;
		assert_int_equal(sizing_rules_predict(rules, &config, &w, asks, 3, &p, NULL), 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(runtime_rs_reads_annotations_and_spec),
	cmocka_unit_test(runtime_rs_supplements_from_annotations),
	cmocka_unit_test(runtime_rs_sizes_the_vm),
	cmocka_unit_test(go_reads_annotations),
	cmocka_unit_test(go_reads_a_containers_spec),
	cmocka_unit_test(go_adds_the_defaults),
	cmocka_unit_test(hotplug_adds_up),
	cmocka_unit_test(a_cpu_only_pod_gets_32_mib_of_runtime_rs),
	cmocka_unit_test(loading_bounds_the_configuration),
	cmocka_unit_test(keys_of_the_file_are_checked),
	cmocka_unit_test(counts_a_cpuset),
	cmocka_unit_test(takes_no_harm_from_extremes),
};

TEST_MAIN(tests)
