/*
 * iptables: the guest's packet filter through the guest's own iptables-save and iptables-restore
 * (or ip6tables-...), for the helpers that sandbox/network starts. SLEEPS.
 *
 * Contract: agent-api-guest.md section 8.
 */
#ifndef SANDBOX_IPTABLES_H
#define SANDBOX_IPTABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * What the program writes on standard output goes to fd, IPTABLES_MAX bytes at most. 0, or negative
 * with err: it is not in this guest, or failed, with its own words.
 */
int iptables_save(bool ipv6, int fd, struct error *err);
int iptables_restore(bool ipv6, const void *data, size_t len, int fd, struct error *err);

#endif
