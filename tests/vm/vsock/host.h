/*
 * host: what the parts of the vsock device's VM test share. host.c: the checks; host_clients.c:
 * what a client does with its connection, in a process of its own; host_vm.c: QEMU, the loop,
 * dials.
 */
#ifndef TESTS_VM_VSOCK_HOST_H
#define TESTS_VM_VSOCK_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/event_loop.h"
#include "vsock/vsock_device.h"

#define MIB	 (1024 * 1024)
#define DEADLINE 120 /* seconds for one check: TCG on a shared machine */

/* host.c */
extern unsigned scale;	    /* 1, or more in a soak: how much more of everything */
extern unsigned soak_round; /* which of a soak's transfers */

/* host_vm.c */
extern struct event_loop *loop;
extern struct vsock_device *dev;
extern unsigned ready_count, gone_count, checks, failures;

void check(bool good, const char *what, const char *detail);
double now(void);
/* Steps the loop until *flag, at most `seconds`. */
bool wait_for(const unsigned *flag, unsigned at_least, double seconds);
int dial(uint32_t port);	   /* a connected blocking descriptor, or a negative errno */
int dial_patiently(uint32_t port); /* until the guest's server is up */
int connect_unix(const char *path);

typedef int (*client_fn)(int fd);
/* Runs fn in a child; closes fd here. */
pid_t start_client(client_fn fn, int fd);
bool join_client(pid_t pid); /* true when fn returned 0 */
/* Dials, runs, joins: one check. mib: for its rate, 0 = none. */
void run(const char *what, uint32_t port, client_fn fn, double mib);

struct vm {
	const char *kernel, *initrd;
	const char *memory;  /* "256M" */
	const char *backend; /* "memory-backend-memfd"; NULL is that */
	const char *device;  /* further properties, from a comma on; NULL = none */
	const char *socket;  /* NULL = vhost.sock */
};
pid_t start_qemu(const struct vm *vm);
void end_qemu(pid_t pid); /* kills it */
/* Its exit code within DEADLINE while the loop runs; -1 when it goes on, or was killed. */
int qemu_exit_code(pid_t pid);
/* One command; true once QEMU has answered it, meanwhile the loop runs (it serves QEMU). */
bool qmp(const char *command);
bool console_has(const char *text);
/* A folder of its own, gone at the end: sockets, and the console for a failed run. */
void enter_folder(void);
void leave_folder(void);

/* host_clients.c: each returns 0 when good, else the number of what went wrong */
int client_echo(int fd);
int client_up(int fd);
int client_down(int fd);
int client_both(int fd);
int client_half_by_host(int fd);
int client_half_by_guest(int fd);
int client_small(int fd);
int client_never(int fd);
int client_slow_reader(int fd);
int client_write_and_close(int fd);
int client_flood(int fd);
int client_dial_refused(int fd);
int client_dial_flood(int fd);
int client_dial_accepted(int fd);
int client_hybrid(int fd);
int client_hybrid_refused(int fd);
int client_piece(int fd);
int client_random(int fd);

#endif
