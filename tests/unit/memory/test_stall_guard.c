/* agent/memory/stall_guard.c: the words of its option, and how long is long. */
#include "memory/stall_guard.h"

#include <string.h>

#include "base/log.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define SECOND 1000000000ull

static void test_options(void **state)
{
	struct stall_options o = {0};

	assert_true(stall_options_parse("kill", &o));
	assert_int_equal(o.mode, STALL_KILL);
	assert_int_equal(o.percent, 80);
	assert_int_equal(o.seconds, 10);
	assert_true(stall_options_parse("report,50", &o));
	assert_int_equal(o.mode, STALL_REPORT);
	assert_int_equal(o.percent, 50);
	assert_true(stall_options_parse("kill,100,3600", &o));
	assert_int_equal(o.percent, 100);
	assert_int_equal(o.seconds, 3600);
	assert_true(stall_options_parse("off", &o));
	assert_int_equal(o.mode, STALL_OFF);
}

static void test_bad_options(void **state)
{
	static const char *const bad[] = {"", "yes", "kil", "kills", "kill,", "kill,0", "kill,101",
		"kill,50,", "kill,50,0", "kill,50,3601", "kill,50,5,5", "kill, 50", "kill,-1",
		"kill,12345678901234567890"};
	struct stall_options o = {STALL_KILL, 7, 8};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (stall_options_parse(bad[i], &o))
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(o.mode, STALL_KILL);
	assert_int_equal(o.percent, 7);
}

/* Told once a second: the time adds up; after a gap it begins anew. */
static void test_clock(void **state)
{
	struct stall_clock clock = {0};

	assert_int_equal(stall_clock_tick(&clock, 100 * SECOND), SECOND);
	assert_int_equal(stall_clock_tick(&clock, 101 * SECOND), 2 * SECOND);
	assert_int_equal(stall_clock_tick(&clock, 103 * SECOND), 4 * SECOND);
	assert_int_equal(stall_clock_tick(&clock, 105 * SECOND + 1), SECOND);
}

static unsigned lines;

static void count_lines(const char *record, size_t len, void *context)
{
	if (memmem(record, len, "the stall guard is off", 22))
		lines++;
}

static void never(struct stall_guard *guard)
{
	fail_msg("told of a stall");
}

/* A kernel without PSI, or cgroup v1: no file. Said once, however many containers there are. */
static void test_no_psi(void **state)
{
	const struct stall_options o = {STALL_KILL, 80, 10}, off = {0};
	struct event_loop *loop = event_loop_new();
	struct stall_guard guards[3];

	log_set_sink(count_lines, NULL);
	stall_guard_start(loop, &guards[0], scratch_dir(), &off, never);
	assert_int_equal(lines, 0);
	for (int i = 0; i < 3; i++)
		stall_guard_start(loop, &guards[i], scratch_dir(), &o, never);
	assert_int_equal(lines, 1);
	for (int i = 0; i < 3; i++)
		stall_guard_stop(&guards[i]);
	event_loop_free(loop);
	scratch_remove();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_options),
	cmocka_unit_test(test_bad_options),
	cmocka_unit_test(test_clock),
	cmocka_unit_test(test_no_psi),
};
TEST_MAIN(tests)
