/* size_bundle: linux.resources and annotations of a config.json, and what is wrong with one. */
#include <errno.h>
#include <string.h>

#include "lib/scratch.h"
#include "lib/test_main.h"
#include "base/cleanup.h"
#include "size/size_bundle.h"

static void reads_all_resources(void **state)
{
	static const char config[] =
		"{\"ociVersion\": \"1.0.2\", \"linux\": {\"resources\": {"
		"\"memory\": {\"limit\": 536870912, \"swap\": 1073741824},"
		"\"cpu\": {\"quota\": 220000, \"period\": 100000, \"shares\": 512, \"cpus\": "
		"\"0-3\"},"
		"\"hugepageLimits\": [{\"pageSize\": \"2MB\", \"limit\": 4194304},"
		"{\"pageSize\": \"1GB\", \"limit\": 1073741824}]}}}";
	struct size_bundle b;
	struct error err = ERROR_INIT;

	assert_int_equal(size_bundle_parse(config, strlen(config), &b, &err), 0);
	assert_int_equal(b.ask.memory_bytes, 536870912);
	assert_int_equal(b.ask.swap_bytes, 1073741824);
	assert_int_equal(b.ask.cpu_quota, 220000);
	assert_int_equal(b.ask.cpu_period, 100000);
	assert_int_equal(b.ask.cpu_shares, 512);
	assert_int_equal(b.ask.cpuset_cpus, 4);
	assert_int_equal(b.ask.hugepage_bytes, 4194304 + 1073741824);
	assert_false(b.sandbox);
}

static void reads_a_sandbox(void **state)
{
	static const char config[] =
		"{\"annotations\": {\"io.kubernetes.cri.container-type\": \"sandbox\","
		"\"io.kubernetes.cri.sandbox-memory\": \"629145600\","
		"\"io.kubernetes.cri.sandbox-cpu-quota\": \"150000\","
		"\"io.kubernetes.cri.sandbox-cpu-period\": \"100000\", \"other\": \"x\"}}";
	struct size_bundle b;
	struct error err = ERROR_INIT;

	assert_int_equal(size_bundle_parse(config, strlen(config), &b, &err), 0);
	assert_true(b.sandbox);
	assert_int_equal(b.annotations.memory_bytes, 629145600);
	assert_int_equal(b.annotations.cpu_quota, 150000);
	assert_int_equal(b.ask.memory_bytes, 0);
}

static void takes_what_is_left_out(void **state)
{
	static const char *const configs[] = {"{}", "{\"linux\": null}", "{\"linux\": {}}",
		"{\"linux\": {\"resources\": {\"memory\": {}, \"cpu\": {\"cpus\": \"\"},"
		" \"hugepageLimits\": []}}}",
		"{\"linux\": {\"resources\": {\"hugepageLimits\": [null]}}, \"annotations\": "
		"{\"a\": null}}"};
	static const char bare[] = "{\"linux\":{\"resources\":{\"cpu\":{\"quota\":5000}}}}";
	struct size_bundle b;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		assert_int_equal(size_bundle_parse(configs[i], strlen(configs[i]), &b, &err), 0);
		assert_int_equal(b.ask.memory_bytes, 0);
		assert_int_equal(b.ask.cpu_quota, 0);
	}
	/* The kernel's period where none is named. */
	assert_int_equal(size_bundle_parse(bare, strlen(bare), &b, &err), 0);
	assert_int_equal(b.ask.cpu_period, 100000);
}

static void names_what_is_wrong(void **state)
{
	static const struct {
		const char *config, *naming;
	} rows[] = {
		{"[]", "JSON"},
		{"{\"linux\": 1}", "linux is not object"},
		{"{\"linux\": {\"resources\": {\"memory\": {\"limit\": \"1\"}}}}",
			"limit is not int"},
		{"{\"linux\": {\"resources\": {\"memory\": {\"limit\": 1.5}}}}",
			"limit is not int"},
		{"{\"linux\": {\"resources\": {\"cpu\": {\"period\": -1}}}}", "period is negative"},
		{"{\"linux\": {\"resources\": {\"cpu\": {\"cpus\": \"3-1\"}}}}", "3-1"},
		{"{\"linux\": {\"resources\": {\"hugepageLimits\": {}}}}",
			"hugepageLimits is not array"},
		{"{\"annotations\": []}", "annotations is not object"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct size_bundle b = {.sandbox = true};
		struct error err = ERROR_INIT;

		assert_true(
			size_bundle_parse(rows[i].config, strlen(rows[i].config), &b, &err) < 0);
		if (!strstr(err.text, rows[i].naming))
			fail_msg("'%s' does not name '%s'", err.text, rows[i].naming);
		assert_true(b.sandbox);
	}
}

static void reads_the_folder(void **state)
{
	struct size_bundle b;
	struct error err = ERROR_INIT;

	scratch_file(
		"bundle/config.json", "{\"linux\":{\"resources\":{\"memory\":{\"limit\":7}}}}");
	assert_int_equal(size_bundle_read(scratch_path("bundle"), &b, &err), 0);
	assert_int_equal(b.ask.memory_bytes, 7);
	assert_int_equal(size_bundle_read(scratch_path("none"), &b, &err), -ENOENT);
	assert_non_null(strstr(err.text, "none/config.json"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(reads_all_resources),
	cmocka_unit_test(reads_a_sandbox),
	cmocka_unit_test(takes_what_is_left_out),
	cmocka_unit_test(names_what_is_wrong),
	cmocka_unit_test(reads_the_folder),
};

TEST_MAIN(tests)
