/*
 * sandbox: the root object: what exists now. One per agent. Containers, shared namespaces,
 * storages, the OOM monitor, the worker that reads statistics. Owned by main, used by service/.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/list.h"
#include "base/worker_process.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_events.h"
#include "memory/metrics_text.h"
#include "memory/oom_monitor.h"
#include "memory/stall_guard.h"
#include "sandbox/guest_memory.h"
#include "storage/storage.h"

#include "agent.pb-c.h"

struct container;
struct container_storage;
struct sandbox_setup;

struct sandbox_options {
	bool init;		 /* we are PID 1: one parent group, MS_MOVE from an initramfs */
	uint64_t memory_reserve; /* bytes of the guest that containers may not use (PID 1 only) */
	uint32_t oom_window_ms;	 /* oom_monitor_set_window() */
	struct stall_options stall_guard; /* of containers that do not say */
	uint32_t pipe_size;		  /* stdio pipes; 0 = kernel's default */
	const char *passfd_address; /* where the host's stdio connections come in; "" = nowhere */
	const char *run_directory;  /* "/run/kata-containers"; tests may use another */
	uint64_t device_timeout_ms; /* how long storages and network calls wait for a device */
};

struct sandbox {
	struct event_loop *loop;
	struct sandbox_options options;
	struct metrics_boot boot; /* main says it, once it listens */
	bool no_pivot;		  /* "/" is an initramfs */
	bool created;		  /* CreateSandbox has run */
	bool ending;		  /* DestroySandbox was called */
	struct event_timer trim;  /* runs after a container has gone: its memory goes back */
	char id[128];
	char *guest_hook_path; /* CreateSandbox's; owned; NULL = none */
	struct cgroup_root cgroup_root;
	struct cgroup_events *cgroup_events;
	struct oom_monitor *oom;
	struct worker *worker;
	struct guest_memory guest_memory; /* watched when we are PID 1 */
	struct passfd *passfd;		  /* NULL: none is listened for */
	struct storage_table storages;
	struct list_node containers;
	unsigned container_count;
	struct list_node lingering; /* collected processes with unread output, oldest first */
	unsigned lingering_count;
	struct list_node network_jobs; /* calls about the network, the first one runs */
	int ipc_fd, uts_fd, pid_fd;    /* shared namespaces, -1 = none (yet) */
	bool shared_pids; /* CreateSandbox's sandbox_pidns: every container joins pid_fd */
	const struct container *pid_founder; /* whose init is pid_fd's; it ends with that */

	/* CreateSandbox in progress, DestroySandbox in progress */
	struct sandbox_setup *setup;
	struct waiter_list ended; /* DestroySandbox callers */
	struct event_task end_task;
	int end_result;	   /* 0, or negative errno of a container that could not be removed */
	bool releasing;	   /* containers are settled, the sandbox's storages go */
	bool over;	   /* the end has come: ended was woken */
	bool resolv_bound; /* CreateSandbox put a file of ours on /etc/resolv.conf */
	struct container_storage *shared; /* CreateSandbox's storages; owned */
	size_t shared_count;
};

/* 0 or negative errno. Opens the cgroup hierarchy, inotify, forks the worker. */
int sandbox_init(struct sandbox *sandbox, struct event_loop *loop,
	const struct sandbox_options *options, struct error *err);
void sandbox_release(struct sandbox *sandbox);

/*
 * CreateSandbox: clears the run directory (never crossing a mount), makes the shared namespaces,
 * resolv.conf and the sandbox's storages. done runs later, as an event. A second one is refused.
 */
typedef void (*sandbox_created_fn)(void *owner, const struct error *err);
int sandbox_create(struct sandbox *sandbox, struct arena *arena,
	const Grpc__CreateSandboxRequest *request, sandbox_created_fn done, void *owner,
	struct error *err);
/* The creator is gone: done does not run any more (the sandbox goes on being made). */
void sandbox_create_abandon(struct sandbox *sandbox);
/*
 * DestroySandbox: removes every container and the sandbox's own storages, then wakes sandbox->ended
 * with 0, or with the errno of a container that could not be removed (the others are gone all the
 * same). A CreateSandbox that is under way is undone.
 */
int sandbox_destroy(struct sandbox *sandbox, struct error *err);
/* For container_remove.c and sandbox_create.c: a teardown or a set-up is over, one way or another.
 */
void sandbox_progress(struct sandbox *sandbox);
/* For sandbox_create.c: takes the file of ours off /etc/resolv.conf. */
void sandbox_unbind_resolv_conf(struct sandbox *sandbox);

/* NULL when there is none. */
struct container *sandbox_container(struct sandbox *sandbox, const char *id);
/* SIGUSR1: containers, processes, storages, parked calls as log records. */
void sandbox_dump(const struct sandbox *sandbox);

#endif
