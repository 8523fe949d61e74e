/*
 * vm_address: an agent's address as people give it to a subcommand: one of base/socket.h's, or the
 * name of a VM that `cradle vm start` made. Called by call, relay, stats and oom.
 */
#ifndef VMS_VM_ADDRESS_H
#define VMS_VM_ADDRESS_H

#include "base/error.h"
#include "base/socket.h"

/* 0, or negative errno with err: no address, no such VM, one that is dead. */
int vm_address_parse(const char *text, struct address *ret, struct error *err);

#endif
