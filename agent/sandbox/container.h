/*
 * container: one container: its state, processes, cgroup and storages.
 *
 *   state     meaning                          Start Exec Signal Remove Pause Resume Update
 *   CREATING  steps of container_create run    -     -    -      aborts -     -      -
 *   CREATED   init stands before exec          yes   yes  yes    yes    yes   -      yes
 *   RUNNING   init runs, or is being exec'ed   -     yes  yes    yes    yes   -      yes
 *   PAUSED    its group is told to freeze      -     -    yes    yes    -     yes    yes
 *   STOPPED   init has exited, or never ran    -     -    yes    yes    -     -      -
 *   REMOVING  teardown runs                    -     -    yes    joins  -     -      -
 *
 * container_allows() is that table; a unit test prints it. A second CreateContainer of the id is
 * ALREADY_EXISTS in every state.
 * Owned by the sandbox. Nothing here sleeps: mounts are done by helpers, everything else is kernel
 * memory or an event.
 */
#ifndef SANDBOX_CONTAINER_H
#define SANDBOX_CONTAINER_H

#include <limits.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/helper_process.h"
#include "base/list.h"
#include "base/waiter.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_events.h"
#include "memory/oom_monitor.h"
#include "memory/stall_guard.h"
#include "sandbox/process.h"
#include "storage/storage.h"

#include "agent.pb-c.h"

struct sandbox;

enum container_state {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED,
	CONTAINER_REMOVING,
	CONTAINER_STATE_COUNT,
};

enum container_verb {
	CONTAINER_START,
	CONTAINER_EXEC,
	CONTAINER_SIGNAL,
	CONTAINER_REMOVE,
	CONTAINER_PAUSE,
	CONTAINER_RESUME,
	CONTAINER_UPDATE,
	CONTAINER_VERB_COUNT,
};

struct container_storage {
	struct storage_user user;
	struct container *container; /* whose it is, or NULL and */
	struct sandbox *sandbox;     /* the sandbox's own */
	bool acquired;
};

/* Runs once. err NULL: it worked; else what failed, and everything made so far is undone. */
typedef void (*container_created_fn)(
	void *owner, struct container *container, const struct error *err);

/* Steps of creating, in order; undo runs them backwards from the one reached (container_remove.c).
 */
enum container_step {
	STEP_STORAGES, /* helpers: mounts, in the request's order */
	STEP_SECCOMP,  /* helper: compiled filter in a memfd */
	STEP_CGROUP,   /* group, limits, OOM target */
	STEP_LAUNCH,   /* init stands before exec */
	STEP_DONE,
};

struct container {
	struct list_node node; /* in sandbox->containers */
	struct sandbox *sandbox;
	char *id; /* owned */
	enum container_state state;
	enum container_state paused_from; /* PAUSED: what it was, and will be again */
	enum container_step step;
	struct arena arena; /* the create call's: spec and all, while it is needed */
	const Grpc__CreateContainerRequest *request; /* in the arena; NULL once the spec is: */
	uint8_t *packed_spec;			     /* owned; see container_spec.h */
	size_t packed_len;
	struct container_storage *storages; /* owned */
	size_t storage_count, storage_next;
	struct helper helper; /* the one helper a step or the teardown waits for */
	int seccomp_fd;
	struct cgroup cgroup;
	struct oom_target oom;
	struct stall_guard stall;
	struct list_node processes;
	struct list_node updates;     /* container_update.c's: the first runs, the others wait */
	struct passed_streams passed; /* the host's connections for init, until it is launched */
	struct process *init; /* NULL before launch and after it was collected and drained */

	const struct hook_set *hooks; /* in the arena; NULL before launch */
	struct hook_run *hook_run; /* owned; hooks that run in a helper now (container_hooks.c) */
	void (*started)(
		void *owner, const struct error *err); /* StartContainer's caller, or NULL */
	void *started_owner;

	/* creation */
	container_created_fn created;
	void *created_owner;
	struct error failure; /* why the creation is being undone */

	/* removal */
	struct waiter_list
		removed; /* value 0, or negative errno: removal failed, container stays */
	struct cgroup_watch populated;
	struct event_timer teardown_timer;
	struct event_timer look_again; /* where nothing tells when the group is empty: cgroup v1 */
	unsigned look_again_ms;
	struct event_task task; /* first step of creating; next step of the teardown */
};

/* May the verb be applied in this state? Pure. */
bool container_allows(enum container_state state, enum container_verb verb);
const char *container_state_name(enum container_state state);
/* Text and INTERNAL, as callers know it (agent-api-containers.md 1.4), when it may not. */
int container_check(const struct container *container, enum container_verb verb, struct error *err);

/* First character alphanumeric, at least two, the rest alphanumeric or . - _ (1.1). Pure. */
bool container_id_valid(const char *id);

/*
 * Starts creating; takes the arena (request lives in it), which is left empty. On 0 created() runs
 * later, always as an event; on failure it never does and nothing was made.
 */
int container_create(struct sandbox *sandbox, struct arena *arena,
	const Grpc__CreateContainerRequest *request, container_created_fn created, void *owner,
	struct container **ret, struct error *err);
/* The creator is gone (deadline, connection): undo; created() does not run any more. */
void container_create_abandon(struct container *container);

/*
 * Launches an exec; events arrive at on_event. *ret is in container->processes. Takes the passed
 * connections whatever comes of it.
 */
int container_exec(struct container *container, const char *exec_id, const Grpc__Process *spec,
	struct passed_streams *passed, process_event_fn on_event, void *owner, struct process **ret,
	struct error *err);
/* SIGKILL to everything in the container's group; processes in no group of ours one by one. */
void container_kill_all(struct container *container);
/* Starts the teardown (idempotent); container->removed is woken when it is over and it is freed. */
void container_remove(struct container *container);
/* By exec id; NULL or "" or the container's id mean init. Collected ones only with_collected. */
struct process *container_process(
	struct container *container, const char *exec_id, bool with_collected);
/* By its serial; NULL when it is gone. */
struct process *container_process_by_serial(struct container *container, uintptr_t serial);

/* For process.c: init was reaped. */
void container_init_exited(struct container *container);
/* A process of a container that is being removed has ended: see whether all have. */
void container_teardown_poke(struct container *container);
/* For container_create.c and container_remove.c. */
void container_undo(struct container *container);
void container_free(struct container *container);

#endif
