/*
 * json_message: protobuf messages as JSON, along protobuf-c's descriptors. Used by cradle call.
 *
 * The mapping: fields by their names in proto/ (exact), enums by value name or number, bytes as
 * base64, integers as numbers or, so that no tool on the way rounds them, as strings; maps as
 * objects; a member of a oneof as if it stood alone; null = absent.
 */
#ifndef CALL_JSON_MESSAGE_H
#define CALL_JSON_MESSAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Reads one JSON object into a message in the arena. Errors name the path
 * ("grpc.ExecProcessRequest. process.Args[1]: ..."), for an unknown field the nearest one. *ret
 * untouched on failure.
 */
int json_to_message(const char *text, size_t len, const ProtobufCMessageDescriptor *desc,
	struct arena *arena, ProtobufCMessage **ret, struct error *err);

/*
 * The same from a tree, with the names of the OCI runtime specification (runtime-spec, config.md):
 * "noNewPrivileges" for NoNewPrivileges. A name the message does not have is passed over if its
 * value asks for nothing (null, false, 0, empty), else refused. name begins every path in errors.
 */
struct json_object;
int oci_json_to_message(struct json_object *json, const char *name,
	const ProtobufCMessageDescriptor *desc, struct arena *arena, ProtobufCMessage **ret,
	struct error *err);

/*
 * Appends the message as indented JSON, a newline at the end. Numbers, strings and lists are
 * written when they are zero or empty too; an absent sub-message or optional field is left out.
 */
int message_to_json(const ProtobufCMessage *msg, struct buffer *out, struct error *err);

/* Takes the layout out of what message_to_json() wrote: no newline is left. */
void json_put_on_one_line(struct buffer *json);

/* Appends the fields, a line each, those of sub-messages indented below: what json_to_message()
 * takes. */
int message_describe(const ProtobufCMessageDescriptor *desc, struct buffer *out, struct error *err);

/* A field whose JSON is an object of key and value pairs (protobuf-c does not mark maps). */
bool field_is_map(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field);

#endif
