/*
 * network: the guest's interfaces, routes and neighbours, which all containers share. One call
 * after another, in the order in which they came, each in a helper: the kernel may make whoever
 * changes the network wait, and a device may have to be waited for. Called by
 * service/network_service.
 */
#ifndef SANDBOX_NETWORK_H
#define SANDBOX_NETWORK_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

#include "agent.pb-c.h"

struct sandbox;
struct network_job;

/* Runs once, later, as an event, unless the job is abandoned. err NULL = done. */
typedef void (*network_done_fn)(void *owner, struct network_job *job, const struct error *err);

/*
 * Each takes the arena along (the request lives in it) and frees it after done. Returns 0, or
 * negative with err for a request that is refused: then the arena stays the caller's, done does not
 * run.
 */
int network_update_interface(struct sandbox *sandbox, struct arena *arena,
	const Types__Interface *request, network_done_fn done, void *owner,
	struct network_job **ret, struct error *err);
int network_update_routes(struct sandbox *sandbox, struct arena *arena, const Grpc__Routes *request,
	network_done_fn done, void *owner, struct network_job **ret, struct error *err);
int network_add_neighbors(struct sandbox *sandbox, struct arena *arena,
	const Grpc__ARPNeighbors *request, network_done_fn done, void *owner,
	struct network_job **ret, struct error *err);
int network_list_interfaces(struct sandbox *sandbox, struct arena *arena, network_done_fn done,
	void *owner, struct network_job **ret, struct error *err);
int network_list_routes(struct sandbox *sandbox, struct arena *arena, network_done_fn done,
	void *owner, struct network_job **ret, struct error *err);

/* The packet filter's, by the guest's iptables programs (iptables.h). */
int network_save_rules(struct sandbox *sandbox, struct arena *arena, bool ipv6,
	network_done_fn done, void *owner, struct network_job **ret, struct error *err);
int network_restore_rules(struct sandbox *sandbox, struct arena *arena, bool ipv6,
	const void *rules, size_t len, network_done_fn done, void *owner, struct network_job **ret,
	struct error *err);

/*
 * In done, what the helper has read: of network_list_interfaces(); of _list_routes() and
 * _update_routes(); of _save_rules() and _restore_rules().
 */
int network_job_interfaces(
	struct network_job *job, struct arena *arena, Grpc__Interfaces *to, struct error *err);
int network_job_routes(
	struct network_job *job, struct arena *arena, Grpc__Routes *to, struct error *err);
int network_job_output(
	struct network_job *job, struct arena *arena, ProtobufCBinaryData *to, struct error *err);

/* Who asked is gone. A change that has begun goes on; one that has not is left out. */
void network_job_abandon(struct network_job *job);
/* The end of the agent: done does not run. */
void network_release(struct sandbox *sandbox);

#endif
