/*
 * Tests of agent/ttrpc/envelope.c, against protobuf-c's own coding of proto/ttrpc.proto: what one
 * writes the other must read, both ways.
 */
#include "lib/test_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "empty.pb-c.h"
#include "hard_limits.h"
#include "health.pb-c.h"
#include "ttrpc.pb-c.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"

static void assert_view(struct view view, const char *text)
{
	assert_int_equal(view.len, strlen(text));
	assert_memory_equal(view.data, text, view.len);
	assert_true(view_equals(view, text));
}

static void a_request_of_protobuf_c_is_read(void **state)
{
	Ttrpc__KeyValue kv[3] = {
		TTRPC__KEY_VALUE__INIT, TTRPC__KEY_VALUE__INIT, TTRPC__KEY_VALUE__INIT};
	Ttrpc__KeyValue *kvs[] = {&kv[0], &kv[1], &kv[2]};
	Ttrpc__Request message = TTRPC__REQUEST__INIT;
	struct envelope_request request;
	const char **keys, **values;
	uint8_t bytes[512];
	struct arena arena;
	size_t len;

	kv[0].key = (char *)"a";
	kv[0].value = (char *)"1";
	kv[1].key = (char *)"a";
	kv[1].value = (char *)"\xc3\xa4";
	kv[2].key = (char *)"agent-ctl-cfg";
	message.service = (char *)"grpc.AgentService";
	message.method = (char *)"CreateContainer";
	message.payload = (ProtobufCBinaryData){4, (uint8_t *)"\0\1\2\3"};
	message.timeout_nano = 5000000000;
	message.n_metadata = 3;
	message.metadata = kvs;
	len = ttrpc__request__pack(&message, bytes);

	assert_int_equal(envelope_decode_request(bytes, len, &request, NULL), 0);
	assert_view(request.service, "grpc.AgentService");
	assert_view(request.method, "CreateContainer");
	assert_int_equal(request.payload.len, 4);
	assert_memory_equal(request.payload.data, "\0\1\2\3", 4);
	assert_int_equal(request.timeout_nano, 5000000000);
	assert_int_equal(request.metadata_count, 3);
	arena_init(&arena, 4096);
	assert_int_equal(envelope_metadata(&request, &arena, &keys, &values, NULL), 0);
	assert_string_equal(keys[0], "a");
	assert_string_equal(values[0], "1");
	assert_string_equal(keys[1], "a");
	assert_string_equal(values[1], "\xc3\xa4");
	assert_string_equal(keys[2], "agent-ctl-cfg");
	assert_string_equal(values[2], "");
	arena_release(&arena);
}

static void metadata_is_bounded_by_the_arena(void **state)
{
	uint8_t bytes[3000];
	struct envelope_request request;
	const char **keys, **values;
	struct error err = ERROR_INIT;
	struct arena arena;

	for (size_t i = 0; i < sizeof(bytes); i += 2) { /* 1500 empty entries */
		bytes[i] = 5 << 3 | 2;
		bytes[i + 1] = 0;
	}
	assert_int_equal(envelope_decode_request(bytes, sizeof(bytes), &request, NULL), 0);
	assert_int_equal(request.metadata_count, 1500);
	arena_init(&arena, 32768);
	assert_true(envelope_metadata(&request, &arena, &keys, &values, &err) < 0);
	assert_int_equal(err.status, STATUS_RESOURCE_EXHAUSTED);
	arena_release(&arena);
}

static void negative_timeouts_and_unknown_fields_are_read(void **state)
{
	static const uint8_t unknown[] = {0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0x01,		      /* timeout -1 */
		0x78, 0x05,		      /* 15: varint */
		0x71, 1, 2, 3, 4, 5, 6, 7, 8, /* 14: fixed64 */
		0x6d, 1, 2, 3, 4,	      /* 13: fixed32 */
		0xa2, 0x06, 0x02, 'x', 'y',   /* 100: bytes */
		0x0a, 0x01, 'S', 0x12, 0x01, 'M'};
	struct envelope_request request;

	assert_int_equal(envelope_decode_request(unknown, sizeof(unknown), &request, NULL), 0);
	assert_int_equal(request.timeout_nano, -1);
	assert_view(request.service, "S");
	assert_view(request.method, "M");
	assert_int_equal(request.payload.len, 0);
}

static void refuse_request(const void *bytes, size_t len, const char *text)
{
	struct envelope_request request;
	struct error err = ERROR_INIT;
	uint8_t *copy = malloc(len ? len : 1); /* exact, so that ASan sees a byte too many */

	memcpy(copy, bytes, len);
	assert_true(envelope_decode_request(copy, len, &request, &err) < 0);
	assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(err.text, text));
	free(copy);
}

static void malformed_requests_are_refused(void **state)
{
	refuse_request("\x0a", 1, "field 1 is cut off");
	refuse_request("\x0a\x05"
		       "abc",
		5, "field 1 is cut off");
	refuse_request("\x80", 1, "bad field tag");
	refuse_request("\x00\x00", 2, "bad field tag");
	refuse_request("\x0b", 1, "wire type 3");
	refuse_request("\x0f", 1, "wire type 7");
	refuse_request("\x08\x01", 2, "wire type 0 instead of 2");
	refuse_request("\x22\x00", 2, "wire type 2 instead of 0");
	refuse_request("\x0a\x02\xff\xfe", 4, "not text in UTF-8");
	refuse_request("\x0a\x03"
		       "a\0b",
		5, "not text in UTF-8");
	refuse_request("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "cut off or too long");
	refuse_request("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, "cut off or too long");
	refuse_request("\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12, "cut off");
	refuse_request("\x2a\x02\x0a\x05", 4, "metadata: field 1");
	refuse_request("\x2a\x02\x08\x05", 4, "metadata: field 1 has wire type 0");
}

/* Whatever a good request is damaged into, it is read or refused, within its bytes. */
static void damaged_requests_never_run_over(void **state)
{
	static const uint8_t good[] = "\x0a\x03"
				      "a.b"
				      "\x12\x02"
				      "Me"
				      "\x1a\x04"
				      "data"
				      "\x20\x80\x01"
				      "\x2a\x08\x0a\x02"
				      "kk"
				      "\x12\x02"
				      "vv";
	unsigned seed = 7;

	for (int i = 0; i < 50000; i++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(good);
		struct envelope_response response;
		struct envelope_request request;
		uint8_t *copy = malloc(len + 1);

		memcpy(copy, good, len);
		for (int k = rand_r(&seed) % 4; k > 0 && len > 0; k--)
			copy[(size_t)rand_r(&seed) % len] = (uint8_t)rand_r(&seed);
		if (envelope_decode_request(copy, len, &request, NULL) == 0) {
			const char **keys, **values;
			struct arena arena;

			arena_init(&arena, 65536);
			if (request.metadata_count > 0)
				assert_int_equal(
					envelope_metadata(&request, &arena, &keys, &values, NULL),
					0);
			arena_release(&arena);
		}
		envelope_decode_response(copy, len, &response, NULL);
		free(copy);
	}
}

static void responses_of_protobuf_c_are_read(void **state)
{
	Ttrpc__Status status = TTRPC__STATUS__INIT;
	Ttrpc__Response message = TTRPC__RESPONSE__INIT;
	struct envelope_response response;
	uint8_t bytes[128] = {0};
	size_t len;

	assert_int_equal(envelope_decode_response(bytes, 0, &response, NULL), 0);
	assert_int_equal(response.code, 0);
	assert_int_equal(response.payload.len, 0);

	status.code = 13;
	status.message = (char *)"it broke";
	message.status = &status;
	message.payload = (ProtobufCBinaryData){3, (uint8_t *)"abc"};
	len = ttrpc__response__pack(&message, bytes);
	assert_int_equal(envelope_decode_response(bytes, len, &response, NULL), 0);
	assert_int_equal(response.code, 13);
	assert_view(response.message, "it broke");
	assert_view(response.payload, "abc");
}

static void a_request_frame_is_read_by_protobuf_c(void **state)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT, *inner;
	Ttrpc__Request *request;
	struct frame_header header;
	struct buffer frame;

	check.service = (char *)"hello";
	assert_int_equal(
		envelope_request_frame(&frame, 77, "test.S", "M", &check.base, 1234567890, NULL),
		0);
	header = frame_header_decode(frame.data);
	assert_int_equal(header.length, frame.len - FRAME_HEADER_SIZE);
	assert_int_equal(header.stream_id, 77);
	assert_int_equal(header.type, FRAME_REQUEST);
	assert_int_equal(header.flags, 0);
	request = ttrpc__request__unpack(NULL, header.length, frame.data + FRAME_HEADER_SIZE);
	assert_non_null(request);
	assert_string_equal(request->service, "test.S");
	assert_string_equal(request->method, "M");
	assert_int_equal(request->timeout_nano, 1234567890);
	assert_int_equal(request->n_metadata, 0);
	inner = grpc__check_request__unpack(NULL, request->payload.len, request->payload.data);
	assert_non_null(inner);
	assert_string_equal(inner->service, "hello");
	grpc__check_request__free_unpacked(inner, NULL);
	ttrpc__request__free_unpacked(request, NULL);
	buffer_release(&frame);
}

/* wire.md section 3: byte for byte what the Rust agent sends. */
static void replies_have_the_bytes_of_the_rust_agent(void **state)
{
	static const uint8_t empty_reply[] = {0, 0, 0, 2, 0, 0, 0x10, 1, 2, 0, 0x0a, 0};
	static const uint8_t text_reply[] = {
		0, 0, 0, 7, 0, 0, 0, 3, 2, 0, 0x0a, 0, 0x12, 3, 0x0a, 1, 'x'};
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct buffer frame;

	assert_int_equal(envelope_reply_frame(&frame, 0x1001, &empty.base, NULL), 0);
	assert_int_equal(frame.len, sizeof(empty_reply));
	assert_memory_equal(frame.data, empty_reply, frame.len);
	buffer_release(&frame);
	check.service = (char *)"x";
	assert_int_equal(envelope_reply_frame(&frame, 3, &check.base, NULL), 0);
	assert_int_equal(frame.len, sizeof(text_reply));
	assert_memory_equal(frame.data, text_reply, frame.len);
	buffer_release(&frame);
}

static void an_error_frame_is_read_by_protobuf_c(void **state)
{
	struct error error = ERROR_INIT;
	Ttrpc__Response *response;
	struct buffer frame;

	error_set(&error, STATUS_NOT_FOUND, ENOENT, "mount /dev/vda");
	assert_int_equal(envelope_error_frame(&frame, 9, &error), 0);
	response = ttrpc__response__unpack(
		NULL, frame.len - FRAME_HEADER_SIZE, frame.data + FRAME_HEADER_SIZE);
	assert_non_null(response);
	assert_int_equal(response->status->code, STATUS_NOT_FOUND);
	assert_string_equal(
		response->status->message, "mount /dev/vda: ENOENT: No such file or directory");
	assert_int_equal(response->payload.len, 0);
	ttrpc__response__free_unpacked(response, NULL);
	buffer_release(&frame);
}

/* The largest that fits, and one byte more. */
static void the_limit_is_exact(void **state)
{
	Grpc__ReadStreamResponse message = GRPC__READ_STREAM_RESPONSE__INIT;
	size_t overhead = 2 + 1 + 4 + 1 + 4; /* status, payload's tag and length, data's */
	uint8_t *data = calloc(1, FRAME_MAX);
	struct error err = ERROR_INIT;
	struct buffer frame;

	message.data = (ProtobufCBinaryData){FRAME_MAX - overhead, data};
	assert_int_equal(envelope_reply_frame(&frame, 1, &message.base, &err), 0);
	assert_int_equal(frame.len, FRAME_HEADER_SIZE + FRAME_MAX);
	buffer_release(&frame);
	message.data.len++;
	assert_true(envelope_reply_frame(&frame, 1, &message.base, &err) < 0);
	assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
	assert_string_equal(err.text, "response of 4194305 bytes is over the limit of 4194304");
	assert_null(frame.data);
	free(data);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_request_of_protobuf_c_is_read),
	cmocka_unit_test(metadata_is_bounded_by_the_arena),
	cmocka_unit_test(negative_timeouts_and_unknown_fields_are_read),
	cmocka_unit_test(malformed_requests_are_refused),
	cmocka_unit_test(damaged_requests_never_run_over),
	cmocka_unit_test(responses_of_protobuf_c_are_read),
	cmocka_unit_test(a_request_frame_is_read_by_protobuf_c),
	cmocka_unit_test(replies_have_the_bytes_of_the_rust_agent),
	cmocka_unit_test(an_error_frame_is_read_by_protobuf_c),
	cmocka_unit_test(the_limit_is_exact),
};
TEST_MAIN(tests)
