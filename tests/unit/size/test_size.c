/* size: the subcommand as a user calls it: what it prints, in both forms, and what it refuses. */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lib/test_main.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "command_table.h"

#define WORDS_MAX 20

static char out[16384], said[16384];

/* Runs it with stdout and stderr in files; -> its exit code. */
static int size(const char *const *words)
{
	char *argv[WORDS_MAX + 2] = {(char *)"size"};
	int argc = 1, code, saved[2] = {dup(1), dup(2)};

	while (words[argc - 1] && argc <= WORDS_MAX) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	fflush(stdout);
	for (int fd = 1; fd <= 2; fd++) {
		int file = open(scratch_path("out%d", fd), O_CREAT | O_TRUNC | O_WRONLY, 0600);

		dup2(file, fd);
		close(file);
	}
	code = size_command.main(argc, argv);
	fflush(stdout);
	for (int fd = 1; fd <= 2; fd++) {
		dup2(saved[fd - 1], fd);
		close(saved[fd - 1]);
	}
	assert_true(file_read(scratch_path("out1"), out, sizeof(out)) >= 0);
	assert_true(file_read(scratch_path("out2"), said, sizeof(said)) >= 0);
	return code;
}
#define SIZE(...) size((const char *const[]){__VA_ARGS__, NULL})

static void says(const char *where, const char *what)
{
	if (!strstr(where, what))
		fail_msg("'%s' is not in:\n%s", what, where);
}

static int64_t number(struct json_object *json, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(json, key, &value));
	return json_object_get_int64(value);
}

static const char *image(void)
{
	return scratch_file("image", "\x1f\x8b not much");
}

static void prints_the_sum(void **state)
{
	assert_int_equal(
		SIZE("--arch", "x86_64", "--memory", "600M", "--cpus", "1.2", "--initrd", image()),
		0);
	says(out, "600.0 MiB  workload: the container's limit");
	says(out, "=     682.0 MiB  the VM");
	says(out, "what the host's cgroup must allow");
	says(out, "CPUs: 2 in the VM; quota of 1.20 of them.");
	assert_string_equal(said, "");
}

/* What a script reads adds up, line by line, to what it is told. */
static void json_adds_up(void **state)
{
	struct json_object *json, *sum, *line;
	int64_t vm = 0, host = 0;

	assert_int_equal(
		SIZE("--arch", "ppc64le", "--memory", "1024M", "--json", "--initrd", image()), 0);
	json = json_tokener_parse(out);
	assert_non_null(json);
	assert_true(json_object_object_get_ex(json, "sum", &sum));
	for (size_t i = 0; i < json_object_array_length(sum); i++) {
		line = json_object_array_get_idx(sum, i);
		json_object_object_get_ex(line, "line", &line);
		const char *name = json_object_get_string(line);
		int64_t bytes = number(json_object_array_get_idx(sum, i), "bytes");

		if (strcmp(name, "vm") == 0)
			assert_int_equal(bytes, vm);
		else if (strcmp(name, "host") == 0)
			assert_int_equal(bytes, host);
		else
			host += bytes;
		if (strcmp(name, "vm") && strcmp(name, "host") && strcmp(name, "qemu") &&
			strcmp(name, "page_tables"))
			vm += bytes;
	}
	assert_int_equal(number(json, "vm_bytes"), vm);
	assert_int_equal(number(json, "host_bytes"), host);
	assert_int_equal(vm % (256 << 20), 0);
	assert_int_equal(number(json, "limit_bytes"), 1024 << 20);
	json_object_put(json);
}

static void sums_a_pod_of_bundles(void **state)
{
	char a[200], b[200], s[200];

	scratch_file("a/config.json", "{\"linux\":{\"resources\":{\"memory\":{\"limit\":134217728},"
				      "\"cpu\":{\"quota\":50000,\"period\":100000}}}}");
	scratch_file("b/config.json", "{\"linux\":{\"resources\":{\"memory\":{\"limit\":268435456},"
				      "\"cpu\":{\"quota\":70000,\"period\":100000}}}}");
	scratch_file("s/config.json",
		"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\","
		"\"io.kubernetes.cri.sandbox-memory\":\"536870912\"}}");
	snprintf(a, sizeof(a), "%s", scratch_path("a"));
	snprintf(b, sizeof(b), "%s", scratch_path("b"));
	snprintf(s, sizeof(s), "%s", scratch_path("s"));

	assert_int_equal(SIZE("--bundle", a, "--bundle", b, "--initrd", image()), 0);
	says(out, "384.0 MiB  workload: the containers' limits together");
	says(out, "1.0 MiB  reserve: 1 more container\n");
	says(out, "CPUs: 2 in the VM; quota of 1.20 of them.");
	assert_int_equal(SIZE("--bundle", s, "--bundle", a, "--bundle", b, "--initrd", image()), 0);
	says(out, "512.0 MiB  workload");
	/* The command line counts instead of the only bundle. */
	assert_int_equal(SIZE("--bundle", a, "--memory", "64M", "--initrd", image()), 0);
	says(out, "64.0 MiB  workload");
	says(out, "CPUs: 1 in the VM; quota of 0.50 of them.");
	assert_int_equal(SIZE("--bundle", a, "--bundle", b, "--memory", "64M"), 125);
	says(said, "there are 2 bundles");
}

static void takes_annotations(void **state)
{
	assert_int_equal(
		SIZE("--annotation", "io.kubernetes.cri.sandbox-memory=629145600", "--annotation",
			"io.kubernetes.cri.sandbox-cpu-quota=foo", "--initrd", image()),
		0);
	says(out, "600.0 MiB  workload");
	says(said, "'foo' is no number");
	assert_int_equal(SIZE("--annotation", "io.kubernetes.cri.sandbox-id=1"), 125);
	says(said, "has no say in sizing");
	assert_int_equal(SIZE("--annotation", "memory"), 125);
	says(said, "is not KEY=VALUE");
}

/* The sizing document's example, by its configuration keys. */
static void predicts_the_runtimes(void **state)
{
	assert_int_equal(SIZE("--rules=runtime-rs", "--memory", "600M", "--cpus", "1.5", "--config",
				 "overhead_vcpus=0.5", "--config", "overhead_memory=128"),
		0);
	says(out, "-smp 2 -m 728M");
	assert_int_equal(
		SIZE("--rules", "go", "--arch", "aarch64", "--memory", "600M", "--cpus", "1.5"), 0);
	says(out, "-smp 3 -m 2648M");
	assert_int_equal(SIZE("--rules", "rs", "--cpus", "1", "--json"), 0);
	says(out, "\"memory_mib\":32,");
	assert_int_equal(SIZE("--rules", "rs", "--cpus", "1", "--config", "overhead_memory=0"), 1);
	says(said, "0 MiB");
	assert_int_equal(SIZE("--rules", "rs", "--arch", "ppc64le", "--memory", "1024M"), 0);
	says(out, "not a multiple of 256 MiB");
	assert_int_equal(SIZE("--rules", "go", "--annotation",
				 "io.katacontainers.config.hypervisor.default_memory=255"),
		125);
	says(said, "under 256");
	assert_int_equal(SIZE("--rules", "go", "--arch", "s390x", "--annotation",
				 "io.katacontainers.config.hypervisor.default_memory=512"),
		0);
	says(out, "-m 512M");
	assert_int_equal(SIZE("--rules", "crun"), 125);
	says(said, "runtime-rs or go");
}

static void refuses(void **state)
{
	assert_int_equal(SIZE("--memory", "1M", "--initrd", image()), 1);
	says(said, "--memory 6M");
	assert_int_equal(SIZE("--memory", "0"), 125);
	assert_int_equal(SIZE("--cpus", "x"), 125);
	assert_int_equal(SIZE("--arch", "mips"), 125);
	assert_int_equal(SIZE("--memry", "1G"), 125);
	says(said, "did you mean '--memory'");
	assert_int_equal(SIZE("--memory"), 125);
	assert_int_equal(SIZE("more"), 125);
	assert_int_equal(SIZE("--initrd", scratch_path("nothing")), 125);
	assert_int_equal(SIZE("--config", "default_memory=1"), 125);
	says(said, "give --rules");
	assert_int_equal(SIZE("--bundle", scratch_path("nothing")), 125);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(prints_the_sum),
	cmocka_unit_test(json_adds_up),
	cmocka_unit_test(sums_a_pod_of_bundles),
	cmocka_unit_test(takes_annotations),
	cmocka_unit_test(predicts_the_runtimes),
	cmocka_unit_test(refuses),
};

TEST_MAIN(tests)
