/* Tests agent/base/parse.c. */
#include "base/parse.h"

#include <errno.h>

#include "lib/test_main.h"

static void test_u64(void **state)
{
	static const char *const bad[] = {
		"", " 1", "1 ", "+1", "-1", "0x10", "1a", "1\n", "18446744073709551616x"};
	uint64_t v = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_u64(bad[i], &v), -EINVAL);
	assert_int_equal(parse_u64(NULL, &v), -EINVAL);
	assert_int_equal(parse_u64("18446744073709551616", &v), -ERANGE);
	assert_int_equal(parse_u64("99999999999999999999999", &v), -ERANGE);
	assert_int_equal(v, 77);
	assert_int_equal(parse_u64("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(parse_u64("007", &v), 0);
	assert_int_equal(v, 7);
}

static void test_i64(void **state)
{
	int64_t v = 5;

	assert_int_equal(parse_i64("-9223372036854775808", &v), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(parse_i64("9223372036854775807", &v), 0);
	assert_true(v == INT64_MAX);
	v = 5;
	assert_int_equal(parse_i64("9223372036854775808", &v), -ERANGE);
	assert_int_equal(parse_i64("-9223372036854775809", &v), -ERANGE);
	assert_int_equal(parse_i64("-", &v), -EINVAL);
	assert_int_equal(parse_i64("--1", &v), -EINVAL);
	assert_int_equal(parse_i64("- 1", &v), -EINVAL);
	assert_int_equal(parse_i64("+1", &v), -EINVAL);
	assert_int_equal(v, 5);
}

static void test_other_bases(void **state)
{
	uint64_t v = 1;
	uint32_t w = 1;

	assert_int_equal(parse_u64_base("fF", 16, &v), 0);
	assert_int_equal(v, 255);
	assert_int_equal(parse_u64_base("0755", 8, &v), 0);
	assert_int_equal(v, 0755);
	assert_int_equal(parse_u64_base("8", 8, &v), -EINVAL);
	assert_int_equal(parse_u64_base("g", 16, &v), -EINVAL);
	assert_int_equal(parse_u64_base("1", 1, &v), -EINVAL);
	assert_int_equal(parse_u64_base("1", 37, &v), -EINVAL);
	assert_int_equal(parse_u32("4294967295", &w), 0);
	assert_true(w == UINT32_MAX);
	assert_int_equal(parse_u32("4294967296", &w), -ERANGE);
}

static void test_size(void **state)
{
	static const char *const bad[] = {
		"", "K", "1X", "1KK", "1KiBx", "1iB", "1.5G", " 1K", "-1K", "1 K"};
	uint64_t v = 3;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_size(bad[i], &v), -EINVAL);
	assert_int_equal(v, 3);
	assert_int_equal(parse_size("1024", &v), 0);
	assert_int_equal(v, 1024);
	assert_int_equal(parse_size("64K", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(parse_size("256MiB", &v), 0);
	assert_int_equal(v, 256 << 20);
	assert_int_equal(parse_size("1gb", &v), -EINVAL);
	assert_int_equal(parse_size("1g", &v), 0);
	assert_int_equal(v, 1 << 30);
	assert_int_equal(parse_size("2TB", &v), 0);
	assert_true(v == 2ull << 40);
	assert_int_equal(parse_size("16777215T", &v), 0);
	assert_int_equal(parse_size("16777216T", &v), -ERANGE);
	assert_int_equal(parse_size("18446744073709551616", &v), -ERANGE);
}

static void test_decimal(void **state)
{
	static const char *const bad[] = {
		"", ".", "1.", ".5", "1.1234567", "-1", "1e3", "1,5", "1.5 ", "1.-5"};
	uint64_t v = 3;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_decimal_micro(bad[i], &v), -EINVAL);
	assert_int_equal(parse_decimal_micro("1.5", &v), 0);
	assert_int_equal(v, 1500000);
	assert_int_equal(parse_decimal_micro("2", &v), 0);
	assert_int_equal(v, 2000000);
	assert_int_equal(parse_decimal_micro("0.000001", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(parse_decimal_micro("18446744073710", &v), -ERANGE);
	assert_int_equal(parse_decimal_micro("18446744073709.551616", &v), -ERANGE);
}

static void test_bool(void **state)
{
	bool v = false;

	assert_int_equal(parse_bool("true", &v), 0);
	assert_true(v);
	assert_int_equal(parse_bool("0", &v), 0);
	assert_false(v);
	assert_int_equal(parse_bool("2", &v), 0);
	assert_true(v);
	assert_int_equal(parse_bool("false", &v), 0);
	assert_false(v);
	assert_int_equal(parse_bool("yes", &v), -EINVAL);
	assert_int_equal(parse_bool("-1", &v), -EINVAL);
	assert_int_equal(parse_bool(NULL, &v), -EINVAL);
}

static void test_keyed(void **state)
{
	static const char text[] = "oom_kill_disable 1\nlow 0\noom 3\noom_kill 7\nbad x\nlast 9";
	uint64_t v = 1;

	assert_int_equal(parse_keyed_u64(text, "oom_kill", &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(parse_keyed_u64(text, "oom", &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(parse_keyed_u64(text, "last", &v), 0);
	assert_int_equal(v, 9);
	assert_int_equal(parse_keyed_u64(text, "kill", &v), -ENOENT);
	assert_int_equal(parse_keyed_u64(text, "oo", &v), -ENOENT);
	assert_int_equal(parse_keyed_u64(text, "bad", &v), -EINVAL);
	assert_int_equal(parse_keyed_u64("", "x", &v), -ENOENT);
	assert_int_equal(parse_keyed_u64("x", "x", &v), -ENOENT);
	assert_int_equal(v, 9);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_u64),
	cmocka_unit_test(test_i64),
	cmocka_unit_test(test_other_bases),
	cmocka_unit_test(test_size),
	cmocka_unit_test(test_decimal),
	cmocka_unit_test(test_bool),
	cmocka_unit_test(test_keyed),
};
TEST_MAIN(tests)
