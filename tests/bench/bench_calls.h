/*
 * bench_calls: what the bench asks an agent for, timed. Used by bench_guest (in the guest, over a
 * unix socket) and bench_host (over the vsock device), so that both send the same bytes.
 * Every call that fails ends the program with a message: a bench has nothing to go on with.
 */
#ifndef TESTS_BENCH_BENCH_CALLS_H
#define TESTS_BENCH_BENCH_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event_loop.h"
#include "ttrpc/client.h"

#define BENCH_ROOTFS  "/bench/rootfs"	       /* in the guest: the root of all containers */
#define BENCH_SOCKET  "/run/cradle-bench.sock" /* the agent's second address */
#define BENCH_PORT    6000		       /* bench_guest takes orders there */
#define BENCH_BARE    6001		       /* bare_vsock: echo, sink, source */
#define AGENT_PORT    1024
#define BENCH_TRIPS   20 /* round trips a sample round */
#define BENCH_STEPS   4	 /* create, start, wait, remove */
#define SECCOMP_RULES 300
#define BENCH_LIMIT   16777216	   /* bytes, of a container that is killed for it */
#define BENCH_CLOCK   "/oom-clock" /* in BENCH_ROOTFS: oom_hog writes the time there */

struct bench_agent {
	struct event_loop *loop;
	struct ttrpc_client *client;
};

/* Which container: crun's bundle, the bare floor and the agent's request are the same. */
enum bench_kind { BENCH_PLAIN = 0, BENCH_SECCOMP = 1, BENCH_STORAGES = 2, BENCH_LIMITED = 3 };

/* How the guest got to its listening agent, as that tells (GetMetrics): microseconds. */
struct bench_boot {
	double kernel, modules, agent;
};

void bench_die(const char *what, const char *why) __attribute__((noreturn));
double bench_now_us(void);
/* Dials until it is answered, at most 120 s; address as for address_parse(). */
int bench_dial(const char *address);
void bench_connect(struct bench_agent *agent, const char *address);

/* Create, start, wait and remove `true`: microseconds of each. */
void bench_container(struct bench_agent *agent, enum bench_kind kind, double us[BENCH_STEPS]);
/* Exec of `true` in a running container until its exit is known. */
double bench_exec(struct bench_agent *agent, const char *id);
double bench_stats(struct bench_agent *agent, const char *id);
double bench_health(struct bench_agent *agent);
void bench_boot(struct bench_agent *agent, struct bench_boot *boot);
/* A container with a limit of BENCH_LIMIT that runs oom_hog until that is killed. */
void bench_oom(struct bench_agent *agent);
/* A container that sleeps; and its end. */
void bench_hold(struct bench_agent *agent, const char *id);
void bench_drop(struct bench_agent *agent, const char *id);
/*
 * Starts a container that prints, reads all of it with so many reads under way; us[i] is how long
 * segment i took. The bytes are counted and looked at.
 */
void bench_read(struct bench_agent *agent, unsigned in_flight, uint64_t segment_bytes,
	size_t segments, double *us);

/* The profile's system calls, by name: SECCOMP_RULES of them. Docker's has about as many. */
const char *const *bench_seccomp_names(void);

#endif
