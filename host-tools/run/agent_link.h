/*
 * agent_link: the calls that `cradle run` makes, each by name in one line: which service, which
 * messages, which patience. On top of the ttrpc client; used by guest_session, process_output and
 * process_input.
 */
#ifndef RUN_AGENT_LINK_H
#define RUN_AGENT_LINK_H

#include "ttrpc/client.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "memory.pb-c.h"

/* The agent undoes what is not done by then (host-side.md 4.2: what the runtimes wait). */
#define AGENT_CALL_TIMEOUT_MS 60000
/* A signal takes the agent no time: somebody waits for its effect. */
#define AGENT_SIGNAL_TIMEOUT_MS 10000

/* One call under way, with room for nothing else. */
struct agent_call {
	struct client_call call;
	bool active;	     /* started and not yet done */
	uint64_t timeout_ms; /* of calls with an empty answer; 0 = AGENT_CALL_TIMEOUT_MS */
};

/*
 * Each starts the call; done runs later. 0, or negative errno with err (done never runs then).
 * dns: a line of the sandbox's resolv.conf; NULL = it has none.
 */
int agent_create_sandbox(struct ttrpc_client *client, struct agent_call *call, const char *id,
	const char *hostname, const char *dns, client_call_fn done, struct error *err);
/* The network of vm/guest_net.h: its interface on the device at path, and the way out. */
int agent_update_interface(struct ttrpc_client *client, struct agent_call *call, const char *path,
	client_call_fn done, struct error *err);
int agent_update_routes(struct ttrpc_client *client, struct agent_call *call, client_call_fn done,
	struct error *err);
int agent_destroy_sandbox(struct ttrpc_client *client, struct agent_call *call, client_call_fn done,
	struct error *err);
int agent_create_container(struct ttrpc_client *client, struct agent_call *call,
	const Grpc__CreateContainerRequest *request, client_call_fn done, struct error *err);
int agent_start_container(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err);
int agent_remove_container(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err);
int agent_wait_process(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err);
int agent_signal(struct ttrpc_client *client, struct agent_call *call, const char *id, int signal,
	client_call_fn done, struct error *err);
int agent_stats(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err);
int agent_get_oom_event(struct ttrpc_client *client, struct agent_call *call, client_call_fn done,
	struct error *err);
int agent_list_oom_records(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err);
/* Is it there? No time limit. */
int agent_check(struct ttrpc_client *client, struct agent_call *call, client_call_fn done,
	struct error *err);
/* method: ReadStdout or ReadStderr. */
int agent_read(struct ttrpc_client *client, struct agent_call *call, const char *method,
	const char *id, uint32_t len, client_call_fn done, struct error *err);
int agent_write_stdin(struct ttrpc_client *client, struct agent_call *call, const char *id,
	const void *data, size_t len, client_call_fn done, struct error *err);
int agent_resize(struct ttrpc_client *client, struct agent_call *call, const char *id,
	uint32_t rows, uint32_t columns, client_call_fn done, struct error *err);
int agent_close_stdin(struct ttrpc_client *client, struct agent_call *call, const char *id,
	client_call_fn done, struct error *err);

/* First thing in a done callback: marks the call as done. Returns the agent_call. */
struct agent_call *agent_call_finished(struct client_call *call);
/* Cancels what is under way and frees the answer. Accepts zeroed. */
void agent_call_drop(struct agent_call *call);

#endif
