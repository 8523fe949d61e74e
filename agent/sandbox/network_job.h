/* network_job: one call on its way through the queue; shared by network.c and network_reply.c. */
#ifndef SANDBOX_NETWORK_JOB_H
#define SANDBOX_NETWORK_JOB_H

#include "base/helper_process.h"
#include "base/list.h"
#include "sandbox/network.h"
#include "sandbox/network_plan.h"

enum network_kind {
	NETWORK_INTERFACE,
	NETWORK_ROUTES,
	NETWORK_NEIGHBORS,
	NETWORK_LIST_INTERFACES,
	NETWORK_LIST_ROUTES,
	NETWORK_SAVE_RULES,
	NETWORK_RESTORE_RULES,
};

struct network_job {
	struct list_node node; /* in sandbox->network_jobs; the first is the one that runs */
	struct sandbox *sandbox;
	enum network_kind kind;
	struct arena arena;
	struct interface_plan interface; /* by kind, one of these */
	struct route_plan *routes;
	struct neighbor_plan *neighbors;
	size_t count;	   /* of routes or neighbors; bytes of rules */
	const void *rules; /* to restore */
	bool ipv6;	   /* whose rules */
	struct helper helper;
	int memfd; /* what the helper has read (network_apply.h) */
	network_done_fn done;
	void *owner;
};

#endif
