/*
 * method_table: every method of the protocol, found in protobuf-c's descriptors: nothing to keep in
 * step by hand. Used by cradle call. Pure.
 */
#ifndef CALL_METHOD_TABLE_H
#define CALL_METHOD_TABLE_H

#include "base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct method {
	const char *service; /* "grpc.AgentService" */
	const char *name;    /* "CreateContainer" */
	const ProtobufCMessageDescriptor *request, *response;
};

/* The services of proto/, ended by NULL. */
extern const ProtobufCServiceDescriptor *const protocol_services[];

/*
 * Finds a method by "grpc.AgentService/CreateContainer" (also with a leading slash, or a dot
 * instead of the slash), "AgentService.CreateContainer", or "CreateContainer" when only one service
 * has it. 0, or negative with err naming the nearest one or the services to choose from. *ret
 * untouched then.
 */
int method_find(const char *text, struct method *ret, struct error *err);

#endif
