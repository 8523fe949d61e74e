/* oom_cause.c: whose limit a kill was for, from counters alone. */
#include "memory/oom_cause.h"

#include "lib/test_main.h"

static const struct oom_counters before = {.oom = 5, .oom_kill = 3, .local_oom = 2};

static struct oom_credit after(uint64_t oom, uint64_t local, uint64_t pod)
{
	const struct oom_counters now = {.oom = oom, .local_oom = local};
	struct oom_credit credit = oom_credit_of(&before, &now);

	credit.pod = pod;
	return credit;
}

static enum oom_cause cause(uint64_t oom, uint64_t local, uint64_t pod)
{
	struct oom_credit credit = after(oom, local, pod);

	return oom_cause_next(&credit);
}

static void test_causes(void **state)
{
	assert_int_equal(cause(6, 3, 0), OOM_CAUSE_CONTAINER_LIMIT);
	/* the container's own limit wins over the pod's, hit in the same interval */
	assert_int_equal(cause(6, 3, 1), OOM_CAUSE_CONTAINER_LIMIT);
	assert_int_equal(cause(6, 2, 0), OOM_CAUSE_CHILD_LIMIT);
	assert_int_equal(cause(5, 2, 1), OOM_CAUSE_POD_LIMIT);
	assert_int_equal(cause(5, 2, 0), OOM_CAUSE_WHOLE_VM);
	/* counters that went backwards (a new group under an old name) explain nothing */
	assert_int_equal(cause(4, 1, 0), OOM_CAUSE_WHOLE_VM);
}

/* Each limit that was hit explains one kill. */
static void test_credit_is_used_up(void **state)
{
	static const enum oom_cause expected[] = {OOM_CAUSE_CONTAINER_LIMIT,
		OOM_CAUSE_CONTAINER_LIMIT, OOM_CAUSE_CHILD_LIMIT, OOM_CAUSE_POD_LIMIT,
		OOM_CAUSE_WHOLE_VM, OOM_CAUSE_WHOLE_VM};
	struct oom_credit credit = after(8, 4, 1);

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(oom_cause_next(&credit), expected[i]);
}

static void test_names(void **state)
{
	assert_string_equal(oom_cause_name(OOM_CAUSE_CONTAINER_LIMIT), "container limit");
	assert_string_equal(oom_cause_name((enum oom_cause)99), "unknown");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_causes),
	cmocka_unit_test(test_credit_is_used_up),
	cmocka_unit_test(test_names),
};
TEST_MAIN(tests)
