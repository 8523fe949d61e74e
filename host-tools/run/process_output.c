/* process_output: reads in flight, answers in order. */
#include "run/process_output.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static void take_answers(struct process_output *output);

static void end(struct process_output *output, const struct error *err)
{
	output->ended = true;
	if (err)
		output->error = *err;
	for (unsigned i = 0; i < OUTPUT_IN_FLIGHT; i++)
		agent_call_drop(&output->reads[i].call);
}

/* Says that it is over, once, when nothing is left to write. */
static void maybe_finished(struct process_output *output)
{
	if (!output->ended || output->reported || host_output_pending(&output->host) > 0)
		return;
	output->reported = true;
	output->finished(output);
}

static void on_answer(struct client_call *call, int result, const struct error *err)
{
	struct agent_call *agent_call = agent_call_finished(call);
	struct output_read *read = container_of(agent_call, struct output_read, call);
	struct process_output *output = read->output;

	if (result < 0) {
		/* A process that is gone has no more to say; its stream was read to the end. */
		end(output, err->status == STATUS_NOT_FOUND ? NULL : err);
		maybe_finished(output);
		return;
	}
	read->answered = true;
	take_answers(output);
	maybe_finished(output);
}

static bool ask(struct process_output *output, struct output_read *read)
{
	struct error err = ERROR_INIT;

	if (agent_read(output->client, &read->call, output->method, output->id, OUTPUT_READ_LEN,
		    on_answer, &err) == 0)
		return true;
	end(output, &err);
	return false;
}

static bool write_answer(struct process_output *output, struct output_read *read)
{
	const Grpc__ReadStreamResponse *response =
		(const Grpc__ReadStreamResponse *)read->call.call.response;
	struct error err = ERROR_INIT;
	bool was_broken = output->host.broken;
	size_t len = response->data.len;
	int r;

	if (len == 0) {
		end(output, NULL);
		return false;
	}
	if (len > OUTPUT_READ_LEN) {
		error_set(&err, STATUS_DATA_LOSS, EPROTO,
			"the agent broke the protocol: it answered a %s of %u bytes with %zu",
			output->method, OUTPUT_READ_LEN, len);
		end(output, &err);
		return false;
	}
	output->bytes += len;
	r = host_output_write(&output->host, response->data.data, len);
	if (r < 0) {
		error_errno(&err, -r, "write output");
		end(output, &err);
		return false;
	}
	if (output->host.broken && !was_broken && output->reader_gone)
		output->reader_gone(output);
	return true;
}

/* Writes the answers whose turn it is, and asks again in their place. */
static void take_answers(struct process_output *output)
{
	while (!output->ended && output->reads[output->turn].answered &&
		host_output_pending(&output->host) < OUTPUT_BACKLOG_MAX) {
		struct output_read *read = &output->reads[output->turn];

		read->answered = false;
		if (!write_answer(output, read))
			return;
		client_call_release(&read->call.call);
		output->turn = (output->turn + 1) % OUTPUT_IN_FLIGHT;
		if (!ask(output, read))
			return;
	}
}

static void on_drained(struct host_output *host)
{
	struct process_output *output = container_of(host, struct process_output, host);

	if (host->broken && output->reader_gone)
		output->reader_gone(output);
	take_answers(output);
	maybe_finished(output);
}

void process_output_init(
	struct process_output *output, struct event_loop *loop, int fd, const char *method)
{
	memset(output, 0, sizeof(*output));
	output->method = method;
	host_output_init(&output->host, loop, fd, on_drained);
	for (unsigned i = 0; i < OUTPUT_IN_FLIGHT; i++)
		output->reads[i].output = output;
}

int process_output_start(struct process_output *output, struct ttrpc_client *client, const char *id,
	struct error *err)
{
	output->client = client;
	output->id = id;
	output->started = true;
	for (unsigned i = 0; i < OUTPUT_IN_FLIGHT; i++) {
		if (!ask(output, &output->reads[i])) {
			*err = output->error;
			return -EIO;
		}
	}
	return 0;
}

void process_output_release(struct process_output *output)
{
	for (unsigned i = 0; i < OUTPUT_IN_FLIGHT; i++)
		agent_call_drop(&output->reads[i].call);
	host_output_release(&output->host);
}
