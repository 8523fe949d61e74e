/*
 * service_table: every method of every service this agent knows, one row each: the list that main
 * hands to the ttrpc server. A unit test compares it with proto/: a forgotten row fails `make
 * test`. A row without handler is answered UNIMPLEMENTED.
 */
#ifndef SERVICE_SERVICE_TABLE_H
#define SERVICE_SERVICE_TABLE_H

#include "ttrpc/rpc_call.h"

extern const struct rpc_method service_table[];
extern const size_t service_table_count;

#endif
