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
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_others_are_left_alone),
};
TEST_MAIN(tests)
