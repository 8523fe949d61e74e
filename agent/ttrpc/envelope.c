/* envelope: see the header. Called by session.c, rpc_call.c and client.c. */
#include "ttrpc/envelope.h"

#include <errno.h>
#include <string.h>

#include "base/strings.h"
#include "hard_limits.h"
#include "ttrpc/frame.h"
#include "ttrpc/message.h"
#include "ttrpc/status.h"

/* Wire types of protobuf (encoding specification); 3 and 4, groups, do not exist in proto3. */
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

#define FIELD_NUMBER_MAX 536870911u
#define VARINT_MAX	 10 /* bytes of a 64-bit varint */

struct field {
	uint32_t number;
	int wire;
	uint64_t value;	   /* WIRE_VARINT */
	struct view bytes; /* WIRE_BYTES */
};

bool view_equals(struct view view, const char *text)
{
	size_t len = strlen(text);

	return view.len == len && memcmp(view.data, text, len) == 0;
}

/* ---- reading ------------------------------------------------------------------------- */

static bool take_varint(struct view *in, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < in->len && i < VARINT_MAX; i++) {
		uint8_t byte = in->data[i];

		if (i == VARINT_MAX - 1 && byte > 1)
			return false; /* over 64 bits */
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			in->data += i + 1;
			in->len -= i + 1;
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool take_bytes(struct view *in, uint64_t len, struct view *ret)
{
	if (len > in->len)
		return false;
	*ret = (struct view){in->data, (size_t)len};
	in->data += len;
	in->len -= (size_t)len;
	return true;
}

/* 1 with a field, 0 at the end, negative errno. */
static int next_field(struct view *in, struct field *ret, const char *what, struct error *err)
{
	uint64_t tag = 0, len = 0;
	bool ok;

	if (in->len == 0)
		return 0;
	if (!take_varint(in, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
		return error_invalid(err, "%s: bad field tag", what);
	*ret = (struct field){.number = (uint32_t)(tag >> 3), .wire = (int)(tag & 7)};
	switch (ret->wire) {
	case WIRE_VARINT:
		ok = take_varint(in, &ret->value);
		break;
	case WIRE_FIXED64:
		ok = take_bytes(in, 8, &ret->bytes);
		break;
	case WIRE_FIXED32:
		ok = take_bytes(in, 4, &ret->bytes);
		break;
	case WIRE_BYTES:
		ok = take_varint(in, &len) && take_bytes(in, len, &ret->bytes);
		break;
	default:
		return error_invalid(err, "%s: field %u has wire type %d, which does not exist",
			what, ret->number, ret->wire);
	}
	if (!ok)
		return error_invalid(err, "%s: field %u is cut off or too long", what, ret->number);
	return 1;
}

static int expect_wire(const struct field *field, int wire, const char *what, struct error *err)
{
	if (field->wire != wire)
		return error_invalid(err, "%s: field %u has wire type %d instead of %d", what,
			field->number, field->wire, wire);
	return 0;
}

static int read_text(
	const struct field *field, struct view *ret, const char *what, struct error *err)
{
	int r = expect_wire(field, WIRE_BYTES, what, err);

	if (r < 0)
		return r;
	if (!utf8_valid(field->bytes.data, field->bytes.len) ||
		memchr(field->bytes.data, '\0', field->bytes.len))
		return error_invalid(err, "%s: field %u is not text in UTF-8", what, field->number);
	*ret = field->bytes;
	return 0;
}

static int read_key_value(struct view in, struct view *key, struct view *value, struct error *err)
{
	static const char what[] = "metadata";
	struct field field = {0};
	int r;

	*key = *value = (struct view){(const uint8_t *)"", 0};
	while ((r = next_field(&in, &field, what, err)) > 0) {
		if (field.number == 1)
			r = read_text(&field, key, what, err);
		else if (field.number == 2)
			r = read_text(&field, value, what, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int read_request_field(
	const struct field *field, struct envelope_request *request, struct error *err)
{
	static const char what[] = "request envelope";
	struct view key, value;
	int r;

	switch (field->number) {
	case 1:
		return read_text(field, &request->service, what, err);
	case 2:
		return read_text(field, &request->method, what, err);
	case 3:
		r = expect_wire(field, WIRE_BYTES, what, err);
		if (r == 0)
			request->payload = field->bytes;
		return r;
	case 4:
		r = expect_wire(field, WIRE_VARINT, what, err);
		if (r == 0)
			request->timeout_nano = (int64_t)field->value;
		return r;
	case 5:
		r = expect_wire(field, WIRE_BYTES, what, err);
		if (r == 0)
			r = read_key_value(field->bytes, &key, &value, err);
		if (r == 0)
			request->metadata_count++;
		return r;
	default:
		return 0;
	}
}

int envelope_decode_request(
	const void *data, size_t len, struct envelope_request *ret, struct error *err)
{
	const struct view empty = {(const uint8_t *)"", 0};
	struct view in = {data, len};
	struct envelope_request request = {empty, empty, empty, 0, 0, in};
	struct field field = {0};
	int r;

	while ((r = next_field(&in, &field, "request envelope", err)) > 0) {
		r = read_request_field(&field, &request, err);
		if (r < 0)
			return r;
	}
	if (r == 0)
		*ret = request;
	return r;
}

int envelope_metadata(const struct envelope_request *request, struct arena *arena,
	const char ***ret_keys, const char ***ret_values, struct error *err)
{
	size_t count = request->metadata_count, i = 0;
	const char **keys = arena_calloc(arena, count, sizeof(*keys));
	const char **values = arena_calloc(arena, count, sizeof(*values));
	struct view in = request->whole, key, value;
	struct field field = {0};

	if (!keys || !values)
		goto full;
	while (i < count && next_field(&in, &field, "request envelope", err) > 0) {
		if (field.number != 5 || read_key_value(field.bytes, &key, &value, err) < 0)
			continue;
		keys[i] = arena_strndup(arena, (const char *)key.data, key.len);
		values[i] = arena_strndup(arena, (const char *)value.data, value.len);
		if (!keys[i] || !values[i])
			goto full;
		i++;
	}
	*ret_keys = keys;
	*ret_values = values;
	return 0;
full:
	return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
		"%zu metadata entries of the request do not fit into the call's %zu bytes", count,
		arena->budget);
}

static int read_status(struct view in, struct envelope_response *response, struct error *err)
{
	static const char what[] = "status of the response";
	struct field field = {0};
	int r;

	while ((r = next_field(&in, &field, what, err)) > 0) {
		if (field.number == 1) {
			r = expect_wire(&field, WIRE_VARINT, what, err);
			response->code = (int)field.value;
		} else if (field.number == 2) {
			r = expect_wire(&field, WIRE_BYTES, what, err);
			response->message = field.bytes;
		}
		if (r < 0)
			return r;
	}
	return r;
}

int envelope_decode_response(
	const void *data, size_t len, struct envelope_response *ret, struct error *err)
{
	static const char what[] = "response envelope";
	const struct view empty = {(const uint8_t *)"", 0};
	struct envelope_response response = {0, empty, empty};
	struct view in = {data, len};
	struct field field = {0};
	int r;

	while ((r = next_field(&in, &field, what, err)) > 0) {
		if (field.number <= 2)
			r = expect_wire(&field, WIRE_BYTES, what, err);
		if (r >= 0 && field.number == 1)
			r = read_status(field.bytes, &response, err);
		else if (field.number == 2)
			response.payload = field.bytes;
		if (r < 0)
			return r;
	}
	if (r == 0)
		*ret = response;
	return r;
}

/* ---- writing ------------------------------------------------------------------------- */

static size_t varint_size(uint64_t value)
{
	size_t n = 1;

	while (value >>= 7)
		n++;
	return n;
}

/* All field numbers of the envelope are below 16: a tag is one byte. */
static size_t bytes_field_size(size_t len)
{
	return 1 + varint_size(len) + len;
}

static size_t text_field_size(const char *text)
{
	return *text ? bytes_field_size(strlen(text)) : 0;
}

static void put_varint(struct buffer *out, uint64_t value)
{
	while (value >= 0x80) {
		out->data[out->len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out->data[out->len++] = (uint8_t)value;
}

static void put_bytes_head(struct buffer *out, unsigned field, size_t len)
{
	put_varint(out, field << 3 | WIRE_BYTES);
	put_varint(out, len);
}

static void put_text(struct buffer *out, unsigned field, const char *text)
{
	size_t len = strlen(text);

	if (len == 0)
		return; /* proto3: a default value is not sent */
	put_bytes_head(out, field, len);
	memcpy(out->data + out->len, text, len);
	out->len += len;
}

/* Room for header and length bytes; writes the header. What put_*() add must be exactly length. */
static int start_frame(struct buffer *out, enum frame_type type, uint32_t stream_id, size_t length,
	struct error *err)
{
	struct frame_header header = {(uint32_t)length, stream_id, (uint8_t)type, 0};

	buffer_init(out, FRAME_HEADER_SIZE + FRAME_MAX);
	if (length > FRAME_MAX)
		return error_invalid(err, "%s of %zu bytes is over the limit of %d",
			type == FRAME_REQUEST ? "request" : "response", length, FRAME_MAX);
	if (buffer_grow(out, FRAME_HEADER_SIZE + length) < 0)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"allocate a frame of %zu bytes", length);
	frame_header_encode(&header, out->data);
	out->len = FRAME_HEADER_SIZE;
	return 0;
}

/* Appends field number and message; the frame must come out as long as its header says. */
static int put_message(struct buffer *out, unsigned field, const ProtobufCMessage *payload,
	size_t size, size_t length, struct error *err)
{
	int r = 0;

	if (size > 0) {
		put_bytes_head(out, field, size);
		r = message_encode(payload, out, err);
	}
	if (r == 0 && out->len != FRAME_HEADER_SIZE + length)
		r = error_set(err, STATUS_INTERNAL, 0, "encoding %s gave %zu bytes, expected %zu",
			payload->descriptor->name, out->len, FRAME_HEADER_SIZE + length);
	if (r < 0)
		buffer_release(out);
	return r;
}

int envelope_request_frame(struct buffer *out, uint32_t stream_id, const char *service,
	const char *method, const ProtobufCMessage *payload, int64_t timeout_nano,
	struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(payload);
	size_t length = text_field_size(service) + text_field_size(method);
	int r;

	if (size > 0)
		length += bytes_field_size(size);
	if (timeout_nano > 0)
		length += 1 + varint_size((uint64_t)timeout_nano);
	r = start_frame(out, FRAME_REQUEST, stream_id, length, err);
	if (r < 0)
		return r;
	put_text(out, 1, service);
	put_text(out, 2, method);
	if (timeout_nano > 0) {
		put_varint(out, 4 << 3 | WIRE_VARINT);
		put_varint(out, (uint64_t)timeout_nano);
	}
	return put_message(out, 3, payload, size, length, err);
}

int envelope_reply_frame(
	struct buffer *out, uint32_t stream_id, const ProtobufCMessage *payload, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(payload);
	size_t length = bytes_field_size(0) + (size > 0 ? bytes_field_size(size) : 0);
	int r = start_frame(out, FRAME_RESPONSE, stream_id, length, err);

	if (r < 0)
		return r;
	put_bytes_head(out, 1, 0); /* an empty Status, as the Rust agent sends it */
	return put_message(out, 2, payload, size, length, err);
}

int envelope_error_frame(struct buffer *out, uint32_t stream_id, const struct error *error)
{
	char text[ERROR_RENDER_MAX];
	uint64_t code = (uint64_t)(error->status > 0 ? error->status : STATUS_INTERNAL);
	size_t status;
	int r;

	error_render(error, text, sizeof(text));
	status = 1 + varint_size(code) + text_field_size(text);
	r = start_frame(out, FRAME_RESPONSE, stream_id, bytes_field_size(status), NULL);
	if (r < 0)
		return r;
	put_bytes_head(out, 1, status);
	put_varint(out, 1 << 3 | WIRE_VARINT);
	put_varint(out, code);
	put_text(out, 2, text);
	return 0;
}
