/*
 * launch_asserts: what the tests of this folder that launch processes share: one fixture a test,
 * and a look at the end whether anything was left behind. Included once by each of those programs.
 */
#ifndef TESTS_UNIT_LAUNCH_LAUNCH_ASSERTS_H
#define TESTS_UNIT_LAUNCH_LAUNCH_ASSERTS_H

#include <string.h>

#include "lib/test_main.h"
#include "unit/launch/container_fixture.h"

static struct container_fixture f;
static int fds_before, mounts_before;

static int setup(void **state)
{
	fixture_init(&f);
	mounts_before = fixture_count_mounts();
	fds_before = test_count_fds();
	return 0;
}

/* Whatever the test did: no descriptor, no mount, no child stays. */
static int teardown(void **state)
{
	fixture_release(&f);
	while (child_process_count() > 0)
		event_loop_step(f.loop, 100);
	if (test_count_fds() != fds_before)
		fail_msg("%d descriptors, %d before", test_count_fds(), fds_before);
	if (fixture_count_mounts() != mounts_before)
		fail_msg("%d mounts, %d before", fixture_count_mounts(), mounts_before);
	return 0;
}

#define LAUNCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* Runs it as init; its output is to be exactly this. */
static inline void assert_output(const char *expected)
{
	int status = fixture_run(&f);

	if (status == -1)
		fail_msg("failed: %s", f.init.text);
	assert_string_equal(f.init.output, expected);
	assert_int_equal(status, 0);
}

static inline void assert_fails(const char *part)
{
	if (fixture_create(&f))
		fail_msg("created, should have failed with \"%s\"", part);
	assert_contains(f.init.text, part);
}

static inline void start_sleeper(void)
{
	fixture_args(&f, "sleep", "100", NULL);
	if (!fixture_create(&f))
		fail_msg("%s", f.init.text);
	assert_true(fixture_start(&f, &f.init));
}

#endif
