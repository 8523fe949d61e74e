/* Tests host-tools/call/base64.c. */
#include <errno.h>
#include <string.h>

#include "call/base64.h"
#include "lib/test_main.h"

/* RFC 4648 section 10, and bytes that use the last two letters. */
static const struct {
	const char *bytes, *text;
	size_t len;
} pairs[] = {
	{"", "", 0},
	{"f", "Zg==", 1},
	{"fo", "Zm8=", 2},
	{"foo", "Zm9v", 3},
	{"foob", "Zm9vYg==", 4},
	{"fooba", "Zm9vYmE=", 5},
	{"foobar", "Zm9vYmFy", 6},
	{"\xfb\xff\x00", "+/8A", 3},
};

static void test_known_pairs_both_ways(void **state)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char text[BASE64_SIZE(6)];
		uint8_t bytes[16];

		base64_encode(pairs[i].bytes, pairs[i].len, text);
		assert_string_equal(text, pairs[i].text);
		assert_int_equal(base64_decode(text, strlen(text), bytes), pairs[i].len);
		assert_memory_equal(bytes, pairs[i].bytes, pairs[i].len);
	}
}

static void test_padding_may_be_missing(void **state)
{
	uint8_t bytes[8];

	assert_int_equal(base64_decode("Zg", 2, bytes), 1);
	assert_int_equal(base64_decode("Zm8", 3, bytes), 2);
}

static void test_everything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"Z",	    /* six bits are no byte */
		"Zg=",	    /* half the padding */
		"Z===",	    /* too much */
		"====",	    /* only padding */
		"Zm9v\nZg", /* line breaks */
		"Zm-_",	    /* the other alphabet */
		"Zh==",	    /* bits set that belong to no byte */
		"Zg==Zg==", /* padding in the middle */
	};
	uint8_t bytes[16];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (base64_decode(bad[i], strlen(bad[i]), bytes) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(base64_decode("Zm\0v", 4, bytes), -EINVAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_known_pairs_both_ways),
	cmocka_unit_test(test_padding_may_be_missing),
	cmocka_unit_test(test_everything_else_is_refused),
};
TEST_MAIN(tests)
