/*
 * relay_peer: a process that stands where a VM's hybrid vsock socket stands, for bench_relay: the
 * CONNECT line, then an echo or an endless source, for any number of connections at once. It is as
 * fast as a socket gets, so that what the relay adds is not hidden behind a guest.
 */
#ifndef TESTS_BENCH_RELAY_PEER_H
#define TESTS_BENCH_RELAY_PEER_H

#include <sys/types.h>

#define PEER_ECHO   7  /* answers what it is sent, as it comes */
#define PEER_SOURCE 19 /* sends zeroes until the connection ends */

/* Forks it; it listens at path already when this returns. It dies with its parent. */
pid_t relay_peer_start(const char *path);

#endif
