/*
 * C and Python on the same messages (wire_peer.py is the other side): every message of the
 * protocol, full, with unknown fields, sent twice over (so that all is merged), with repeated
 * numbers packed and not; plus optional fields that are present and zero, the oneof, and negative
 * numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hard_limits.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "ttrpc/message.h"
#include "unit/proto/all_messages.h"

#define PEER "/usr/bin/python3 tests/unit/proto/wire_peer.py"

/* ---- the full message, by the rule that wire_peer.py states ---- */

static struct arena arena;

static void fill(ProtobufCMessage *msg);

static void *take(size_t size)
{
	void *p = arena_calloc(&arena, 1, size);

	assert_non_null(p);
	return p;
}

static ProtobufCMessage *new_message(const ProtobufCFieldDescriptor *field)
{
	ProtobufCMessage *msg = message_new(field->descriptor, &arena);

	assert_non_null(msg);
	return msg;
}

static ProtobufCBinaryData bytes_of(const char *name, unsigned i)
{
	size_t len = strlen(name);
	ProtobufCBinaryData data = {.len = len + 3, .data = take(len + 3)};

	memcpy(data.data, name, len);
	memcpy(data.data + len, (uint8_t[]){0, 255, i}, 3);
	return data;
}

/* Element i of a field, written to where it belongs in the C struct. */
static void set_element(const ProtobufCFieldDescriptor *field, unsigned i, char *array, size_t at)
{
	const ProtobufCEnumDescriptor *values = field->descriptor;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		((char **)array)[at] =
			arena_printf(&arena, "%s-%u \xc3\xa9\xe2\x82\xac", field->name, i);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		((ProtobufCBinaryData *)array)[at] = bytes_of(field->name, i);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		((protobuf_c_boolean *)array)[at] = 1;
		break;
	case PROTOBUF_C_TYPE_UINT32:
		((uint32_t *)array)[at] = UINT32_MAX - field->id - i;
		break;
	case PROTOBUF_C_TYPE_UINT64:
		((uint64_t *)array)[at] = UINT64_MAX - field->id - i;
		break;
	case PROTOBUF_C_TYPE_INT32:
		((int32_t *)array)[at] = -(int32_t)field->id - (int32_t)i;
		break;
	case PROTOBUF_C_TYPE_INT64:
		((int64_t *)array)[at] = INT64_MIN + field->id + i;
		break;
	case PROTOBUF_C_TYPE_ENUM:
		((int *)array)[at] = values->values[values->n_values - 1].value;
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		((ProtobufCMessage **)array)[at] = new_message(field);
		fill(((ProtobufCMessage **)array)[at]);
		break;
	default:
		fail_msg("%s has a type that the protocol does not use", field->name);
	}
}

static ProtobufCMessage *map_entry(const ProtobufCFieldDescriptor *field, unsigned i)
{
	ProtobufCMessage *entry = new_message(field);
	const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;

	*(char **)((char *)entry + fields[0].offset) = arena_printf(&arena, "key-%u", i);
	set_element(&fields[1], i, (char *)entry + fields[1].offset, 0);
	return entry;
}

static void fill_repeated(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	char *array = take(2 * sizeof(ProtobufCBinaryData)); /* the largest element */

	*(char **)((char *)msg + field->offset) = array;
	*(size_t *)((char *)msg + field->quantifier_offset) = 2;
	for (unsigned i = 0; i < 2; i++) {
		if (field->type == PROTOBUF_C_TYPE_MESSAGE && is_map_entry(field->descriptor))
			((ProtobufCMessage **)array)[i] = map_entry(field, i);
		else
			set_element(field, i, array, i);
	}
}

static void fill(ProtobufCMessage *msg)
{
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &msg->descriptor->fields[i];
		char *quantifier = (char *)msg + field->quantifier_offset;

		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			fill_repeated(msg, field);
			continue;
		}
		set_element(field, 0, (char *)msg + field->offset, 0);
		if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			*(uint32_t *)quantifier = field->id;
		else if (field->quantifier_offset)
			*(protobuf_c_boolean *)quantifier = 1;
	}
}

/* ---- a case: a line of the peer's file ---- */

static unsigned nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; hex[0] && hex[1]; hex += 2)
		out[n++] = nibble(hex[0]) << 4 | nibble(hex[1]);
	return n;
}

static void write_answer(
	FILE *answers, const char *name, const char *message, const struct buffer *out)
{
	fprintf(answers, "%s %s ", name, message);
	for (size_t i = 0; i < out->len; i++)
		fprintf(answers, "%02x", out->data[i]);
	fputc('\n', answers);
}

static void run_case(char *line, FILE *answers)
{
	const char *name = strsep(&line, " "), *message = strsep(&line, " ");
	const char *hex = strsep(&line, "\n");
	const ProtobufCMessageDescriptor *desc = find_message(message);
	uint8_t *wire = malloc(strlen(hex) / 2 + 1);
	size_t len = unhex(hex, wire);
	ProtobufCMessage *msg;
	struct error err = ERROR_INIT;
	struct buffer out;

	assert_non_null(wire);
	arena_init(&arena, CALL_ARENA_MAX);
	buffer_init(&out, 0);
	if (!desc) /* nobody can send it: only a map's value or a detail of an error */
		fail_msg("%s is not reached by any method", message);
	if (message_decode(desc, &arena, wire, len, &msg, &err) != 0)
		fail_msg("%s %s: %s", name, message, err.text);
	assert_int_equal(message_encode(msg, &out, NULL), 0);
	write_answer(answers, name, message, &out);
	if (strcmp(name, "full") == 0) {
		ProtobufCMessage *mine = message_new(desc, &arena);

		assert_int_equal(out.len, len);
		assert_true(len == 0 || memcmp(out.data, wire, len) == 0);
		buffer_clear(&out);
		fill(mine);
		assert_int_equal(message_encode(mine, &out, NULL), 0);
		if (out.len != len || (len && memcmp(out.data, wire, len) != 0))
			fail_msg("%s: C makes other bytes of the same message", message);
	}
	buffer_release(&out);
	arena_release(&arena);
	free(wire);
}

static void run_peer(const char *command)
{
	char line[256];
	int status;

	snprintf(line, sizeof(line), PEER " %s %s", command, scratch_dir());
	status = system(line);
	if (status != 0)
		fail_msg("'%s' ended with status %d", line, status);
}

static void c_and_python_agree(void **state)
{
	size_t size = 0, count = 0;
	char *line = NULL;
	FILE *cases, *answers;

	run_peer("encode");
	cases = fopen(scratch_path("cases"), "re");
	answers = fopen(scratch_path("answers"), "we");
	assert_true(cases && answers);
	for (; getline(&line, &size, cases) > 0; count++)
		run_case(line, answers);
	free(line);
	fclose(cases);
	assert_int_equal(fclose(answers), 0);
	run_peer("compare");
	print_message("# %zu messages there and back\n", count);
	assert_true(count > 3 * 114);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c_and_python_agree),
	};

	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, collect_all, NULL);
}
