/*
 * test_main: main() of every unit test program: TAP on stdout, and an alarm that ends a stuck test
 * (TEST_TIMEOUT seconds, 60 unless the file defines it before this include; CRADLE_TEST_PATIENCE=N
 *in the environment makes it N times as long).
 *
 *	static void test_something(void **state) { assert_int_equal(1, 1); }
 *	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_something)};
 *	TEST_MAIN(tests)
 */
#ifndef TESTS_LIB_TEST_MAIN_H
#define TESTS_LIB_TEST_MAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifndef TEST_TIMEOUT
#define TEST_TIMEOUT 60
#endif

void test_begin(unsigned timeout_seconds);

#define TEST_MAIN(tests)                                                                           \
	int main(void)                                                                             \
	{                                                                                          \
		test_begin(TEST_TIMEOUT);                                                          \
		return cmocka_run_group_tests(tests, NULL, NULL);                                  \
	}

/* Number of open descriptors of this process, to see that nothing leaked. */
int test_count_fds(void);

#endif
