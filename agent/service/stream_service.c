/*
 * stream_service: WriteStdin, CloseStdin, ReadStdout, ReadStderr, TtyWinResize. Contract:
 * agent-api-containers.md sections 7 and 9. A call that finds nothing to do parks on the stream and
 * tries again when the descriptor is ready; no byte is taken from a pipe before there is a caller
 * to give it to.
 */
#include <errno.h>

#include "base/strings.h"
#include "hard_limits.h"
#include "sandbox/container.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"

#include "agent.pb-c.h"

/* ---- reads
 * ---------------------------------------------------------------------------------------- */

struct pending_read {
	struct process *process;
	struct process_stream *stream;
	struct read_memory memory; /* kept while it waits */
};

/* 0: response filled; -EAGAIN: nothing there yet; else negative with err. */
static int try_read(struct rpc_call *call, struct pending_read *read, struct error *err)
{
	const Grpc__ReadStreamRequest *request = (void *)call->request;
	Grpc__ReadStreamResponse *response = (void *)call->response;
	size_t len = request->len < READ_MAX ? request->len : READ_MAX;
	ssize_t n = process_stream_take(read->stream, &call->arena, &read->memory, len);

	if (n == -EAGAIN)
		return -EAGAIN;
	if (n == -ENOMEM)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "read %zu bytes", len);
	if (n < 0)
		return error_errno(err, (int)-n, "read output of process %s", read->process->id);
	response->data.data = read->memory.data;
	response->data.len = (size_t)n;
	/* The next reader's turn, also to learn of the end; before the process may be let go. */
	if (!waiter_list_empty(&read->stream->waiters))
		process_stream_want(read->stream);
	if (n == 0)
		process_drained(read->process);
	return 0;
}

static void on_readable(struct rpc_call *call, int value)
{
	struct pending_read *read = call->data;
	struct error err = ERROR_INIT;
	int r;

	/* the process goes away (container removed, time is up): that is the end of its output */
	if (value < 0) {
		rpc_call_reply(call);
		return;
	}
	r = try_read(call, read, &err);
	if (r == -EAGAIN) {
		/* first in the list again: a caller with several reads under way gets its bytes in
		 * the order of asking */
		rpc_call_park(call, &read->stream->waiters, on_readable);
		list_remove(&call->waiter.node);
		list_prepend(&read->stream->waiters.head, &call->waiter.node);
		process_stream_want(read->stream);
	} else if (r < 0) {
		rpc_call_fail(call, &err);
	} else {
		rpc_call_reply(call);
	}
}

static int read_stream(
	struct rpc_call *call, struct sandbox *sandbox, bool want_stderr, struct error *err)
{
	const Grpc__ReadStreamRequest *request = (void *)call->request;
	struct process *process =
		find_process(sandbox, request->container_id, request->exec_id, true, err);
	struct process_stream *stream;
	struct pending_read *read;
	int r;

	if (!process)
		return -ENOENT;
	/* a terminal has one stream: reading stderr there finds its end, and steals nothing (c27)
	 */
	if (want_stderr && process->terminal)
		return 0;
	stream = want_stderr ? &process->err : &process->out;
	/* its bytes go to a connection of the host's (passfd); none is stolen from there */
	if (want_stderr ? process->err_copy : process->out_copy)
		return 0;
	if (request->len == 0)
		return error_invalid(err, "len is 0");
	read = arena_calloc(&call->arena, 1, sizeof(*read));
	if (!read)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "wait for output");
	*read = (struct pending_read){.process = process, .stream = stream};
	r = waiter_list_empty(&stream->waiters) ? try_read(call, read, err) : -EAGAIN;
	if (r != -EAGAIN)
		return r;
	call->data = read;
	rpc_call_park(call, &stream->waiters, on_readable);
	process_stream_want(stream);
	return RPC_PENDING;
}

HANDLER(read_stdout)
{
	return read_stream(call, context, false, err);
}

HANDLER(read_stderr)
{
	return read_stream(call, context, true, err);
}

/* ---- writes
 * --------------------------------------------------------------------------------------- */

struct parked_write {
	struct process_stream *stream;
	size_t done;
};

/* 0: all written; -EAGAIN: the pipe is full; else negative with err. */
static int try_write(struct rpc_call *call, struct parked_write *write, struct error *err)
{
	const Grpc__WriteStreamRequest *request = (void *)call->request;
	Grpc__WriteStreamResponse *response = (void *)call->response;

	while (write->done < request->data.len) {
		ssize_t n = process_stream_write(write->stream, request->data.data + write->done,
			request->data.len - write->done);

		if (n == -EAGAIN)
			return -EAGAIN;
		if (n < 0)
			return error_errno(err, (int)-n,
				"write stdin of container %s: %zu of %zu bytes written",
				request->container_id, write->done, request->data.len);
		write->done += (size_t)n;
	}
	response->len = (uint32_t)write->done;
	return 0;
}

/* The stream's next writer, or its close if that was asked for behind the last one. */
static void next_writer(struct process_stream *stream)
{
	if (!waiter_list_empty(&stream->waiters))
		process_stream_want(stream);
	else if (stream->close_when_written)
		process_stream_close(stream, -EPIPE);
}

static void on_writable(struct rpc_call *call, int value)
{
	struct parked_write *write = call->data;
	struct process_stream *stream = write->stream;
	struct error err = ERROR_INIT;
	int r;

	if (value < 0)
		r = error_errno(&err, -value, "write stdin: %zu bytes written", write->done);
	else
		r = try_write(call, write, &err);
	if (r == -EAGAIN) {
		/* first in the list again: writers are served in order */
		rpc_call_park(call, &stream->waiters, on_writable);
		list_remove(&call->waiter.node);
		list_prepend(&stream->waiters.head, &call->waiter.node);
		process_stream_want(stream);
		return;
	}
	if (r < 0)
		rpc_call_fail(call, &err);
	else
		rpc_call_reply(call);
	if (value >= 0)
		next_writer(stream);
}

static void write_cancelled(struct rpc_call *call, int reason)
{
	struct parked_write *write = call->data;

	next_writer(write->stream);
}

/* Behind all that was sent before, by calls or over a connection of the host's. */
static void end_input(struct process *process)
{
	if (process->in_copy) {
		stream_copy_finish(process->in_copy);
		return;
	}
	process->in.close_when_written = true;
	next_writer(&process->in);
}

HANDLER(write_stdin)
{
	const Grpc__WriteStreamRequest *request = (void *)call->request;
	struct container *container =
		find_container(context, request->container_id, STATUS_INTERNAL, err);
	struct process *process;
	struct parked_write *write;
	int r;

	if (!container)
		return -ENOENT;
	process = container_process(container, request->exec_id, false);
	if (!process)
		return error_set(err, STATUS_INTERNAL, 0,
			"process '%.128s' not found in container %s", request->exec_id,
			container->id);
	if (request->data.len == 0) {
		end_input(process);
		return 0;
	}
	if (process->in_copy)
		return error_set(err, STATUS_INTERNAL, 0,
			"write stdin of container %s: it comes from a connection of its own",
			container->id);
	if (process->in.fd < 0 || process->in.close_when_written)
		return error_errno(
			err, EPIPE, "write stdin of container %s: it is closed", container->id);
	write = arena_calloc(&call->arena, 1, sizeof(*write));
	if (!write)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "write stdin");
	write->stream = &process->in;
	r = waiter_list_empty(&process->in.waiters) ? try_write(call, write, err) : -EAGAIN;
	if (r != -EAGAIN)
		return r;
	call->data = write;
	call->cancelled = write_cancelled;
	rpc_call_park(call, &process->in.waiters, on_writable);
	process_stream_want(&process->in);
	return RPC_PENDING;
}

HANDLER(close_stdin)
{
	const Grpc__CloseStdinRequest *request = (void *)call->request;
	struct process *process =
		find_process(context, request->container_id, request->exec_id, false, err);

	if (!process)
		return -ENOENT;
	end_input(process);
	return 0;
}

/* ---- terminals
 * ------------------------------------------------------------------------------------ */

HANDLER(tty_win_resize)
{
	const Grpc__TtyWinResizeRequest *request = (void *)call->request;
	struct process *process =
		find_process(context, request->container_id, request->exec_id, false, err);

	if (!process)
		return -ENOENT;
	if (request->row > UINT16_MAX || request->column > UINT16_MAX)
		return error_invalid(err, "a window of %u x %u characters: each is at most 65535",
			request->row, request->column);
	return process_resize(process, (uint16_t)request->row, (uint16_t)request->column, err);
}
