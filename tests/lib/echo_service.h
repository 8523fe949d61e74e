/*
 * echo_service: a method table for tests of the ttrpc layer: unit tests, and the C side of the
 * interoperation tests. Uses generated messages of health.proto and agent.proto, no agent code.
 *
 * Service "test.Echo":
 *   Version   CheckRequest -> VersionCheckResponse    grpc_version = the request's service
 *   Check     CheckRequest -> HealthCheckResponse     status = SERVING
 *   Empty     CheckRequest -> google.protobuf.Empty
 *   Write     WriteStreamRequest -> ReadStreamResponse  data comes back
 *   Read      ReadStreamRequest -> ReadStreamResponse   len bytes, byte i is i % 251
 *   Metadata  CheckRequest -> VersionCheckResponse    grpc_version = "k=v,k=v"
 *   Park      as Version, but waits until its list is woken
 *   ParkRead  as Read, but waits like Park
 *   AtOnce    as Version; completes the call inside its handler, which then says RPC_PENDING
 *   Delay     as Version after as many milliseconds as its text says
 *   Counters  CheckRequest -> VersionCheckResponse    "parked=N cancelled=N" so far
 *   Fail      CheckRequest: fails with the code its text says, "asked to fail with N", ENOENT
 *   Absent    in the table without a handler
 */
#ifndef TESTS_LIB_ECHO_SERVICE_H
#define TESTS_LIB_ECHO_SERVICE_H

#include "base/event_loop.h"
#include "base/waiter.h"
#include "ttrpc/rpc_call.h"

#define ECHO_SERVICE "test.Echo"

struct echo_service {
	struct event_loop *loop;
	struct waiter_list parked;
	unsigned parked_count; /* calls that have been parked so far */
	unsigned cancelled;    /* cancelled() runs */
	int last_reason;
	unsigned delivered, undelivered; /* sent(true), sent(false); of Park and (Park)Read */
};

extern const struct rpc_method echo_methods[];
extern const size_t echo_method_count;

void echo_service_init(struct echo_service *echo, struct event_loop *loop);

#endif
