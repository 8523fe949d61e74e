/*
 * container_fixture: a root file system made of busybox-static, an OCI spec to change, and launches
 * that are driven to their end. For tests of launch/; wants root. Whatever a test needs and does
 * not find ends the program with a message.
 */
#ifndef TESTS_UNIT_LAUNCH_CONTAINER_FIXTURE_H
#define TESTS_UNIT_LAUNCH_CONTAINER_FIXTURE_H

#include "base/arena.h"
#include "base/event_loop.h"
#include "launch/launch.h"

#include <stdbool.h>

#define FIXTURE_ROOM 64

/* One process: launched, its output collected. */
struct fixture_process {
	struct launch launch;
	bool created, running, failed, exited;
	struct error error; /* of failed */
	char text[ERROR_RENDER_MAX];
	int out; /* read end of the pipe behind stdout and stderr; -1 with a terminal */
	int in;	 /* write end of stdin, -1 = /dev/null */
	char output[262144];
	size_t output_len;
};

struct container_fixture {
	struct event_loop *loop;
	struct arena arena;
	const char *rootfs; /* absolute path */
	/* The spec; arrays are pointed to by the messages and have room to add to. */
	Grpc__Spec spec;
	Grpc__Process process;
	Grpc__Root root;
	Grpc__Linux linux;
	Grpc__User user;
	Grpc__LinuxCapabilities capabilities;
	char *args[FIXTURE_ROOM], *env[FIXTURE_ROOM], *caps[FIXTURE_ROOM];
	Grpc__Mount *mounts[FIXTURE_ROOM];
	Grpc__LinuxNamespace *namespaces[FIXTURE_ROOM];
	Grpc__POSIXRlimit *rlimits[FIXTURE_ROOM];
	Grpc__LinuxDevice *devices[FIXTURE_ROOM];
	Grpc__Linux__SysctlEntry *sysctls[FIXTURE_ROOM];
	char *masked[FIXTURE_ROOM], *readonly[FIXTURE_ROOM];
	struct launch_config config;
	int cgroup_fd, seccomp_fd;
	struct fixture_process init;
};

/* One loop and reaper per test program; the root is made at the first call (shared by its tests).
 */
void fixture_init(struct container_fixture *f);
void fixture_release(struct container_fixture *f); /* also ends init if it still lives */

/* NULL-terminated words. */
void fixture_args(struct container_fixture *f, ...) __attribute__((sentinel));
/* sh -c text */
void fixture_shell(struct container_fixture *f, const char *text);
void fixture_env(struct container_fixture *f, const char *entry);
/* options: comma-separated. */
Grpc__Mount *fixture_mount(struct container_fixture *f, const char *source, const char *destination,
	const char *type, const char *options);
void fixture_namespace(struct container_fixture *f, const char *type, const char *path);
void fixture_without_namespace(struct container_fixture *f, const char *type);
void fixture_mask(struct container_fixture *f, const char *path);
void fixture_readonly(struct container_fixture *f, const char *path);
void fixture_sysctl(struct container_fixture *f, const char *name, const char *value);
void fixture_rlimit(struct container_fixture *f, const char *type, uint64_t soft, uint64_t hard);
Grpc__LinuxDevice *fixture_device(struct container_fixture *f, const char *path, const char *type,
	int64_t major, int64_t minor);
void fixture_map_ids(struct container_fixture *f, uint32_t host, uint32_t size);
/* Capabilities by name in all five sets (ambient: none). */
void fixture_capabilities(struct container_fixture *f, ...) __attribute__((sentinel));

/* Compiles spec.linux.seccomp into seccomp_fd. */
void fixture_compile_seccomp(struct container_fixture *f);
/* launch_begin() with the fixture's callbacks, and nothing else. */
int fixture_begin(struct container_fixture *f, struct fixture_process *p,
	const struct launch_request *request, struct error *err);
/* Plans and launches up to CREATED; false when it failed (init.text says why). */
bool fixture_create(struct container_fixture *f);
/* Starts what was created and waits for the exec; false when that failed. */
bool fixture_start(struct container_fixture *f, struct fixture_process *p);
/* Waits for the end; the exit status. */
int fixture_wait(struct container_fixture *f, struct fixture_process *p);
/* create, start, wait: the exit status, or -1 when it failed. */
int fixture_run(struct container_fixture *f);
/* Launches f->process into the running container; as fixture_create(). */
bool fixture_exec(struct container_fixture *f, struct fixture_process *p);
void fixture_process_release(struct fixture_process *p);
/* One pass of the loop, reading output. */
void fixture_step(struct container_fixture *f, struct fixture_process *p);

/* Mounts this process sees; to find what was left behind. */
int fixture_count_mounts(void);

#endif
