/* process_input: our stdin, piece by piece. */
#include "run/process_input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define EOF_CHARACTER	 4
#define EOF_AGAIN_MS	 200
#define EOF_AGAIN_MAX_MS 30000

static void send_rest(struct process_input *input);

static void stop(struct process_input *input)
{
	input->ended = true;
	event_timer_stop(&input->eof_again);
	event_source_remove(&input->source);
	event_task_cancel(&input->read_task);
}

static void on_closed(struct client_call *call, int result, const struct error *err)
{
	agent_call_finished(call);
}

/* Within a line the first ^D only sends it off (termios(3), VEOF). */
static void type_end(struct process_input *input)
{
	input->len = input->mid_line ? 2 : 1;
	input->sent = 0;
	memset(input->piece, EOF_CHARACTER, input->len);
	send_rest(input);
}

static void on_eof_again(struct event_timer *timer)
{
	type_end(container_of(timer, struct process_input, eof_again));
}

/*
 * A file stays at its end, a typed ^D is read once; and a program that edits its own lines, if it
 * takes the terminal over only now, finds the one of before as a byte of zero (n_tty). So it is
 * typed again, less and less often.
 */
static void type_end_later(struct process_input *input)
{
	input->mid_line = false;
	event_timer_start(input->loop, &input->eof_again, input->eof_delay_ms, on_eof_again,
		"end of file again");
	input->eof_delay_ms *= 2;
	if (input->eof_delay_ms > EOF_AGAIN_MAX_MS)
		input->eof_delay_ms = EOF_AGAIN_MAX_MS;
}

static void close_stdin(struct process_input *input)
{
	stop(input);
	if (input->terminal) {
		type_end(input);
		return;
	}
	agent_close_stdin(input->client, &input->call, input->id, on_closed, NULL);
}

static void read_piece(struct process_input *input)
{
	ssize_t n = read(input->fd, input->piece, sizeof(input->piece));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return; /* readiness will be told again */
	if (n <= 0) {
		close_stdin(input);
		return;
	}
	input->len = (size_t)n;
	input->sent = 0;
	event_source_set(&input->source, 0);
	send_rest(input);
}

static void on_readable(struct event_source *source, uint32_t events)
{
	read_piece(container_of(source, struct process_input, source));
}

static void on_read_task(struct event_task *task)
{
	read_piece(container_of(task, struct process_input, read_task));
}

static void read_on(struct process_input *input)
{
	if (input->plain)
		event_task_defer(input->loop, &input->read_task, on_read_task);
	else
		event_source_set(&input->source, EPOLLIN);
}

static void on_sent(struct client_call *call, int result, const struct error *err)
{
	struct agent_call *agent_call = agent_call_finished(call);
	struct process_input *input = container_of(agent_call, struct process_input, call);
	const Grpc__WriteStreamResponse *response;
	size_t taken;

	if (result < 0) {
		stop(input);
		return;
	}
	response = (const Grpc__WriteStreamResponse *)call->response;
	taken = response->len;
	client_call_release(call);
	/* An agent that takes nothing, or more than it got, is not worth talking to. */
	if (taken == 0 || taken > input->len - input->sent) {
		stop(input);
		return;
	}
	input->sent += taken;
	if (input->sent < input->len) {
		send_rest(input);
	} else if (!input->ended) {
		input->mid_line = input->piece[input->len - 1] != '\n';
		read_on(input);
	} else if (input->terminal) {
		type_end_later(input);
	}
}

static void send_rest(struct process_input *input)
{
	if (agent_write_stdin(input->client, &input->call, input->id, input->piece + input->sent,
		    input->len - input->sent, on_sent, NULL) < 0)
		stop(input);
}

int process_input_start(struct process_input *input, struct event_loop *loop,
	struct ttrpc_client *client, const char *id, int fd, bool terminal, struct error *err)
{
	int r;

	memset(input, 0, sizeof(*input));
	input->loop = loop;
	input->client = client;
	input->id = id;
	input->fd = fd;
	input->terminal = terminal;
	input->eof_delay_ms = EOF_AGAIN_MS;
	if (fd < 0) {
		close_stdin(input);
		return 0;
	}
	r = event_source_add(loop, &input->source, fd, EPOLLIN, on_readable, "stdin");
	if (r == -EPERM) {
		input->plain = true;
		read_on(input);
		return 0;
	}
	return r < 0 ? error_errno(err, -r, "watch standard input") : 0;
}

void process_input_release(struct process_input *input)
{
	if (!input->loop)
		return;
	stop(input);
	agent_call_drop(&input->call);
}
