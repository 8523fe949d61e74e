/* message_json: messages to JSON, and their description; see json_message.h. */
#include "call/json_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/cleanup.h"
#include "call/base64.h"
#include "ttrpc/message.h"

#define INDENT	     "  "
#define DESCRIBE_MAX 12 /* levels; the protocol has six */

static struct json_object *message_object(const ProtobufCMessage *msg);

/* ---- messages; every function gives NULL when memory is used up ---- */

static struct json_object *bytes_value(const ProtobufCBinaryData *data)
{
	_cleanup_free_ char *text = malloc(BASE64_SIZE(data->len));

	if (!text)
		return NULL;
	base64_encode(data->data, data->len, text);
	return json_object_new_string(text);
}

static struct json_object *enum_value(const ProtobufCEnumDescriptor *desc, int number)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(desc, number);

	return value ? json_object_new_string(value->name) : json_object_new_int(number);
}

static struct json_object *value_object(const ProtobufCFieldDescriptor *field, const void *slot)
{
	const char *text;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
		return json_object_new_int(*(const int32_t *)slot);
	case PROTOBUF_C_TYPE_INT64:
		return json_object_new_int64(*(const int64_t *)slot);
	case PROTOBUF_C_TYPE_UINT32:
		return json_object_new_int64(*(const uint32_t *)slot);
	case PROTOBUF_C_TYPE_UINT64:
		return json_object_new_uint64(*(const uint64_t *)slot);
	case PROTOBUF_C_TYPE_BOOL:
		return json_object_new_boolean(*(const protobuf_c_boolean *)slot);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_value(field->descriptor, *(const int *)slot);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_value(slot);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_object(*(ProtobufCMessage *const *)slot);
	default: /* strings; no other type occurs in the protocol */
		text = *(char *const *)slot;
		return json_object_new_string(text ? text : "");
	}
}

/* json-c breaks the line inside an empty list or object. */
static struct json_object *write_as(struct json_object *object, const char *text)
{
	if (object)
		json_object_set_serializer(
			object, json_object_userdata_to_json_string, (void *)(uintptr_t)text, NULL);
	return object;
}

static struct json_object *list_object(
	const ProtobufCFieldDescriptor *field, const char *array, size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < count; i++) {
		struct json_object *value =
			value_object(field, array + i * message_element_size(field));

		if (!value || json_object_array_add(list, value) < 0) {
			json_object_put(value);
			json_object_put(list);
			return NULL;
		}
	}
	return count ? list : write_as(list, "[]");
}

static struct json_object *map_object(ProtobufCMessage *const *entries, size_t count)
{
	struct json_object *map = json_object_new_object();

	for (size_t i = 0; map && i < count; i++) {
		const ProtobufCFieldDescriptor *fields = entries[i]->descriptor->fields;
		const char *key = *(char *const *)((const char *)entries[i] + fields[0].offset);
		struct json_object *value =
			value_object(&fields[1], (const char *)entries[i] + fields[1].offset);

		if (!value || json_object_object_add(map, key ? key : "", value) < 0) {
			json_object_put(value);
			json_object_put(map);
			return NULL;
		}
	}
	return count ? map : write_as(map, "{}");
}

static bool is_present(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	const char *quantifier = (const char *)msg + field->quantifier_offset;
	const char *member = (const char *)msg + field->offset;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return true;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)quantifier == field->id;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(ProtobufCMessage *const *)member != NULL;
	return !field->quantifier_offset || *(const protobuf_c_boolean *)quantifier;
}

static struct json_object *field_object(
	const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	const char *member = (const char *)msg + field->offset;
	size_t count;

	if (field->label != PROTOBUF_C_LABEL_REPEATED)
		return value_object(field, member);
	count = *(const size_t *)((const char *)msg + field->quantifier_offset);
	if (field_is_map(msg->descriptor, field))
		return map_object(*(ProtobufCMessage ***)member, count);
	return list_object(field, *(char *const *)member, count);
}

static struct json_object *message_object(const ProtobufCMessage *msg)
{
	struct json_object *object = json_object_new_object();

	for (unsigned i = 0; object && i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &msg->descriptor->fields[i];
		struct json_object *value;

		if (!is_present(msg, field))
			continue;
		value = field_object(msg, field);
		if (!value || json_object_object_add(object, field->name, value) < 0) {
			json_object_put(value);
			json_object_put(object);
			return NULL;
		}
	}
	if (!object)
		return NULL;
	return json_object_object_length(object) ? object : write_as(object, "{}");
}

/* Strings of JSON hold no newline: each one of the text is layout, and the blanks behind it. */
void json_put_on_one_line(struct buffer *json)
{
	size_t to = 0;

	for (size_t from = 0; from < json->len; from++) {
		if (json->data[from] != '\n') {
			json->data[to++] = json->data[from];
			continue;
		}
		while (from + 1 < json->len && json->data[from + 1] == ' ')
			from++;
	}
	json->len = to;
}

int message_to_json(const ProtobufCMessage *msg, struct buffer *out, struct error *err)
{
	struct json_object *object = message_object(msg);
	const char *text = object ? json_object_to_json_string_ext(object,
					    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						    JSON_C_TO_STRING_NOSLASHESCAPE)
				  : NULL;
	int r = text ? buffer_append(out, text, strlen(text)) : -ENOMEM;

	if (r == 0)
		r = buffer_append(out, "\n", 1);
	json_object_put(object);
	if (r < 0)
		return error_errno(err, -r, "write %s as JSON", msg->descriptor->name);
	return 0;
}

/* ---- descriptions ---- */

static const char *scalar_word(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
		return "int32";
	case PROTOBUF_C_TYPE_INT64:
		return "int64";
	case PROTOBUF_C_TYPE_UINT32:
		return "uint32";
	case PROTOBUF_C_TYPE_UINT64:
		return "uint64";
	case PROTOBUF_C_TYPE_BOOL:
		return "true or false";
	case PROTOBUF_C_TYPE_BYTES:
		return "bytes (base64)";
	default:
		return "string";
	}
}

static int describe_type(const ProtobufCFieldDescriptor *field, struct buffer *out)
{
	const ProtobufCMessageDescriptor *message = field->descriptor;
	const ProtobufCEnumDescriptor *values = field->descriptor;
	int r = 0;

	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return buffer_printf(out, "%s", message->short_name);
	if (field->type != PROTOBUF_C_TYPE_ENUM)
		return buffer_printf(out, "%s", scalar_word(field->type));
	for (unsigned i = 0; r == 0 && i < values->n_values; i++)
		r = buffer_printf(out, "%s%s", i ? " | " : "", values->values[i].name);
	return r;
}

static int describe_message(
	const ProtobufCMessageDescriptor *desc, unsigned depth, struct buffer *out);

static int describe_field(const ProtobufCMessageDescriptor *desc,
	const ProtobufCFieldDescriptor *field, unsigned depth, struct buffer *out)
{
	const ProtobufCMessageDescriptor *inner = field->descriptor;
	const ProtobufCFieldDescriptor *type = field;
	const char *words = "";
	int r = 0;

	for (unsigned i = 0; r == 0 && i < depth; i++)
		r = buffer_append(out, INDENT, strlen(INDENT));
	if (field_is_map(desc, field)) {
		words = "object of key: ";
		type = &inner->fields[1];
	} else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		words = "list of ";
	} else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset) {
		words = "optional ";
	}
	if (r == 0)
		r = buffer_printf(out, "%s: %s", field->name, words);
	if (r == 0)
		r = describe_type(type, out);
	if (r == 0)
		r = buffer_append(out, "\n", 1);
	if (r == 0 && type->type == PROTOBUF_C_TYPE_MESSAGE)
		r = describe_message(type->descriptor, depth + 1, out);
	return r;
}

static int describe_message(
	const ProtobufCMessageDescriptor *desc, unsigned depth, struct buffer *out)
{
	int r = 0;

	if (depth > DESCRIBE_MAX)
		return 0;
	for (unsigned i = 0; r == 0 && i < desc->n_fields; i++)
		r = describe_field(desc, &desc->fields[i], depth, out);
	return r;
}

int message_describe(const ProtobufCMessageDescriptor *desc, struct buffer *out, struct error *err)
{
	int r = describe_message(desc, 1, out);

	return r < 0 ? error_errno(err, -r, "describe %s", desc->name) : 0;
}
