/* oom_cause.c: whose limit a kill was for, from counters alone. */
#include "memory/oom_cause.h"

#include "lib/test_main.h"

static const struct oom_counters before = {5, 3, 0, 2, 7};

static enum oom_cause after(uint64_t oom, uint64_t kill, uint64_t local, uint64_t parent)
{
	const struct oom_counters now = {oom, kill, 0, local, parent};

	return oom_cause_of(&before, &now);
}

static void test_causes(void **state)
{
	/* nothing killed: no cause, whatever else counted up */
	assert_int_equal(after(9, 3, 9, 9), OOM_CAUSE_UNKNOWN);
	/* a counter that went backwards (a new group under an old name) is no kill */
	assert_int_equal(after(5, 2, 2, 7), OOM_CAUSE_UNKNOWN);
	assert_int_equal(after(6, 4, 3, 7), OOM_CAUSE_CONTAINER_LIMIT);
	/* the container's own limit wins over the pod's, hit in the same interval */
	assert_int_equal(after(6, 4, 3, 8), OOM_CAUSE_CONTAINER_LIMIT);
	assert_int_equal(after(6, 4, 2, 7), OOM_CAUSE_CHILD_LIMIT);
	assert_int_equal(after(5, 4, 2, 8), OOM_CAUSE_POD_LIMIT);
	assert_int_equal(after(5, 4, 2, 7), OOM_CAUSE_WHOLE_VM);
}

static void test_names(void **state)
{
	assert_string_equal(oom_cause_name(OOM_CAUSE_CONTAINER_LIMIT), "container limit");
	assert_string_equal(oom_cause_name((enum oom_cause)99), "unknown");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_causes),
	cmocka_unit_test(test_names),
};
TEST_MAIN(tests)
