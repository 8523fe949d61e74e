/*
 * message: see the header. protobuf-c does the decoding, on bytes that message_check() has passed,
 * with an allocator that draws on the arena. Nothing is freed singly, so each merge of a repeated
 * sub-message costs budget too: the budget bounds time as well as memory.
 */
#include "ttrpc/message.h"

#include <errno.h>
#include <stdbool.h>

#include "ttrpc/message_check.h"

struct arena_allocator {
	ProtobufCAllocator base;
	struct arena *arena;
	bool exhausted;
};

static void *allocate(void *data, size_t size)
{
	struct arena_allocator *allocator = data;
	void *p = arena_alloc(allocator->arena, size);

	if (!p)
		allocator->exhausted = true;
	return p;
}

static void release_nothing(void *data, void *p)
{
	(void)data;
	(void)p;
}

static int over_budget(const ProtobufCMessageDescriptor *desc, size_t budget, struct error *err)
{
	error_set(err, STATUS_RESOURCE_EXHAUSTED, 0,
		"%s: the message does not fit into the call's memory (%zu bytes)", desc->name,
		budget);
	return -ENOSPC;
}

/* False for a member of a oneof that is not the chosen one: its bytes are another's. */
static bool member_is_valid(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	const char *chosen = (const char *)msg + field->quantifier_offset;

	return !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
	       *(const uint32_t *)chosen == field->id;
}

/* Unknown fields stay unsent: cut them off every message of the tree. */
static void forget_unknown_fields(ProtobufCMessage *msg)
{
	msg->n_unknown_fields = 0;
	msg->unknown_fields = NULL;
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &msg->descriptor->fields[i];
		const char *member = (const char *)msg + field->offset;

		if (field->type != PROTOBUF_C_TYPE_MESSAGE || !member_is_valid(msg, field))
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *)((const char *)msg + field->quantifier_offset);
			ProtobufCMessage **elements = *(ProtobufCMessage * *const *)member;

			for (size_t k = 0; k < n; k++)
				forget_unknown_fields(elements[k]);
		} else if (*(ProtobufCMessage *const *)member) {
			forget_unknown_fields(*(ProtobufCMessage *const *)member);
		}
	}
}

int message_decode(const ProtobufCMessageDescriptor *desc, struct arena *arena, const void *data,
	size_t len, ProtobufCMessage **ret, struct error *err)
{
	struct arena_allocator allocator = {
		.base = {allocate, release_nothing, &allocator},
		.arena = arena,
	};
	ProtobufCMessage *msg;
	size_t budget = arena->budget - arena->used;
	int r = message_check(desc, data, len, budget, err);

	if (r < 0)
		return r;
	msg = protobuf_c_message_unpack(desc, &allocator.base, len, data);
	if (!msg && allocator.exhausted)
		return over_budget(desc, budget, err);
	if (!msg) /* the check is stricter, so this says that the two have come apart */
		return error_set(
			err, STATUS_UNKNOWN, 0, "%s: protobuf-c refuses the bytes", desc->name);
	forget_unknown_fields(msg);
	*ret = msg;
	return 0;
}

int message_encode(const ProtobufCMessage *msg, struct buffer *out, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(msg);
	uint8_t *data;

	if (!size)
		return 0;
	data = buffer_extend(out, size);
	if (!data) {
		bool too_long = out->max && (size > out->max || out->len > out->max - size);
		int errnum = too_long ? EMSGSIZE : ENOMEM;

		return error_set(err, STATUS_RESOURCE_EXHAUSTED, errnum, "encode %s of %zu bytes",
			msg->descriptor->name, size);
	}
	protobuf_c_message_pack(msg, data);
	message_repair(msg->descriptor, data, size);
	return 0;
}

size_t message_element_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	default:
		return sizeof(uint32_t);
	}
}

ProtobufCMessage *message_new(const ProtobufCMessageDescriptor *desc, struct arena *arena)
{
	ProtobufCMessage *msg = arena_alloc(arena, desc->sizeof_message);

	if (msg)
		protobuf_c_message_init(desc, msg);
	return msg;
}
