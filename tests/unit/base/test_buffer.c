/* Tests agent/base/buffer.c. */
#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test_main.h"

static void test_append_and_consume(void **state)
{
	struct buffer buf;

	buffer_init(&buf, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buffer_append(&buf, "abc", 3), 0);
	assert_int_equal(buf.len, 3000);
	assert_int_equal(buf.data[buf.len], 0);
	buffer_consume(&buf, 2998);
	assert_string_equal((char *)buf.data, "bc");
	buffer_consume(&buf, 100);
	assert_int_equal(buf.len, 0);
	assert_string_equal((char *)buf.data, "");
	buffer_release(&buf);
	assert_null(buf.data);
}

static void test_max(void **state)
{
	struct buffer buf;

	buffer_init(&buf, 10);
	assert_int_equal(buffer_append(&buf, "0123456789", 10), 0);
	assert_int_equal(buffer_append(&buf, "x", 1), -EMSGSIZE);
	assert_int_equal(buffer_append(&buf, "", 0), 0);
	assert_int_equal(buffer_printf(&buf, "x"), -EMSGSIZE);
	assert_null(buffer_reserve(&buf, 1));
	assert_string_equal((char *)buf.data, "0123456789");
	buffer_consume(&buf, 1);
	assert_int_equal(buffer_printf(&buf, "%d", 7), 0);
	assert_string_equal((char *)buf.data, "1234567897");
	assert_int_equal(buffer_append(&buf, NULL, SIZE_MAX), -EMSGSIZE);
	buffer_release(&buf);
	assert_int_equal(buf.max, 10);
	buffer_init(&buf, 0);
	assert_int_equal(buffer_append(&buf, NULL, SIZE_MAX), -EMSGSIZE);
	assert_int_equal(buffer_append(&buf, NULL, SIZE_MAX / 2), -ENOMEM);
	assert_null(buf.data);
}

/* However much of the room is used, the text stays ended. */
static void test_reserve(void **state)
{
	struct buffer buf;
	uint8_t *room;

	buffer_init(&buf, 0);
	buffer_append(&buf, "ab", 2);
	room = buffer_reserve(&buf, 100);
	assert_ptr_equal(room, buf.data + 2);
	memcpy(room, "cd", 2);
	buf.len += 2;
	assert_string_equal((char *)buf.data, "abcd");
	buffer_release(&buf);
}

/* All of the room is the caller's; the text stays ended. */
static void test_extend(void **state)
{
	struct buffer buf;
	uint8_t *room;

	buffer_init(&buf, 200);
	buffer_append(&buf, "ab", 2);
	room = buffer_extend(&buf, 100);
	assert_ptr_equal(room, buf.data + 2);
	assert_int_equal(buf.len, 102);
	memset(room, 'c', 100);
	assert_int_equal(strlen((char *)buf.data), 102);
	assert_null(buffer_extend(&buf, 99));
	assert_int_equal(buf.len, 102);
	buffer_release(&buf);
}

static void test_steal(void **state)
{
	struct buffer buf;
	char *text;

	buffer_init(&buf, 100);
	buffer_printf(&buf, "%s", "mine");
	text = buffer_steal(&buf);
	assert_string_equal(text, "mine");
	assert_null(buf.data);
	assert_int_equal(buf.max, 100);
	free(text);
	text = buffer_steal(&buf);
	assert_string_equal(text, "");
	free(text);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_append_and_consume),
	cmocka_unit_test(test_max),
	cmocka_unit_test(test_reserve),
	cmocka_unit_test(test_extend),
	cmocka_unit_test(test_steal),
};
TEST_MAIN(tests)
