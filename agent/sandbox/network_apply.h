/*
 * network_apply: carries out what network_plan has made of a call, and reads what there is. All of
 * it SLEEPS: for the helpers that sandbox/network starts. 0 or negative errno with err.
 */
#ifndef SANDBOX_NETWORK_APPLY_H
#define SANDBOX_NETWORK_APPLY_H

#include "sandbox/network_plan.h"

/* timeout_ms: how long a device that is named by its path may take to come. */
int network_apply_interface(
	const struct interface_plan *plan, uint64_t timeout_ms, struct error *err);
/* The first that fails is named, with how many are set; those stay. */
int network_apply_routes(const struct route_plan *plans, size_t count, struct error *err);
int network_apply_neighbors(const struct neighbor_plan *plans, size_t count, struct error *err);

/* What network_read() has written to a file: this, then the arrays. */
struct network_state {
	uint64_t link_count, address_count, route_count;
};
/* Links always, addresses or routes as asked. */
int network_read(int fd, bool addresses, bool routes, struct error *err);

#endif
