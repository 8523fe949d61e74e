/* nearest: distances, and what is near enough to be named. */
#include "lib/test_main.h"
#include "nearest.h"

static void counts_edits(void **state)
{
	assert_int_equal(nearest_distance("memory", "memory"), 0);
	assert_int_equal(nearest_distance("memroy", "memory"), 1);
	assert_int_equal(nearest_distance("Memory", "memory"), 0);
	assert_int_equal(nearest_distance("mem", "memory"), 3);
	assert_int_equal(nearest_distance("", "abc"), 3);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
}

static const char *best(const char *wanted)
{
	static const char *const names[] = {"memory", "cpus", "env", "rootfs", "listen", "accel"};
	struct nearest nearest;

	nearest_init(&nearest, wanted);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		nearest_offer(&nearest, names[i]);
	return nearest.best;
}

static void names_only_what_is_near(void **state)
{
	assert_string_equal(best("memroy"), "memory");
	assert_string_equal(best("rootsf"), "rootfs");
	assert_string_equal(best("cpu"), "cpus");
	assert_string_equal(best("mem"), "memory");
	assert_null(best("frobnicate"));
	assert_null(best("x"));
}

static void survives_long_names(void **state)
{
	char a[500], b[500];

	for (unsigned i = 0; i < sizeof(a) - 1; i++)
		a[i] = b[i] = 'a';
	a[sizeof(a) - 1] = b[sizeof(b) - 1] = '\0';
	b[3] = 'b';
	assert_int_equal(nearest_distance(a, b), 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(counts_edits),
	cmocka_unit_test(names_only_what_is_near),
	cmocka_unit_test(survives_long_names),
};

TEST_MAIN(tests)
