/*
 * message_check: see the header. One recursive walk serves both uses; what is kept while walking is
 * one small frame a nesting level, so that a failure can name its path without having built it.
 */
#include "ttrpc/message_check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/strings.h"
#include "hard_limits.h"
#include "ttrpc/message.h"

#define TAG_BYTES_MAX	 5  /* a tag and a length are 32 bit numbers */
#define VARINT_BYTES_MAX 10 /* 64 bit numbers; negative int32 are sent as such */
#define FIELD_PATH_MAX	 320
#define ARENA_ALIGN	 16

struct walk {
	size_t cost, budget; /* bytes that protobuf-c will allocate at the least */
	uint8_t *writable;   /* when repairing: the same bytes as base; else NULL */
	const uint8_t *base;
	size_t repaired;
	struct error *err;
};

/* One level of nesting: a message, and the field in it where the walk is. */
struct level {
	const struct level *up;
	const ProtobufCMessageDescriptor *desc;
	const ProtobufCFieldDescriptor *field; /* NULL: an unknown one, number in tag */
	uint32_t tag;
	const uint8_t *start, *at, *end; /* the message; the current field's tag; its end */
	unsigned depth;
};

static int walk_message(struct walk *walk, struct level *level);

/* Bytes used, 0 when it is cut short or has more than max bytes or 64 bits. */
static size_t read_varint(const uint8_t *p, const uint8_t *end, size_t max, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < max && p + i < end; i++) {
		if (i == VARINT_BYTES_MAX - 1 && p[i] > 1)
			return 0;
		value |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (!(p[i] & 0x80)) {
			*ret = value;
			return i + 1;
		}
	}
	return 0;
}

/* Reads a field's tag; bytes used, 0 when malformed. */
static size_t read_tag(const uint8_t *p, const uint8_t *end, uint32_t *number, unsigned *type)
{
	uint64_t tag;
	size_t used = read_varint(p, end, TAG_BYTES_MAX, &tag);

	if (!used || tag > UINT32_MAX || tag >> 3 == 0)
		return 0;
	*number = tag >> 3;
	*type = tag & 7;
	return used;
}

/* Finds the content of a field after its tag. False when it is cut short or a group. */
static bool span_value(
	const uint8_t *p, const uint8_t *end, unsigned type, const uint8_t **value, size_t *len)
{
	size_t left = end - p, used;
	uint64_t n;

	*value = p;
	switch (type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		*len = read_varint(p, end, VARINT_BYTES_MAX, &n);
		return *len != 0;
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		*len = 8;
		return left >= 8;
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		*len = 4;
		return left >= 4;
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		used = read_varint(p, end, TAG_BYTES_MAX, &n);
		if (!used || n > left - used)
			return false;
		*value = p + used;
		*len = n;
		return true;
	}
	return false; /* 3 and 4 are groups, 6 and 7 do not exist */
}

/* ---- errors: naming the path ---- */

/* Which occurrence of its field the walk is at; the bytes before it were checked already. */
static size_t occurrence(const struct level *level)
{
	const uint8_t *p = level->start, *value;
	uint32_t number;
	unsigned type;
	size_t count = 0, used, len;

	while (p < level->at) {
		used = read_tag(p, level->at, &number, &type);
		if (!used || !span_value(p + used, level->at, type, &value, &len))
			break;
		count += number == level->tag;
		p = value + len;
	}
	return count;
}

static void append_path(char *out, size_t size, const struct level *level)
{
	size_t len;

	if (level->up)
		append_path(out, size, level->up);
	else
		str_copy(out, size, level->desc->name);
	len = strlen(out);
	if (!level->field)
		str_format(out + len, size - len, "%s", "");
	else if (level->field->label == PROTOBUF_C_LABEL_REPEATED)
		str_format(
			out + len, size - len, ".%s[%zu]", level->field->name, occurrence(level));
	else
		str_format(out + len, size - len, ".%s", level->field->name);
}

static int malformed(const struct walk *walk, const struct level *level, const char *what)
{
	char path[FIELD_PATH_MAX];

	append_path(path, sizeof(path), level);
	if (!level->field && level->tag)
		return error_set(walk->err, STATUS_UNKNOWN, 0, "%s: field number %u: %s", path,
			level->tag, what);
	return error_set(walk->err, STATUS_UNKNOWN, 0, "%s: %s", path, what);
}

/* Adds to the cost; false when the budget is used up. */
static bool spend(struct walk *walk, size_t bytes)
{
	walk->cost += bytes;
	return walk->cost <= walk->budget;
}

static int over_budget(const struct walk *walk, const struct level *level)
{
	char path[FIELD_PATH_MAX];

	append_path(path, sizeof(path), level);
	error_set(walk->err, STATUS_RESOURCE_EXHAUSTED, 0,
		"%s: the message does not fit into the call's memory (%zu bytes)", path,
		walk->budget);
	return -ENOSPC;
}

/* ---- the walk ---- */

/* Wire type of a single value of this field. */
static unsigned wire_type(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return PROTOBUF_C_WIRE_TYPE_32BIT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return PROTOBUF_C_WIRE_TYPE_64BIT;
	default:
		return PROTOBUF_C_WIRE_TYPE_VARINT;
	}
}

static size_t rounded(size_t size)
{
	return (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

static void repair_string(struct walk *walk, const uint8_t *value, size_t len)
{
	if (utf8_valid(value, len))
		return;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_step(value + i, len - i);

		if (!n) {
			walk->writable[value + i - walk->base] = '?';
			walk->repaired++;
		}
		i += n ? n : 1;
	}
}

static int walk_string(
	struct walk *walk, const struct level *level, const uint8_t *value, size_t len)
{
	if (walk->writable) {
		repair_string(walk, value, len);
		return 0;
	}
	if (memchr(value, 0, len))
		return malformed(walk, level, "string holds a NUL byte");
	if (!utf8_valid(value, len))
		return malformed(walk, level, "bytes are not UTF-8");
	return spend(walk, rounded(len + 1)) ? 0 : over_budget(walk, level);
}

static int walk_packed(
	struct walk *walk, const struct level *level, const uint8_t *value, size_t len)
{
	const uint8_t *end = value + len, *element;
	size_t element_len, count = 0;

	for (; value < end; value = element + element_len, count++)
		if (!span_value(value, end, wire_type(level->field), &element, &element_len))
			return malformed(walk, level, "packed numbers are cut short");
	return spend(walk, count * message_element_size(level->field)) ? 0
								       : over_budget(walk, level);
}

static int walk_submessage(
	struct walk *walk, const struct level *level, const uint8_t *value, size_t len)
{
	struct level inner = {
		.up = level,
		.desc = level->field->descriptor,
		.start = value,
		.at = value,
		.end = value + len,
		.depth = level->depth + 1,
	};

	if (inner.depth > MESSAGE_DEPTH_MAX)
		return malformed(walk, level, "messages are nested too deeply");
	return walk_message(walk, &inner);
}

/* The value of a known field. */
static int walk_field(struct walk *walk, const struct level *level, unsigned type,
	const uint8_t *value, size_t len)
{
	const ProtobufCFieldDescriptor *field = level->field;
	bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;

	if (type != wire_type(field)) {
		if (repeated && type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
			return walk_packed(walk, level, value, len);
		return malformed(walk, level, "wire type does not fit the field");
	}
	if (repeated && !spend(walk, message_element_size(field)))
		return over_budget(walk, level);
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return walk_string(walk, level, value, len);
	case PROTOBUF_C_TYPE_MESSAGE:
		return walk_submessage(walk, level, value, len);
	case PROTOBUF_C_TYPE_BYTES:
		return spend(walk, rounded(len)) ? 0 : over_budget(walk, level);
	default:
		return 0;
	}
}

static int walk_message(struct walk *walk, struct level *level)
{
	if (!spend(walk, rounded(level->desc->sizeof_message)))
		return over_budget(walk, level);
	while (level->at < level->end) {
		const uint8_t *value;
		unsigned type;
		size_t len;
		size_t used = read_tag(level->at, level->end, &level->tag, &type);
		int r;

		level->field = NULL;
		if (!used) {
			level->tag = 0;
			return malformed(walk, level, "a field's tag is malformed or cut short");
		}
		level->field = protobuf_c_message_descriptor_get_field(level->desc, level->tag);
		if (!span_value(level->at + used, level->end, type, &value, &len))
			return malformed(
				walk, level, "value is malformed, cut short or of an unknown kind");
		if (level->field)
			r = walk_field(walk, level, type, value, len);
		else
			r = spend(walk, sizeof(ProtobufCMessageUnknownField) + rounded(len))
				    ? 0
				    : over_budget(walk, level);
		if (r < 0)
			return r;
		level->at = value + len;
	}
	return 0;
}

int message_check(const ProtobufCMessageDescriptor *desc, const void *data, size_t len,
	size_t budget, struct error *err)
{
	struct walk walk = {.budget = budget, .base = data, .err = err};
	struct level top = {.desc = desc, .start = data, .at = data, .depth = 1};

	top.end = len ? top.start + len : top.start;
	return walk_message(&walk, &top);
}

size_t message_repair(const ProtobufCMessageDescriptor *desc, void *data, size_t len)
{
	struct walk walk = {.budget = SIZE_MAX, .writable = data, .base = data};
	struct level top = {.desc = desc, .start = data, .at = data, .depth = 1};

	top.end = len ? top.start + len : top.start;
	walk_message(&walk, &top);
	return walk.repaired;
}
