/* bundle: config.json to a specification, rewritten or refused. The VM tests run real bundles. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/test_main.h"
#include "run/bundle.h"

static struct arena arena;
static struct bundle bundle;
static struct error err;
static unsigned notes;
static char folder[] = "/tmp/test-bundle-XXXXXX";

static void note(const char *text)
{
	notes++;
}

/* Reads a bundle whose config.json is a minimal one with `more` in it. */
static int read_with(const char *process, const char *linux_part, const char *more)
{
	char path[64];
	FILE *file;

	arena_release(&arena);
	arena_init(&arena, 1 << 20);
	notes = 0;
	err = (struct error)ERROR_INIT;
	memset(&bundle, 0, sizeof(bundle));
	snprintf(path, sizeof(path), "%s/config.json", folder);
	file = fopen(path, "we");
	fprintf(file,
		"{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"r\"}, \"process\": {%s}, "
		"\"linux\": {%s}%s%s}",
		process, linux_part, *more ? ", " : "", more);
	fclose(file);
	return bundle_read(folder, &arena, note, &bundle, &err);
}

static void refuse(
	const char *process, const char *linux_part, const char *more, const char *naming)
{
	assert_int_not_equal(read_with(process, linux_part, more), 0);
	if (!strstr(err.text, naming))
		fail_msg("said: %s", err.text);
}

static void numbers_are_exact(void **state)
{
	assert_int_equal(read_with("\"rlimits\": [{\"type\": \"RLIMIT_AS\", \"hard\": "
				   "18446744073709551615, \"soft\": 18446744073709551614}]",
				 "\"resources\": {\"memory\": {\"limit\": 9007199254740993}}", ""),
		0);
	assert_true(bundle.spec->process->rlimits[0]->hard == UINT64_MAX);
	assert_true(bundle.spec->process->rlimits[0]->soft == UINT64_MAX - 1);
	assert_true(bundle.memory_bytes == 9007199254740993ull);
	refuse("\"rlimits\": [{\"type\": \"RLIMIT_AS\", \"hard\": 18446744073709551616}]", "", "",
		"JSON line 1");
	refuse("\"user\": {\"uid\": 4294967296}", "", "", "process.user.uid");
}

static void what_is_absent(void **state)
{
	const Grpc__LinuxDeviceCgroup *rule;

	assert_int_equal(
		read_with("",
			"\"resources\": {\"devices\": [{\"allow\": true}, {\"allow\": true, "
			"\"type\": \"c\", \"major\": 0, \"access\": \"r\"}]}",
			""),
		0);
	rule = bundle.spec->linux->resources->devices[0];
	assert_string_equal(rule->type, "a");
	assert_string_equal(rule->access, "rwm");
	assert_int_equal(rule->major, -1);
	rule = bundle.spec->linux->resources->devices[1];
	assert_int_equal(rule->major, 0);
	assert_int_equal(rule->minor, -1);
	assert_non_null(bundle.spec->process->capabilities);
	assert_int_equal(bundle.memory_bytes, 0);
	assert_int_equal(bundle.cpus_micro, 0);
}

static void namespaces(void **state)
{
	assert_int_equal(read_with("",
				 "\"namespaces\": [{\"type\": \"time\"}, {\"type\": \"pid\"}, "
				 "{\"type\": \"network\"}, {\"type\": \"cgroup\"}]",
				 ""),
		0);
	assert_int_equal(bundle.spec->linux->n_namespaces, 2);
	assert_string_equal(bundle.spec->linux->namespaces[1]->type, "cgroup");
	assert_int_equal(read_with("", "\"namespaces\": [{\"type\": \"user\"}]", ""), 0);
	assert_int_equal(bundle.spec->linux->n_namespaces, 2);
	assert_string_equal(bundle.spec->linux->namespaces[1]->type, "network");
	refuse("", "\"namespaces\": [{\"type\": \"pid\", \"path\": \"/proc/1/ns/pid\"}]", "",
		"pid has the path '/proc/1/ns/pid'");
}

static void mounts(void **state)
{
	assert_int_equal(read_with("", "",
				 "\"mounts\": [{\"destination\": \"/sys\", \"type\": \"none\", "
				 "\"source\": \"/sys\", \"options\": [\"rbind\", \"ro\"]}, "
				 "{\"destination\": \"/etc/resolv.conf\", \"type\": \"bind\", "
				 "\"source\": \"/etc/resolv.conf\"}]"),
		0);
	assert_int_equal(bundle.spec->n_mounts, 1);
	assert_string_equal(bundle.spec->mounts[0]->type, "sysfs");
	assert_int_equal(bundle.spec->mounts[0]->n_options, 1);
	assert_string_equal(bundle.spec->mounts[0]->options[0], "ro");
	assert_int_equal(notes, 1);
	assert_int_equal(read_with("", "\"namespaces\": [{\"type\": \"user\"}]",
				 "\"mounts\": [{\"destination\": \"/dev/mqueue\", \"type\": "
				 "\"mqueue\"}]"),
		0);
	assert_int_equal(bundle.spec->n_mounts, 0);
	assert_int_equal(notes, 1);
	refuse("", "",
		"\"mounts\": [{\"destination\": \"/a\", \"type\": \"bind\", \"source\": "
		"\"/dev/log\"}]",
		"/a is a bind of the host's '/dev/log'");
	refuse("", "",
		"\"mounts\": [{\"destination\": \"/a\", \"type\": \"nfs\", \"source\": \"h:/\"}]",
		"type 'nfs'");
}

static void binds_become_volumes(void **state)
{
	const struct volume *v = bundle.volumes.list;
	char relative[64];

	assert_int_equal(read_with("", "",
				 "\"mounts\": [{\"destination\": \"/a\", \"type\": \"bind\", "
				 "\"source\": \"/b\", \"options\": [\"ro\"]}, "
				 "{\"destination\": \"/t\", \"type\": \"tmpfs\"}, "
				 "{\"destination\": \"/c\", \"type\": \"none\", \"source\": \"d\", "
				 "\"options\": [\"rbind\", \"ro\", \"rw\"]}]"),
		0);
	assert_int_equal(bundle.spec->n_mounts, 3);
	assert_int_equal(bundle.volumes.count, 2);
	assert_string_equal(v[0].host, "/b");
	assert_string_equal(v[0].guest, "/a");
	assert_true(v[0].read_only);
	assert_ptr_equal(v[0].mount, bundle.spec->mounts[0]);
	snprintf(relative, sizeof(relative), "%s/d", folder);
	assert_string_equal(v[1].host, relative);
	assert_false(v[1].read_only);
	assert_ptr_equal(v[1].mount, bundle.spec->mounts[2]);
	assert_int_equal(notes, 0);
}

static void too_many_binds(void **state)
{
	char mounts[4096];
	int len = snprintf(mounts, sizeof(mounts), "\"mounts\": [");

	for (int i = 0; i <= VOLUMES_MAX; i++)
		len += snprintf(mounts + len, sizeof(mounts) - (size_t)len,
			"%s{\"destination\": \"/m%d\", \"type\": \"bind\", \"source\": \"/b\"}",
			i ? ", " : "", i);
	snprintf(mounts + len, sizeof(mounts) - (size_t)len, "]");
	refuse("", "", mounts, "/m16: more than 16 binds");
}

static void cpus(void **state)
{
	assert_int_equal(
		read_with("", "\"resources\": {\"cpu\": {\"quota\": 150000, \"cpus\": \"0\"}}", ""),
		0);
	assert_int_equal(bundle.cpus_micro, 1500000);
	assert_string_equal(bundle.spec->linux->resources->cpu->cpus, "");
	assert_int_equal(notes, 1);
	refuse("", "\"resources\": {\"cpu\": {\"quota\": 9223372036854775807}}", "", "cpu.quota");
	refuse("", "\"resources\": {\"cpu\": {\"quota\": 1, \"period\": 18446744073709551615}}", "",
		"cpu.quota");
}

static void wishes_without_a_name(void **state)
{
	assert_int_equal(read_with("\"scheduler\": null, \"ioPriority\": {}",
				 "\"timeOffsets\": {}, \"personality\": \"\"", "\"hooks\": {}"),
		0);
	refuse("\"scheduler\": {\"policy\": \"SCHED_FIFO\"}", "", "", "process.scheduler");
	refuse("", "\"personality\": {\"domain\": \"LINUX32\"}", "", "linux.personality");
	refuse("", "\"mountLabel\": \"x\"", "", "linux.mountLabel");
	refuse("", "\"intelRdt\": {}", "", "linux.intelRdt");
	refuse("", "", "\"vm\": {\"kernel\": {\"path\": \"/k\"}}", "config.json.vm");
	refuse("", "", "\"root\": {\"path\": \"s\"}", "occurs twice");
}

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[64];

	arena_release(&arena);
	snprintf(path, sizeof(path), "%s/config.json", folder);
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(what_is_absent),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(mounts),
		cmocka_unit_test(binds_become_volumes),
		cmocka_unit_test(too_many_binds),
		cmocka_unit_test(cpus),
		cmocka_unit_test(wishes_without_a_name),
	};

	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
