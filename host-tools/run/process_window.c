/* process_window: TtyWinResize. */
#include "run/process_window.h"

#include "base/cleanup.h"

static void send_size(struct process_window *window);

static void on_resized(struct client_call *call, int result, const struct error *err)
{
	struct process_window *window =
		container_of(agent_call_finished(call), struct process_window, call);

	client_call_release(call);
	send_size(window);
}

static void send_size(struct process_window *window)
{
	if (!window->client || !window->wanted || window->call.active)
		return;
	window->wanted = false;
	agent_resize(window->client, &window->call, window->id, window->rows, window->columns,
		on_resized, NULL);
}

void process_window_start(
	struct process_window *window, struct ttrpc_client *client, const char *id)
{
	window->client = client;
	window->id = id;
	send_size(window);
}

void process_window_resize(struct process_window *window, uint16_t rows, uint16_t columns)
{
	window->rows = rows;
	window->columns = columns;
	window->wanted = true;
	send_size(window);
}

void process_window_release(struct process_window *window)
{
	window->client = NULL;
	agent_call_drop(&window->call);
}
