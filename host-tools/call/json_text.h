/*
 * json_text: JSON text to json-c's tree, strictly. json-c alone merges duplicate keys silently and
 * clamps numbers beyond 64 bits; both are refused here. Used by json_message.c.
 */
#ifndef CALL_JSON_TEXT_H
#define CALL_JSON_TEXT_H

#include "base/error.h"

#include <json-c/json.h>
#include <stddef.h>

/* A request's bytes are base64: a whole frame of 4 MiB becomes 5.6 MB of text. */
#define JSON_TEXT_MAX  (8u << 20)
#define JSON_DEPTH_MAX 32

/*
 * The text must be one JSON object, nothing behind it. NULL with err naming line and column. The
 * caller gives the tree back by json_object_put().
 */
struct json_object *json_text_parse(const char *text, size_t len, struct error *err);

#endif
