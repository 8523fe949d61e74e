/* agent/kernel/cgroup_annotations.c: annotations of ours -> writes; others' are left alone. */
#include "kernel/cgroup_annotations.h"

#include <string.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

static struct arena arena;
static struct cgroup_writes writes;
static struct error err;

/* Two planned writes before; returns the result of adding one annotation. */
static int plan(const char *key, const char *value)
{
	static struct cgroup_write before[] = {
		{"memory", "memory.max", "1"}, {"pids", "pids.max", "2"}};
	Grpc__Spec spec = GRPC__SPEC__INIT;
	Grpc__Spec__AnnotationsEntry entry = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT,
				     *list[] = {&entry};

	entry.key = (char *)key;
	entry.value = (char *)value;
	spec.annotations = list;
	spec.n_annotations = 1;
	writes = (struct cgroup_writes){before, 2};
	err = (struct error)ERROR_INIT;
	return cgroup_annotations_plan(&spec, &arena, &writes, &err);
}

static void test_group(void **state)
{
	arena_init(&arena, 1 << 20);
	assert_int_equal(plan("io.cradle.cgroup.memory.oom.group", "true"), 0);
	assert_int_equal(writes.count, 3);
	assert_string_equal(writes.list[0].file, "memory.max");
	assert_string_equal(writes.list[1].file, "pids.max");
	assert_string_equal(writes.list[2].file, "memory.oom.group");
	assert_string_equal(writes.list[2].value, "1");
	assert_int_equal(plan("io.cradle.cgroup.memory.oom.group", "0"), 0);
	assert_string_equal(writes.list[2].value, "0");
	arena_release(&arena);
}

static void test_values(void **state)
{
	static const struct {
		const char *key, *text, *value; /* NULL: refused */
	} cases[] = {
		{"memory.high", "64M", "67108864"},
		{"memory.high", "max", "max"},
		{"memory.low", "0", "0"},
		{"memory.min", "4096", "4096"},
		{"memory.swap.high", "-1", NULL},
		{"memory.high", "", NULL},
		{"memory.high", "12 13", NULL},
		{"cpu.weight.nice", "-20", "-20"},
		{"cpu.weight.nice", "19", "19"},
		{"cpu.weight.nice", "20", NULL},
		{"cpu.weight.nice", "high", NULL},
		{"cpu.idle", "true", "1"},
		{"io.max", "254:0 rbps=1048576 wiops=max", "254:0 rbps=1048576 wiops=max"},
		{"io.max", "254:0", NULL},
		{"io.max", "254:0 rbps=", NULL},
		{"io.max", "254:0 rbps=1 latency=2", NULL},
		{"io.max", "254:0 rbps=1\n8:0 rbps=2", NULL},
		{"io.max", "-1:0 rbps=1", NULL},
		{"io.max", "disk rbps=1", NULL},
	};

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char key[64] = CGROUP_ANNOTATION_PREFIX;
		int r;

		strncat(key, cases[i].key, sizeof(key) - strlen(key) - 1);
		r = plan(key, cases[i].text);
		if (!cases[i].value) {
			assert_true(r < 0);
			assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
			assert_non_null(strstr(err.text, key));
			assert_int_equal(writes.count, 2);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(writes.list[2].file, cases[i].key);
		assert_string_equal(writes.list[2].value, cases[i].value);
	}
	arena_release(&arena);
}

static void test_refused(void **state)
{
	arena_init(&arena, 1 << 20);
	assert_true(plan("io.cradle.cgroup.memory.oom.group", "yes") < 0);
	assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(err.text, "'yes' is not true or false"));
	assert_int_equal(writes.count, 2);
	assert_true(plan("io.cradle.cgroup.memory.oom_group", "1") < 0);
	assert_non_null(strstr(err.text, "'io.cradle.cgroup.memory.oom_group' is not known"));
	assert_true(plan("io.cradle.cgroup.../../cgroup.procs", "1") < 0);
	arena_release(&arena);
}

static void test_others_are_left_alone(void **state)
{
	arena_init(&arena, 1 << 20);
	assert_int_equal(plan("io.kubernetes.cri.container-type", "container"), 0);
	assert_int_equal(writes.count, 2);
	assert_int_equal(plan("io.cradle.cgroup", "1"), 0);
	assert_int_equal(writes.count, 2);
	arena_release(&arena);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_group),
	cmocka_unit_test(test_values),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_others_are_left_alone),
};
TEST_MAIN(tests)
