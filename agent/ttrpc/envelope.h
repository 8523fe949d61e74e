/*
 * envelope: the Request and Response around every message (proto/ttrpc.proto), read in place and
 * written without a copy of the payload: protobuf-c would hold a 4 MiB payload three times over.
 * Pure but for the arena of the metadata.
 */
#ifndef TTRPC_ENVELOPE_H
#define TTRPC_ENVELOPE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes inside the frame that was decoded; not terminated. */
struct view {
	const uint8_t *data;
	size_t len;
};

bool view_equals(struct view view, const char *text);

struct envelope_request {
	struct view service, method; /* UTF-8 */
	struct view payload;
	int64_t timeout_nano; /* 0 or negative = none */
	size_t metadata_count;
	struct view whole; /* what was decoded: metadata is read from it again */
};

struct envelope_response {
	int code; /* 0 = success, also when there was no Status; unchecked */
	struct view message;
	struct view payload;
};

/* INVALID_ARGUMENT naming what is wrong; nothing is kept of a failed one. Unknown fields skipped.
 */
int envelope_decode_request(
	const void *data, size_t len, struct envelope_request *ret, struct error *err);
int envelope_decode_response(
	const void *data, size_t len, struct envelope_response *ret, struct error *err);
/* Copies keys and values into the arena as strings; request->metadata_count of each. */
int envelope_metadata(const struct envelope_request *request, struct arena *arena,
	const char ***ret_keys, const char ***ret_values, struct error *err);

/*
 * Each makes one whole frame, header included, in an empty out (whose max they set). On failure out
 * is released. Over FRAME_MAX: INVALID_ARGUMENT, as the Rust server answers (wire.md section 3).
 */
int envelope_request_frame(struct buffer *out, uint32_t stream_id, const char *service,
	const char *method, const ProtobufCMessage *payload, int64_t timeout_nano,
	struct error *err);
int envelope_reply_frame(
	struct buffer *out, uint32_t stream_id, const ProtobufCMessage *payload, struct error *err);
/* The peer gets error_render() of the error. Fails only for want of memory. */
int envelope_error_frame(struct buffer *out, uint32_t stream_id, const struct error *error);

#endif
