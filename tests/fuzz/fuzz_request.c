/*
 * Fuzz target: a request's envelope and the messages in it (agent/ttrpc: envelope, message,
 * message_check). The first byte chooses what the rest is. What decodes must encode again, within
 * its arena's budget.
 */
#include "ttrpc/envelope.h"
#include "ttrpc/message.h"

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "fuzz/fuzz.h"

#define BUDGET (256 * 1024)

static const ProtobufCMessageDescriptor *const kinds[] = {
	&grpc__create_container_request__descriptor,
	&grpc__exec_process_request__descriptor,
	&grpc__create_sandbox_request__descriptor,
	&grpc__update_container_request__descriptor,
	&grpc__update_interface_request__descriptor,
	&grpc__update_routes_request__descriptor,
	&grpc__write_stream_request__descriptor,
	&grpc__copy_file_request__descriptor,
	&grpc__stats_container_response__descriptor,
};

static void envelope(const uint8_t *data, size_t size, bool response)
{
	struct envelope_response answer;
	struct envelope_request request;
	struct error err = ERROR_INIT;
	const char **keys, **values;
	struct arena arena;

	if (response) {
		if (envelope_decode_response(data, size, &answer, &err) == 0)
			FUZZ_CHECK(answer.payload.len <= size && answer.message.len <= size);
		return;
	}
	if (envelope_decode_request(data, size, &request, &err) < 0) {
		FUZZ_CHECK(err.status != 0);
		return;
	}
	FUZZ_CHECK(request.payload.len <= size && request.service.len <= size);
	arena_init(&arena, BUDGET);
	if (envelope_metadata(&request, &arena, &keys, &values, &err) == 0)
		for (size_t i = 0; i < request.metadata_count; i++)
			FUZZ_CHECK(strlen(keys[i]) + strlen(values[i]) <= size);
	arena_release(&arena);
}

static void message(const ProtobufCMessageDescriptor *kind, const uint8_t *data, size_t size)
{
	struct buffer out = {.max = 4 * BUDGET};
	struct error err = ERROR_INIT;
	ProtobufCMessage *msg;
	struct arena arena;

	arena_init(&arena, BUDGET);
	if (message_decode(kind, &arena, data, size, &msg, &err) < 0)
		FUZZ_CHECK(err.status != 0);
	else
		FUZZ_CHECK(message_encode(msg, &out, &err) == 0);
	buffer_release(&out);
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t kind = fuzz_u8(&in) % (ARRAY_SIZE(kinds) + 2);

	if (kind < ARRAY_SIZE(kinds))
		message(kinds[kind], in.data, in.left);
	else
		envelope(in.data, in.left, kind == ARRAY_SIZE(kinds));
	return 0;
}
