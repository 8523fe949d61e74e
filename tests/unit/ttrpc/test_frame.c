/* Tests of agent/ttrpc/frame.c: the header's ten bytes. */
#include "lib/test_main.h"

#include <string.h>

#include "ttrpc/frame.h"

static void a_known_header_has_known_bytes(void **state)
{
	static const uint8_t expected[FRAME_HEADER_SIZE] = {
		0x00, 0x01, 0x02, 0x03, 0x80, 0x00, 0x00, 0xff, 0x02, 0x07};
	struct frame_header header = {0x00010203, 0x800000ff, FRAME_RESPONSE, 0x07};
	uint8_t bytes[FRAME_HEADER_SIZE];

	frame_header_encode(&header, bytes);
	assert_memory_equal(bytes, expected, sizeof(bytes));
}

static void any_ten_bytes_come_back(void **state)
{
	uint32_t seed = 1;

	for (int i = 0; i < 10000; i++) {
		uint8_t in[FRAME_HEADER_SIZE], out[FRAME_HEADER_SIZE];
		struct frame_header header;

		for (size_t k = 0; k < sizeof(in); k++) {
			seed = seed * 1664525u + 1013904223u;
			in[k] = (uint8_t)(seed >> 24);
		}
		header = frame_header_decode(in);
		frame_header_encode(&header, out);
		assert_memory_equal(in, out, sizeof(in));
	}
}

static void the_extremes_keep_their_value(void **state)
{
	static const uint8_t ones[FRAME_HEADER_SIZE] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct frame_header header = frame_header_decode(ones);

	assert_int_equal(header.length, UINT32_MAX);
	assert_int_equal(header.stream_id, UINT32_MAX);
	assert_int_equal(header.type, 255);
	assert_int_equal(header.flags, 255);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_known_header_has_known_bytes),
	cmocka_unit_test(any_ten_bytes_come_back),
	cmocka_unit_test(the_extremes_keep_their_value),
};
TEST_MAIN(tests)
