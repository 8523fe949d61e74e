/* timing: a line a stage, once, and silence when nobody asked. */
#include <stdlib.h>
#include <string.h>

#include "lib/test_main.h"
#include "run/timing.h"

#define MS 1000000ull

/* Marks two stages, one of them twice; what was written is the caller's. */
static char *record(bool json)
{
	struct timing timing;
	size_t size;
	char *text = NULL;
	FILE *to = open_memstream(&text, &size);

	timing_init(&timing, to, json, 5 * MS);
	timing_mark(&timing, STAGE_IMAGE_READY, 7 * MS);
	timing_mark(&timing, STAGE_VM_STARTED, 17 * MS + MS / 2);
	timing_mark(&timing, STAGE_IMAGE_READY, 20 * MS);
	fclose(to);
	return text;
}

static void for_people(void **state)
{
	char *text = record(false);

	assert_string_equal(text, "cradle: timing:       2.0 ms       +2.0 ms  image ready\n"
				  "cradle: timing:      12.5 ms      +10.5 ms  VM started\n");
	free(text);
}

static void for_machines(void **state)
{
	char *text = record(true);

	assert_string_equal(text,
		"{\"stage\":\"image ready\",\"at_ms\":2.000,\"took_ms\":2.000}\n"
		"{\"stage\":\"VM started\",\"at_ms\":12.500,\"took_ms\":10.500}\n");
	free(text);
}

static void silent_when_nobody_asked(void **state)
{
	struct timing timing;

	timing_init(&timing, NULL, false, 0);
	timing_mark(&timing, STAGE_VM_GONE, MS);
	assert_int_equal(timing.reached, 0);
}

static void every_stage_has_a_name(void **state)
{
	for (int i = 0; i < STAGE_COUNT; i++)
		assert_true(timing_stage_name((enum run_stage)i)[0]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(for_people),
	cmocka_unit_test(for_machines),
	cmocka_unit_test(silent_when_nobody_asked),
	cmocka_unit_test(every_stage_has_a_name),
};

TEST_MAIN(tests)
