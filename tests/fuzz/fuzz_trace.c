/*
 * Fuzz target: a relay's trace. The first byte chooses: what goes over a relayed connection, in
 * pieces (host-tools/relay/relay_trace.c), or a trace file that somebody has edited (relay_show.c).
 */
#include "relay/relay_trace.h"

#include "fuzz/fuzz.h"

static FILE *nowhere;

static void show(const uint8_t *data, size_t size)
{
	struct error err = ERROR_INIT;
	FILE *trace = size > 0 ? fmemopen((void *)data, size, "r") : NULL;

	if (!trace)
		return;
	FUZZ_CHECK(relay_show(trace, nowhere, &err) == 0 || err.status != 0);
	fclose(trace);
}

static void feed(struct fuzz_input *in)
{
	struct relay_trace trace;
	uint64_t now = 1;

	relay_trace_init(&trace, nowhere, 1);
	while (in->left > 0) {
		uint8_t how = fuzz_u8(in);
		size_t len = how >> 1 < in->left ? how >> 1 : in->left;

		relay_trace_feed(&trace, how & 1 ? RELAY_FROM_AGENT : RELAY_TO_AGENT, in->data, len,
			now += 1000);
		in->data += len;
		in->left -= len;
	}
	FUZZ_CHECK(trace.call_count <= RELAY_TRACE_CALLS_MAX);
	relay_trace_release(&trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	if (!nowhere)
		nowhere = fopen("/dev/null", "we");
	if (fuzz_u8(&in) & 1)
		show(in.data, in.left);
	else
		feed(&in);
	return 0;
}
