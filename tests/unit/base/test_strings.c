/* Tests agent/base/strings.c. */
#include "base/strings.h"

#include <errno.h>
#include <string.h>

#include "lib/test_main.h"

static void test_compare(void **state)
{
	assert_true(str_empty(NULL));
	assert_true(str_empty(""));
	assert_false(str_empty("a"));
	assert_true(str_eq("a", "a"));
	assert_false(str_eq("a", "b"));
	assert_false(str_eq("a", NULL));
	assert_true(str_eq(NULL, NULL));
	assert_true(str_starts("abc", "ab"));
	assert_false(str_starts("a", "ab"));
	assert_true(str_ends("abc", "bc"));
	assert_true(str_ends("abc", ""));
	assert_false(str_ends("c", "bc"));
}

static void test_copy_cuts(void **state)
{
	char out[4];

	assert_int_equal(str_copy(out, sizeof(out), "abc"), 0);
	assert_string_equal(out, "abc");
	assert_int_equal(str_copy(out, sizeof(out), "abcd"), -ENAMETOOLONG);
	assert_string_equal(out, "abc");
	assert_int_equal(str_copy(out, 0, "a"), -ENAMETOOLONG);
}

static void test_format_cuts(void **state)
{
	char out[4];

	assert_int_equal(str_format(out, sizeof(out), "%d", 123), 3);
	assert_int_equal(str_format(out, sizeof(out), "%d", 1234), -ENAMETOOLONG);
	assert_string_equal(out, "123");
}

static void test_utf8_replace(void **state)
{
	char out[16];

	assert_int_equal(utf8_replace(out, sizeof(out),
				 "a\xff"
				 "b",
				 3),
		5);
	assert_string_equal(out, "a\xef\xbf\xbd"
				 "b");
	assert_int_equal(utf8_replace(out, sizeof(out), "\0x", 2), 4);
	assert_string_equal(out, "\xef\xbf\xbdx");
	/* cut between characters: three bytes and the NUL fit into four, not into three */
	assert_int_equal(utf8_replace(out, 4, "\xe2\x82\xac", 3), 3);
	assert_string_equal(out, "\xe2\x82\xac");
	assert_int_equal(utf8_replace(out, 3, "\xe2\x82\xac", 3), 0);
	assert_string_equal(out, "");
	/* a character that ends too early is as many bad bytes as it has */
	assert_int_equal(utf8_replace(out, sizeof(out), "\xe2\x82", 2), 6);
	assert_true(utf8_valid(out, 6));
}

static void test_utf8(void **state)
{
	static const char *const good[] = {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf",
		"\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",	/* continuation alone */
		"\xc0\xaf",				/* overlong '/' */
		"\xc1\xbf",				/* overlong */
		"\xe0\x9f\xbf",				/* overlong, three bytes */
		"\xf0\x8f\xbf\xbf",			/* overlong, four bytes */
		"\xed\xa0\x80",				/* first surrogate */
		"\xed\xbf\xbf",				/* last surrogate */
		"\xf4\x90\x80\x80",			/* above U+10FFFF */
		"\xf5\x80\x80\x80", "\xff", "\xe2\x82", /* cut */
		"\xe2\x82"
		"a",	  /* cut, then text */
		"ok\xc3", /* cut at the end */
		"\xf0\x90\x80"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	/* Never looks beyond len. */
	assert_false(utf8_valid("\xe2\x82\xac", 2));
	assert_true(utf8_valid("\0", 1));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_compare),
	cmocka_unit_test(test_copy_cuts),
	cmocka_unit_test(test_format_cuts),
	cmocka_unit_test(test_utf8),
	cmocka_unit_test(test_utf8_replace),
};
TEST_MAIN(tests)
