/*
 * agent_fixture: the agent as an ordinary process on a unix socket, in a mount namespace of its own
 * with an empty /run, and a client on it. Used by tests/rpc and tests/edges; needs root. Everything
 * here ends the test program with a message when it fails.
 */
#ifndef TESTS_LIB_AGENT_FIXTURE_H
#define TESTS_LIB_AGENT_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/event_loop.h"
#include "ttrpc/client.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "memory.pb-c.h"

struct agent {
	pid_t pid; /* the agent's, or (vm) of the cradle that holds the VM */
	bool vm;   /* the agent is PID 1 of a guest; containers get their root from its disk */
	struct event_loop *loop;
	struct ttrpc_client *client;
	char socket[108]; /* unix socket path */
	char rootfs[256]; /* a root file system with busybox, shared by all containers of the test
			   */
};

/* What the agent holds: for "nothing stays behind". */
struct agent_census {
	int mounts, fds, children, cgroups, run_entries;
};

void agent_start(struct agent *agent);
/* With more arguments: NULL-terminated words, at most 8. */
void agent_start_with(struct agent *agent, const char *const *arguments);
/*
 * The same for a guest: `cradle run --hold` boots one and keeps it; the client goes through its
 * hybrid-vsock socket. The sandbox is made already. memory as for --memory.
 */
void agent_start_vm(struct agent *agent, const char *memory);
/* With another root file system for its containers: a folder. */
void agent_start_vm_from(struct agent *agent, const char *memory, const char *rootfs);
/* SIGTERM, then waits: exit code 0 is asserted (a sanitizer's finding is not 0). */
void agent_stop(struct agent *agent);
struct ttrpc_client *agent_connect(struct agent *agent);
struct agent_census agent_census(const struct agent *agent);
/* The same when it has not changed for half a second: a helper that is under way has descriptors.
 */
struct agent_census agent_census_at_rest(struct agent *agent);
/* Steps until the census is what it was (an event may still be on its way); fails after 10 s. */
void agent_assert_census(struct agent *agent, const struct agent_census *expected);

/*
 * One call. Returns 0 or the status code; *err (may be NULL) is filled on failure. The response
 * stays valid until the next call of the same `call`; pass a zeroed struct the first time.
 */
int agent_call(struct agent *agent, struct client_call *call, const char *method,
	const void *request, struct error *err);
/* The same when the answer does not matter: asserts success. */
void agent_ok(struct agent *agent, const char *method, const void *request);
/* Asserts that it fails with this code and that the text holds `text`. */
void agent_fails(
	struct agent *agent, const char *method, const void *request, int code, const char *text);
/* Starts a call that may stay open; done is set by the answer. */
struct pending {
	struct client_call call;
	bool done;
	int code; /* 0 or status */
	struct error err;
	unsigned order; /* when it was answered: counts up over all pending calls */
};
void agent_begin(struct agent *agent, struct ttrpc_client *client, struct pending *pending,
	const char *method, const void *request);
void agent_await(struct agent *agent, struct pending *pending); /* fails after 120 s */
void pending_release(struct pending *pending);

/* A container spec that can be changed before it is sent. */
struct test_container {
	Grpc__CreateContainerRequest request;
	Grpc__Spec spec;
	Grpc__Process process;
	Grpc__User user;
	Grpc__LinuxCapabilities capabilities;
	Grpc__Root root;
	Grpc__Linux linux_part;
	Grpc__LinuxNamespace namespaces[5], *namespace_list[5];
	Grpc__Mount mounts[4], *mount_list[4]; /* the fourth is the test's own */
	Grpc__LinuxResources resources;
	Grpc__LinuxMemory memory;
	Grpc__Storage storages[3], *storage_list[3];
	char *args[16], *env[4], *options[4][4], *caps[4], *storage_options[3][4],
		*driver_options[2];
	char paths[6][256], group[192];
};

/* argv: NULL-terminated words, at most 15. */
void container_fill(struct test_container *c, const struct agent *agent, const char *id,
	const char *const *argv);
/* Adds a memory limit in bytes. */
void container_limit(struct test_container *c, int64_t bytes);
void container_send(struct agent *agent, struct test_container *c);
/* Creates and starts `sh -c script`. */
void container_run(struct agent *agent, const char *id, const char *script);
void container_start_id(struct agent *agent, const char *id);
int container_wait(struct agent *agent, const char *id, const char *exec_id);
void container_remove_id(struct agent *agent, const char *id);
/* All of stdout (or stderr) until its end, as a string in a static buffer of 64 KiB. */
const char *container_output(
	struct agent *agent, const char *id, const char *exec_id, bool want_stderr);
/* The next bytes of its stdout, which stays open, begin with this line. */
void container_expect_line(struct agent *agent, const char *id, const char *line);
/* All of text to its stdin. */
void container_write(struct agent *agent, const char *id, const char *exec_id, const char *text);
/* Prints bin/busybox again and again, `total` bytes in all; every byte of it is compared on
 * arrival. */
void container_expect_much_output(struct agent *agent, const char *id, size_t total);
/* create, start, read, wait, remove: output in ret (may be NULL), exit code returned. */
int container_whole(struct agent *agent, const char *id, const char *script, const char **ret);
/* Starts an exec of `sh -c script`; returns 0 or status. */
int container_exec_sh(struct agent *agent, const char *id, const char *exec_id, const char *script,
	struct error *err);

#endif
