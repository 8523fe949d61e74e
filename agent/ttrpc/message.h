/*
 * message: protobuf messages between bytes and an arena. Bytes from a peer are checked first
 * (message_check.h) and cost at most the arena's budget; used by server, client and host-tools.
 * Never sleeps.
 *
 * A decoded message is never freed by itself: it goes with its arena. Unknown fields may be kept by
 * protobuf-c inside the arena; they are cut off the message, so they are never sent on. A map
 * arrives as an array of entries, in wire order, where a key may occur twice: the last one counts.
 */
#ifndef TTRPC_MESSAGE_H
#define TTRPC_MESSAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>

/*
 * Decodes data into the arena. *ret untouched on failure (what the arena then holds is garbage to
 * be released with it). Errors: STATUS_UNKNOWN for malformed bytes, naming the field;
 * STATUS_RESOURCE_EXHAUSTED (-ENOSPC) naming message and budget. data may go away afterwards.
 */
int message_decode(const ProtobufCMessageDescriptor *desc, struct arena *arena, const void *data,
	size_t len, ProtobufCMessage **ret, struct error *err);

/*
 * Appends the encoded message to out. Bytes of strings that are not UTF-8 leave as '?'. On failure
 * nothing is appended: -EMSGSIZE past out->max, -ENOMEM, both STATUS_RESOURCE_EXHAUSTED.
 */
int message_encode(const ProtobufCMessage *msg, struct buffer *out, struct error *err);

/* An initialised, empty message in the arena; NULL when the arena is used up. */
ProtobufCMessage *message_new(const ProtobufCMessageDescriptor *desc, struct arena *arena);

/* Bytes of one element in the array that protobuf-c makes for a repeated field of this type. */
size_t message_element_size(const ProtobufCFieldDescriptor *field);

#endif
