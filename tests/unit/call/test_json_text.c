/* Tests host-tools/call/json_text.c: what json-c would let pass. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call/json_text.h"
#include "lib/test_main.h"

static void takes(const char *text)
{
	struct error err = ERROR_INIT;
	struct json_object *json = json_text_parse(text, strlen(text), &err);

	if (!json)
		fail_msg("%s: %s", text, err.text);
	json_object_put(json);
}

static void refuses_bytes(const char *text, size_t len, const char *why)
{
	struct error err = ERROR_INIT;
	struct json_object *json = json_text_parse(text, len, &err);

	if (json)
		fail_msg("'%s' was taken", text);
	assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void refuses(const char *text, const char *why)
{
	refuses_bytes(text, strlen(text), why);
}

static void test_ordinary_json(void **state)
{
	takes("{}");
	takes(" \n\t{ \"a\" : [ 1 , -2, {\"b\":null} ], \"c\": \"}{\\\"\" }\n\n");
	takes("{\"a\":{\"x\":1},\"b\":{\"x\":1},\"x\":[{\"x\":1},{\"x\":1}]}");
	takes("{\"a\":18446744073709551615,\"b\":-9223372036854775808}");
	takes("{\"caf\xc3\xa9\":\"\xe2\x82\xac\"}");
}

static void test_only_an_object(void **state)
{
	refuses("", "the text ends in the middle");
	refuses("   ", "the text ends in the middle");
	refuses("[]", "not an object");
	refuses("null", "JSON line 1");
	refuses("null ", "JSON line 1");
	refuses("{} {}", "unexpected");
	refuses("{", "the text ends in the middle");
	refuses("{\"a\":1,}", "unexpected");
	refuses("{'a':1}", "JSON line 1, column 2: unexpected '''");
	refuses("{\"a\":'b'}", "JSON line 1");
	refuses("{/* a */}", "JSON line 1");
	refuses("{\"a\":NaN}", "unexpected 'NaN'");
	refuses("{\"a\":-Infinity}", "JSON line 1");
	refuses("{\"a\":TRUE}", "JSON line 1");
	refuses("{\"a\":007}", "JSON line 1");
	refuses("{a:1}", "quoted object property name expected");
	refuses("{\"a\":\"\xff\"}", "utf-8");
	refuses_bytes("{\"a\":1}\0", 8, "a NUL character");
	refuses_bytes("{\"a\0\":1}", 8, "a NUL character");
}

static void test_a_key_twice(void **state)
{
	refuses("{\"a\":1,\"a\":2}", "JSON line 1, column 8: key \"a\" occurs twice");
	refuses("{\n \"b\": {\"a\": 1,\n  \"\\u0061\": 2}}", "JSON line 3, column 3: key \"a\"");
	refuses("{\"x\":[1,{\"a\":\"\\\"\",\"b\":{},\"a\":[]}]}", "key \"a\" occurs twice");
	refuses("{\"a\\u0000b\":1}", "a key holds a NUL");
}

static void test_numbers_beyond_64_bits(void **state)
{
	refuses("{\"a\":18446744073709551616}", "18446744073709551616 does not fit in 64 bits");
	refuses("{\"a\":18446744073709551617}", "does not fit in 64 bits");
	refuses("{\"a\":[-9223372036854775809]}", "-9223372036854775809 does not fit");
	refuses("{\"a\":1000000000000000000000000000000000000000000}", "does not fit");
	takes("{\"a\":\"99999999999999999999999\"}"); /* a string, which its field will judge */
}

static void test_depth_and_size(void **state)
{
	size_t size = JSON_TEXT_MAX + 1;
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, '[', size);
	memcpy(text, "{\"a\":", 5);
	refuses_bytes(text, 1000, "nesting too deep");
	memset(text, ' ', size);
	refuses_bytes(text, size, "at most 8388608 are taken");
	free(text);
}

/* A hundred thousand keys in one object must not take a hundred thousand squared steps. */
static void test_many_keys(void **state)
{
	size_t size = 100000 * 20, len = 1;
	char *text = malloc(size);

	assert_non_null(text);
	text[0] = '{';
	for (unsigned i = 0; i < 100000; i++)
		len += snprintf(text + len, size - len, "\"k%u\":%u,", i, i);
	text[len - 1] = '}';
	text[len] = '\0';
	takes(text);
	memcpy(text + len - 1, ",\"k77\":1}", 10);
	refuses(text, "key \"k77\" occurs twice");
	free(text);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ordinary_json),
	cmocka_unit_test(test_only_an_object),
	cmocka_unit_test(test_a_key_twice),
	cmocka_unit_test(test_numbers_beyond_64_bits),
	cmocka_unit_test(test_depth_and_size),
	cmocka_unit_test(test_many_keys),
};
TEST_MAIN(tests)
