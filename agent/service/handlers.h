/*
 * handlers: what each *_service.c gives to service_table.c. A handler checks the request, calls
 * sandbox/, fills the response; its contract (0, RPC_PENDING, negative) is in ttrpc/rpc_call.h. The
 * context of every call is the struct sandbox.
 */
#ifndef SERVICE_HANDLERS_H
#define SERVICE_HANDLERS_H

#include "ttrpc/rpc_call.h"

struct container;
struct process;
struct sandbox;

#define HANDLER(name) int handle_##name(struct rpc_call *call, void *context, struct error *err)

HANDLER(health_check);
HANDLER(health_version);
HANDLER(create_sandbox);
HANDLER(destroy_sandbox);
HANDLER(get_guest_details);
HANDLER(create_container);
HANDLER(start_container);
HANDLER(remove_container);
HANDLER(stats_container);
HANDLER(update_container);
HANDLER(pause_container);
HANDLER(resume_container);
HANDLER(exec_process);
HANDLER(signal_process);
HANDLER(wait_process);
HANDLER(write_stdin);
HANDLER(close_stdin);
HANDLER(read_stdout);
HANDLER(read_stderr);
HANDLER(tty_win_resize);
HANDLER(get_diagnostic_data);
HANDLER(remove_stale_share_mounts);
HANDLER(copy_file);
HANDLER(online_cpu_mem);
HANDLER(update_ephemeral_mounts);
HANDLER(set_policy);
HANDLER(update_interface);
HANDLER(update_routes);
HANDLER(list_interfaces);
HANDLER(list_routes);
HANDLER(add_arp_neighbors);
HANDLER(get_iptables);
HANDLER(set_iptables);
HANDLER(get_oom_event);
HANDLER(list_oom_records);
HANDLER(wait_oom_record);
HANDLER(get_memory_state);
HANDLER(watch_pressure);
HANDLER(get_metrics);

/*
 * Look-ups with the codes callers match (agent-api-containers.md 1.4): the container with `status`
 * when it is unknown, the process with NOT_FOUND. NULL with err filled.
 */
struct container *find_container(
	struct sandbox *sandbox, const char *id, enum status_code status, struct error *err);
struct process *find_process(struct sandbox *sandbox, const char *id, const char *exec_id,
	bool with_collected, struct error *err);
/* Told once DestroySandbox has been answered (or its caller is gone). main sets it. */
void sandbox_service_set_end(void (*end)(void *context), void *context);

#endif
