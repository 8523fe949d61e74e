/* guest_session: the order of calls of one container's life. Each step is the done of the last. */
#include "run/guest_session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "command_table.h"
#include "run/memory_report.h"
#include "vm/guest_net.h"

/* 128 + SIGKILL: what the kernel's OOM killer leaves behind. */
#define KILLED 137
/* Between OOM events of other containers. The agent holds an exit back for longer (OOM_HOLD_MS). */
#define OOM_PAUSE_MS 20

static struct guest_session *session_from(struct agent_call *call)
{
	return container_of(call, struct guest_session, call);
}

static void tell(struct guest_session *session, void (*event)(void *owner))
{
	if (event)
		event(session->events.owner);
}

/* ---- the end, one way or the other: reported once, from a clean stack
 * ----------------------------- */

static void report(struct event_task *task)
{
	struct guest_session *session = container_of(task, struct guest_session, over_task);

	if (session->failure.exit_code)
		session->events.failed(session->events.owner, &session->failure);
	else
		session->events.finished(session->events.owner, &session->result);
}

static void finish(struct guest_session *session)
{
	if (session->over)
		return;
	session->over = true;
	event_task_defer(session->loop, &session->over_task, report);
}

static void fail(struct guest_session *session, const char *stage, const char *advice,
	const struct error *err)
{
	if (session->over)
		return;
	/* Whatever step was under way: a lost connection is one story, a hostile guest another. */
	if (err->errnum == EPROTO) {
		stage = "the agent cannot be trusted";
		advice = "Is the agent in the initrd of another version than cradle, or has the "
			 "guest been taken over? Its VM was ended.";
	} else if (err->status == STATUS_UNAVAILABLE) {
		stage = "the agent is gone";
		advice = "Its last words may be on the console; --verbose shows all of it.";
	}
	failure_wrap(&session->failure, stage, advice, err);
	session->failure.show_console = true;
	finish(session);
}

static void on_closed(struct ttrpc_client *client, const struct error *err)
{
	struct guest_session *session = ttrpc_client_context(client);

	struct error gone = *err;

	gone.status = STATUS_UNAVAILABLE;
	fail(session, "", NULL, &gone);
}

/* ---- steps after the container's end
 * --------------------------------------------------------------- */

static void on_destroyed(struct client_call *call, int result, const struct error *err)
{
	struct guest_session *session = session_from(agent_call_finished(call));

	/* The VM ends now in any case: what could not be tidied dies with it. */
	finish(session);
}

static void destroy_sandbox(struct guest_session *session)
{
	agent_call_drop(&session->call);
	if (agent_destroy_sandbox(session->client, &session->call, on_destroyed, NULL) < 0)
		finish(session);
}

static void on_removed(struct client_call *call, int result, const struct error *err)
{
	destroy_sandbox(session_from(agent_call_finished(call)));
}

static void remove_container(struct guest_session *session)
{
	agent_call_drop(&session->call);
	if (agent_remove_container(session->client, &session->call, session->id, on_removed, NULL) <
		0)
		finish(session);
}

static void on_stats(struct client_call *call, int result, const struct error *err)
{
	struct guest_session *session = session_from(agent_call_finished(call));
	struct session_result *to = &session->result;
	bool oom_unexplained = session->oom_seen && to->exit_code == KILLED && !to->oom[0];

	if (result == 0) {
		const Grpc__StatsContainerResponse *stats =
			(const Grpc__StatsContainerResponse *)call->response;

		if (session->request.want_stats)
			memory_report_figures(session->id, stats, to->stats, sizeof(to->stats));
		if (oom_unexplained)
			memory_report_oom_from_stats(session->id, stats, to->oom, sizeof(to->oom));
	} else if (oom_unexplained) {
		memory_report_oom_bare(
			session->id, session->request.memory_limit, to->oom, sizeof(to->oom));
	}
	remove_container(session);
}

static void ask_stats(struct guest_session *session)
{
	agent_call_drop(&session->call);
	if (agent_stats(session->client, &session->call, session->id, on_stats, NULL) < 0)
		remove_container(session);
}

static void on_oom_records(struct client_call *call, int result, const struct error *err)
{
	struct guest_session *session = session_from(agent_call_finished(call));
	const Cradle__ListOOMRecordsResponse *records =
		(const Cradle__ListOOMRecordsResponse *)call->response;

	/* An agent without this service says UNIMPLEMENTED; one without a record has no cause. */
	if (result == 0 && records->n_records > 0)
		memory_report_oom(
			session->id, records, session->result.oom, sizeof(session->result.oom));
	if (!session->result.oom[0] || session->request.want_stats)
		ask_stats(session);
	else
		remove_container(session);
}

static void after_exit(struct guest_session *session)
{
	agent_call_drop(&session->call);
	if (session->oom_seen && session->result.exit_code == KILLED) {
		if (agent_list_oom_records(
			    session->client, &session->call, session->id, on_oom_records, NULL) < 0)
			ask_stats(session);
	} else if (session->request.want_stats) {
		ask_stats(session);
	} else {
		remove_container(session);
	}
}

/* ---- while it runs
 * ----------------------------------------------------------------------------------- */

static void on_waited(struct client_call *call, int result, const struct error *err)
{
	struct guest_session *session = session_from(agent_call_finished(call));
	const Grpc__WaitProcessResponse *response =
		(const Grpc__WaitProcessResponse *)call->response;

	if (result < 0) {
		fail(session, "the container's exit code is lost", NULL, err);
		return;
	}
	/* What the guest says becomes our exit code: only what one can be. */
	session->result.exit_code = response->status & 0xff;
	if (session->reader_gone)
		session->result.exit_code = 128 + SIGPIPE;
	session->exited = true;
	tell(session, session->events.exited);
	after_exit(session);
}

static void on_output_finished(struct process_output *output)
{
	struct guest_session *session = output->owner;
	struct error err = ERROR_INIT;

	if (output->error.status) {
		fail(session, "the container's output was cut", NULL, &output->error);
		return;
	}
	if (session->over || !session->out.reported || !session->err.reported)
		return;
	/* The order of the runtimes: output first, then the exit (host-side.md 5.3). */
	agent_call_drop(&session->call);
	if (agent_wait_process(session->client, &session->call, session->id, on_waited, &err) < 0)
		fail(session, "the container's exit code is lost", NULL, &err);
}

static void on_signal_failed(struct process_signals *signals, const struct error *err)
{
	struct guest_session *session = container_of(signals, struct guest_session, signals);

	fail(session, "the agent does not answer", NULL, err);
}

/* Who reads our output has gone: elsewhere SIGPIPE would end the program now. */
static void on_reader_gone(struct process_output *output)
{
	struct guest_session *session = output->owner;

	if (session->reader_gone || session->over)
		return;
	session->reader_gone = true;
	process_signals_send(&session->signals, SIGKILL);
}

static void ask_oom_event(struct guest_session *session);

static void on_oom_pause(struct event_timer *timer)
{
	ask_oom_event(container_of(timer, struct guest_session, oom_pause));
}

static void on_oom_event(struct client_call *call, int result, const struct error *err)
{
	struct guest_session *session =
		container_of(agent_call_finished(call), struct guest_session, oom_call);

	/* Without events there is only no explanation: the run goes on. */
	if (result < 0 || session->over)
		return;
	session->oom_seen =
		str_eq(((const Grpc__OOMEvent *)call->response)->container_id, session->id);
	client_call_release(call);
	/* One of ours is enough. A guest that makes up others does not keep us busy with them. */
	if (!session->oom_seen)
		event_timer_start(session->loop, &session->oom_pause, OOM_PAUSE_MS, on_oom_pause,
			"the next OOM event");
}

static void ask_oom_event(struct guest_session *session)
{
	agent_get_oom_event(session->client, &session->oom_call, on_oom_event, NULL);
}

/* ---- steps up to the start
 * ------------------------------------------------------------------------- */

/*
 * Did looking for the command or executing it fail? The agent's words for it (agent/launch/
 * program.c; "was not found" is Kata's too, agent-api-containers.md 1.4).
 */
static bool is_about_command(const char *text)
{
	if (strstr(text, "hook"))
		return false;
	return strstr(text, "was not found") || strstr(text, "exec ") ||
	       strstr(text, "the program ");
}

static const char *start_advice(const struct error *err, const char *text)
{
	if (err->status == STATUS_DEADLINE_EXCEEDED)
		return "The agent did not get it done in time: is this host overloaded? "
		       "--agent-timeout gives it longer.";
	if (strstr(text, "(type erofs): ENODEV") || strstr(text, "(type overlay): ENODEV"))
		return "The guest's kernel lacks EROFS_FS or OVERLAY_FS (built in, or as modules "
		       "in "
		       "the initrd); kernel-configs/check names what is missing.";
	return "The agent's words name the part of the container that is wrong; --verbose shows "
	       "all "
	       "of the guest's console.";
}

/* 127 and 126 are the shell's codes for a command that is not there or does not run. */
static void fail_start(struct guest_session *session, const char *stage, const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	error_render(err, text, sizeof(text));
	if (err->status == STATUS_UNAVAILABLE || !is_about_command(text)) {
		struct error named = *err;

		if (!strstr(text, session->id))
			error_prefix(&named, "container %s", session->id);
		fail(session, stage, start_advice(err, text), &named);
		return;
	}
	if (strstr(text, "ENOENT")) {
		fail(session, "the command is not in the image",
			"Is its name right? For a script or a dynamic program: is its interpreter "
			"there?",
			err);
		session->failure.exit_code = EXIT_NOT_FOUND;
	} else {
		fail(session, "the command cannot be executed",
			"Is it executable, and built for this architecture?", err);
		session->failure.exit_code = EXIT_NOT_EXECUTABLE;
	}
	session->failure.show_console = false;
}

static bool has_terminal(const struct guest_session *session)
{
	const Grpc__Spec *oci = session->request.container->oci;

	return oci && oci->process && oci->process->terminal;
}

static void on_started(struct client_call *call, int result, const struct error *err)
{
	struct guest_session *session = session_from(agent_call_finished(call));
	struct error why = ERROR_INIT;
	int r;

	if (result < 0) {
		fail_start(session, "the container does not start", err);
		return;
	}
	r = process_output_start(&session->out, session->client, session->id, &why);
	if (r == 0)
		r = process_output_start(&session->err, session->client, session->id, &why);
	if (r == 0)
		r = process_input_start(&session->in, session->loop, session->client, session->id,
			session->request.in_fd, has_terminal(session), &why);
	if (r < 0)
		fail(session, "the container's streams", NULL, &why);
	process_window_start(&session->window, session->client, session->id);
	process_signals_start(&session->signals, session->client, session->id);
	tell(session, session->events.started);
}

static void on_created(struct client_call *call, int result, const struct error *err)
{
	struct guest_session *session = session_from(agent_call_finished(call));
	struct error why = ERROR_INIT;

	if (result < 0) {
		fail_start(session, "the container could not be made", err);
		return;
	}
	session->created = true;
	tell(session, session->events.created);
	ask_oom_event(session);
	agent_call_drop(&session->call);
	if (agent_start_container(session->client, &session->call, session->id, on_started, &why) <
		0)
		fail(session, "the container does not start", NULL, &why);
}

static const char *host_name(const struct session_request *request);

static void on_sandbox(struct client_call *call, int result, const struct error *err)
{
	struct guest_session *session = session_from(agent_call_finished(call));
	struct error why = ERROR_INIT;

	if (result < 0) {
		fail(session, "the sandbox could not be made", NULL, err);
		return;
	}
	tell(session, session->events.ready);
	if (!session->request.container)
		return;
	agent_call_drop(&session->call);
	if (agent_create_container(session->client, &session->call, session->request.container,
		    on_created, &why) < 0)
		fail(session, "the container could not be made", NULL, &why);
}

static int create_sandbox(struct guest_session *session, struct error *err)
{
	return agent_create_sandbox(session->client, &session->call, session->request.sandbox_id,
		host_name(&session->request),
		session->request.net_path ? "nameserver " GUEST_NET_DNS : NULL, on_sandbox, err);
}

static void on_network(struct guest_network *network, int result, const struct error *err)
{
	struct guest_session *session = container_of(network, struct guest_session, network);
	struct error why = ERROR_INIT;

	if (result == 0) {
		result = create_sandbox(session, &why);
		err = &why;
	}
	if (result < 0)
		fail(session, "the network could not be set up", GUEST_NETWORK_ADVICE, err);
}

/* ---- an agent that says nothing any more ---- */

static void on_silence(struct agent_pulse *pulse)
{
	struct guest_session *session = container_of(pulse, struct guest_session, pulse);
	struct error err = ERROR_INIT;

	if (session->exited) {
		/* All that counts is known. */
		finish(session);
		return;
	}
	error_set(&err, STATUS_DEADLINE_EXCEEDED, 0,
		"it has answered nothing for %" PRIu64 " s, container %s is lost",
		session->request.silence_ms / 1000, session->id);
	fail(session, "the agent does not answer any more",
		"The guest hangs, is stopped, or misbehaves: its console may tell. "
		"--agent-timeout gives it longer, 0 for ever.",
		&err);
}

/* ---- start and release
 * ----------------------------------------------------------------------------- */

/* The agent's containers share the sandbox's host name. */
static const char *host_name(const struct session_request *request)
{
	const Grpc__Spec *oci = request->container ? request->container->oci : NULL;

	return oci && !str_empty(oci->hostname) ? oci->hostname : request->sandbox_id;
}

static void init_output(
	struct guest_session *session, struct process_output *output, int fd, const char *method)
{
	process_output_init(output, session->loop, fd, method);
	output->finished = on_output_finished;
	output->reader_gone = on_reader_gone;
	output->owner = session;
}

int guest_session_start(struct guest_session *session, struct event_loop *loop, int fd,
	const struct session_request *request, const struct session_events *events,
	struct error *err)
{
	memset(session, 0, sizeof(*session));
	session->loop = loop;
	session->request = *request;
	session->events = *events;
	if (request->container)
		session->id = request->container->container_id;
	session->signals.failed = on_signal_failed;
	init_output(session, &session->out, request->out_fd, "ReadStdout");
	init_output(session, &session->err, request->err_fd, "ReadStderr");
	/* Who is patient with an agent that says nothing is so with one that takes its time. */
	if (request->silence_ms > AGENT_CALL_TIMEOUT_MS)
		session->call.timeout_ms = session->network.call.timeout_ms = request->silence_ms;
	session->client = ttrpc_client_new(loop, fd, on_closed, session);
	if (!session->client) {
		guest_session_release(session);
		return error_errno(err, ENOMEM, "connection to the agent");
	}
	if (request->container && request->silence_ms)
		agent_pulse_start(
			&session->pulse, loop, session->client, request->silence_ms, on_silence);
	if (!request->net_path)
		return create_sandbox(session, err);
	return guest_network_start(
		&session->network, session->client, request->net_path, on_network, err);
}

void guest_session_end(struct guest_session *session)
{
	if (!session->over && !session->call.active && !session->network.call.active)
		destroy_sandbox(session);
}

void guest_session_signal(struct guest_session *session, int signal)
{
	if (!session->over)
		process_signals_send(&session->signals, signal);
}

void guest_session_resize(struct guest_session *session, uint16_t rows, uint16_t columns)
{
	if (!session->over)
		process_window_resize(&session->window, rows, columns);
}

void guest_session_release(struct guest_session *session)
{
	if (!session->loop)
		return;
	session->over = true;
	event_task_cancel(&session->over_task);
	guest_network_release(&session->network);
	agent_call_drop(&session->call);
	agent_call_drop(&session->oom_call);
	event_timer_stop(&session->oom_pause);
	agent_pulse_release(&session->pulse);
	process_window_release(&session->window);
	process_signals_release(&session->signals);
	process_input_release(&session->in);
	process_output_release(&session->out);
	process_output_release(&session->err);
	ttrpc_client_free(session->client);
	session->client = NULL;
	session->loop = NULL;
}
