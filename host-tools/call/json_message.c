/* json_message: JSON to messages; the other direction is message_json.c. */
#include "call/json_message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/parse.h"
#include "base/strings.h"
#include "call/base64.h"
#include "call/json_text.h"
#include "nearest.h"
#include "ttrpc/message.h"

#define PATH_MAX_SHOWN 300

/* Where in the message we are, kept on the stack so that an error can name it. */
struct place {
	const struct place *up;
	const char *name; /* of the message at the top, of a field below */
	const char *key;  /* in a map */
	long index;	  /* in a list; -1 = not in one */
};

struct reader {
	bool oci; /* names as in the OCI runtime specification */
	struct arena *arena;
	struct error *err;
};

static int read_message(const struct reader *reader, struct json_object *json,
	ProtobufCMessage *msg, const struct place *place);

/* ---- errors ---- */

static void append_place(char *out, size_t size, const struct place *place)
{
	size_t len;

	if (place->up)
		append_place(out, size, place->up);
	len = strlen(out);
	str_format(out + len, size - len, "%s%s", place->up ? "." : "", place->name);
	len = strlen(out);
	if (place->key)
		str_format(out + len, size - len, "[\"%s\"]", place->key);
	else if (place->index >= 0)
		str_format(out + len, size - len, "[%ld]", place->index);
}

__attribute__((format(printf, 3, 4))) static int bad(
	const struct reader *reader, const struct place *place, const char *fmt, ...)
{
	char path[PATH_MAX_SHOWN] = "", what[180];
	va_list args;

	append_place(path, sizeof(path), place);
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	return error_invalid(reader->err, "%s: %s", path, what);
}

static int no_room(const struct reader *reader, const struct place *place)
{
	bad(reader, place, "the request is too big (%zu bytes)", reader->arena->budget);
	return -ENOSPC;
}

static const char *kind(struct json_object *json)
{
	switch (json_object_get_type(json)) {
	case json_type_null:
		return "null";
	case json_type_boolean:
		return "true or false";
	case json_type_double:
		return "a fraction";
	case json_type_int:
		return "a number";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "a list";
	case json_type_string:
		return "a string";
	}
	return "something else";
}

static int wants(const struct reader *reader, const struct place *place, const char *wanted,
	struct json_object *json)
{
	return bad(reader, place, "wants %s, not %s", wanted, kind(json));
}

/* ---- values ---- */

/* A whole number from -2^63 to 2^64-1. */
struct integer {
	bool negative;
	int64_t value;	    /* when negative */
	uint64_t magnitude; /* when not */
};

static int integer_from_text(const char *text, struct integer *ret)
{
	ret->negative = *text == '-';
	return ret->negative ? parse_i64(text, &ret->value) : parse_u64(text, &ret->magnitude);
}

static int read_integer(const struct reader *reader, struct json_object *json, struct integer *ret,
	const struct place *place)
{
	if (json_object_is_type(json, json_type_string)) {
		if (integer_from_text(json_object_get_string(json), ret) < 0)
			return bad(reader, place, "\"%s\" is no whole number of 64 bits",
				json_object_get_string(json));
		return 0;
	}
	if (!json_object_is_type(json, json_type_int))
		return wants(reader, place, "a whole number", json);
	ret->value = json_object_get_int64(json);
	ret->negative = ret->value < 0;
	ret->magnitude = json_object_get_uint64(json);
	return 0;
}

static int read_signed(const struct reader *reader, struct json_object *json, int64_t min,
	int64_t max, int64_t *ret, const struct place *place)
{
	struct integer integer = {0};
	int r = read_integer(reader, json, &integer, place);

	if (r < 0)
		return r;
	if (integer.negative ? integer.value < min : integer.magnitude > (uint64_t)max)
		return bad(reader, place, "wants a number from %" PRId64 " to %" PRId64, min, max);
	*ret = integer.negative ? integer.value : (int64_t)integer.magnitude;
	return 0;
}

static int read_unsigned(const struct reader *reader, struct json_object *json, uint64_t max,
	uint64_t *ret, const struct place *place)
{
	struct integer integer = {0};
	int r = read_integer(reader, json, &integer, place);

	if (r < 0)
		return r;
	if (integer.negative || integer.magnitude > max)
		return bad(reader, place, "wants a number from 0 to %" PRIu64, max);
	*ret = integer.magnitude;
	return 0;
}

static int read_bool(const struct reader *reader, struct json_object *json, protobuf_c_boolean *ret,
	const struct place *place)
{
	if (!json_object_is_type(json, json_type_boolean))
		return wants(reader, place, "true or false", json);
	*ret = json_object_get_boolean(json);
	return 0;
}

static int read_string(const struct reader *reader, struct json_object *json, char **ret,
	const struct place *place)
{
	const char *text = json_object_get_string(json);

	if (!json_object_is_type(json, json_type_string))
		return wants(reader, place, "a string", json);
	if (strlen(text) != (size_t)json_object_get_string_len(json))
		return bad(reader, place, "the string holds a NUL character");
	*ret = arena_strdup(reader->arena, text);
	return *ret ? 0 : no_room(reader, place);
}

static int read_bytes(const struct reader *reader, struct json_object *json,
	ProtobufCBinaryData *ret, const struct place *place)
{
	size_t len;
	ssize_t made;

	if (!json_object_is_type(json, json_type_string))
		return wants(reader, place, "bytes as a base64 string", json);
	len = json_object_get_string_len(json);
	ret->data = arena_alloc(reader->arena, len / 4 * 3 + 3);
	if (!ret->data)
		return no_room(reader, place);
	made = base64_decode(json_object_get_string(json), len, ret->data);
	if (made < 0)
		return bad(reader, place, "the string is not base64");
	ret->len = made;
	return 0;
}

static int read_enum(const struct reader *reader, struct json_object *json,
	const ProtobufCEnumDescriptor *desc, int *ret, const struct place *place)
{
	const ProtobufCEnumValue *value;
	struct nearest nearest;
	int64_t number = 0;
	int r;

	if (!json_object_is_type(json, json_type_string)) {
		r = read_signed(reader, json, INT32_MIN, INT32_MAX, &number, place);
		*ret = number;
		return r;
	}
	value = protobuf_c_enum_descriptor_get_value_by_name(desc, json_object_get_string(json));
	if (value) {
		*ret = value->value;
		return 0;
	}
	nearest_init(&nearest, json_object_get_string(json));
	for (unsigned i = 0; i < desc->n_values; i++)
		nearest_offer(&nearest, desc->values[i].name);
	return bad(reader, place, "%s has no value \"%s\"; the nearest is %s", desc->name,
		json_object_get_string(json), nearest.best ? nearest.best : desc->values[0].name);
}

static int read_submessage(const struct reader *reader, struct json_object *json,
	const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret, const struct place *place)
{
	*ret = message_new(desc, reader->arena);
	return *ret ? read_message(reader, json, *ret, place) : no_room(reader, place);
}

/* One value of the field's type into slot, which is of the C type that protobuf-c uses for it. */
static int read_value(const struct reader *reader, struct json_object *json,
	const ProtobufCFieldDescriptor *field, void *slot, const struct place *place)
{
	int64_t number = 0;
	uint64_t size = 0;
	int r;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
		r = read_signed(reader, json, INT32_MIN, INT32_MAX, &number, place);
		*(int32_t *)slot = number;
		return r;
	case PROTOBUF_C_TYPE_INT64:
		return read_signed(reader, json, INT64_MIN, INT64_MAX, slot, place);
	case PROTOBUF_C_TYPE_UINT32:
		r = read_unsigned(reader, json, UINT32_MAX, &size, place);
		*(uint32_t *)slot = size;
		return r;
	case PROTOBUF_C_TYPE_UINT64:
		return read_unsigned(reader, json, UINT64_MAX, slot, place);
	case PROTOBUF_C_TYPE_BOOL:
		return read_bool(reader, json, slot, place);
	case PROTOBUF_C_TYPE_STRING:
		return read_string(reader, json, slot, place);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes(reader, json, slot, place);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(reader, json, field->descriptor, slot, place);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_submessage(reader, json, field->descriptor, slot, place);
	default:
		return bad(reader, place, "has a type that the protocol does not use");
	}
}

/* ---- fields ---- */

/* Makes the field's array; NULL when there is no room. */
static char *new_array(const struct reader *reader, ProtobufCMessage *msg,
	const ProtobufCFieldDescriptor *field, size_t count)
{
	char *array = arena_calloc(reader->arena, count ? count : 1, message_element_size(field));

	*(char **)((char *)msg + field->offset) = array;
	*(size_t *)((char *)msg + field->quantifier_offset) = array ? count : 0;
	return array;
}

static int read_list(const struct reader *reader, struct json_object *json, ProtobufCMessage *msg,
	const ProtobufCFieldDescriptor *field, struct place *place)
{
	size_t count;
	char *array;

	if (!json_object_is_type(json, json_type_array))
		return wants(reader, place, "a list", json);
	count = json_object_array_length(json);
	array = new_array(reader, msg, field, count);
	if (!array)
		return no_room(reader, place);
	for (size_t i = 0; i < count; i++) {
		int r;

		place->index = i;
		r = read_value(reader, json_object_array_get_idx(json, i), field,
			array + i * message_element_size(field), place);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_map_entry(const struct reader *reader, const char *key, struct json_object *json,
	ProtobufCMessage *entry, const struct place *place)
{
	const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
	char **key_slot = (char **)((char *)entry + fields[0].offset);

	if (fields[0].type != PROTOBUF_C_TYPE_STRING)
		return bad(reader, place, "only string keys can be written");
	*key_slot = arena_strdup(reader->arena, key);
	if (!*key_slot)
		return no_room(reader, place);
	return read_value(reader, json, &fields[1], (char *)entry + fields[1].offset, place);
}

static int read_map(const struct reader *reader, struct json_object *json, ProtobufCMessage *msg,
	const ProtobufCFieldDescriptor *field, struct place *place)
{
	ProtobufCMessage **array;
	size_t i = 0;

	if (!json_object_is_type(json, json_type_object))
		return wants(reader, place, "an object", json);
	array = (ProtobufCMessage **)new_array(reader, msg, field, json_object_object_length(json));
	if (!array)
		return no_room(reader, place);
	json_object_object_foreach(json, key, value)
	{
		int r;

		array[i] = message_new(field->descriptor, reader->arena);
		if (!array[i])
			return no_room(reader, place);
		place->key = key;
		r = read_map_entry(reader, key, value, array[i++], place);
		if (r < 0)
			return r;
	}
	return 0;
}

bool field_is_map(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *entry = field->descriptor;
	size_t len = strlen(desc->name);

	/* protoc nests a message NameEntry { key = 1; value = 2; } in the message with the map. */
	return field->type == PROTOBUF_C_TYPE_MESSAGE &&
	       field->label == PROTOBUF_C_LABEL_REPEATED && str_starts(entry->name, desc->name) &&
	       entry->name[len] == '.' && str_ends(entry->name, "Entry") && entry->n_fields == 2 &&
	       str_eq(entry->fields[0].name, "key") && str_eq(entry->fields[1].name, "value");
}

static int read_field(const struct reader *reader, struct json_object *json, ProtobufCMessage *msg,
	const ProtobufCFieldDescriptor *field, struct place *place)
{
	char *quantifier = (char *)msg + field->quantifier_offset;
	int r;

	if (field_is_map(msg->descriptor, field))
		return read_map(reader, json, msg, field, place);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_list(reader, json, msg, field, place);
	r = read_value(reader, json, field, (char *)msg + field->offset, place);
	if (r < 0)
		return r;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		*(uint32_t *)quantifier = field->id;
	else if (field->quantifier_offset)
		*(protobuf_c_boolean *)quantifier = 1;
	return 0;
}

static int unknown_field(const struct reader *reader, const ProtobufCMessageDescriptor *desc,
	const char *name, const struct place *place)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (unsigned i = 0; i < desc->n_fields; i++)
		nearest_offer(&nearest, desc->fields[i].name);
	if (nearest.best)
		return bad(reader, place, "no field is called \"%s\"; did you mean \"%s\"?", name,
			nearest.best);
	return bad(reader, place, "no field is called \"%s\"", name);
}

static bool asks_nothing(struct json_object *json)
{
	switch (json_object_get_type(json)) {
	case json_type_boolean:
		return !json_object_get_boolean(json);
	case json_type_int:
		return json_object_get_int64(json) == 0;
	case json_type_string:
		return json_object_get_string_len(json) == 0;
	case json_type_array:
		return json_object_array_length(json) == 0;
	case json_type_object:
		return json_object_object_length(json) == 0;
	default:
		return json == NULL;
	}
}

static const ProtobufCFieldDescriptor *find_field(
	const struct reader *reader, const ProtobufCMessageDescriptor *desc, const char *name)
{
	/* The protocol's names are those of OCI but for capitals. */
	for (unsigned i = 0; reader->oci && i < desc->n_fields; i++) {
		if (strcasecmp(desc->fields[i].name, name) == 0)
			return &desc->fields[i];
	}
	return reader->oci ? NULL : protobuf_c_message_descriptor_get_field_by_name(desc, name);
}

static int read_message(const struct reader *reader, struct json_object *json,
	ProtobufCMessage *msg, const struct place *place)
{
	if (!json_object_is_type(json, json_type_object))
		return wants(reader, place, "an object", json);
	json_object_object_foreach(json, name, value)
	{
		const ProtobufCFieldDescriptor *field = find_field(reader, msg->descriptor, name);
		struct place inner = {.up = place, .name = name, .index = -1};
		int r;

		if (!field && reader->oci && asks_nothing(value))
			continue;
		if (!field && reader->oci)
			return bad(reader, &inner, "the VM's agent knows no such property");
		if (!field)
			return unknown_field(reader, msg->descriptor, name, place);
		if (!value) /* null */
			continue;
		r = read_field(reader, value, msg, field, &inner);
		if (r < 0)
			return r;
	}
	return 0;
}

int json_to_message(const char *text, size_t len, const ProtobufCMessageDescriptor *desc,
	struct arena *arena, ProtobufCMessage **ret, struct error *err)
{
	struct json_object *json = json_text_parse(text, len, err);
	struct reader reader = {.arena = arena, .err = err};
	struct place top = {.name = desc->name, .index = -1};
	ProtobufCMessage *msg;
	int r;

	if (!json)
		return -EINVAL;
	r = read_submessage(&reader, json, desc, &msg, &top);
	json_object_put(json);
	if (r < 0)
		return r;
	*ret = msg;
	return 0;
}

int oci_json_to_message(struct json_object *json, const char *name,
	const ProtobufCMessageDescriptor *desc, struct arena *arena, ProtobufCMessage **ret,
	struct error *err)
{
	struct reader reader = {.arena = arena, .err = err, .oci = true};
	struct place top = {.name = name, .index = -1};

	return read_submessage(&reader, json, desc, ret, &top);
}
