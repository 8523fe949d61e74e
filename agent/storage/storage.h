/*
 * storage: what CreateSandbox and CreateContainer ask to have mounted. Mounted once per mount
 * point, users counted; unmounted when the last one has gone. Mounting and unmounting run in
 * helpers (base/helper_process.h): disks and shares may sleep, the loop never does.
 *
 *   state       meaning                              acquire            release of the last user
 *   MOUNTING    a helper mounts it                   joins, waits       helper is stopped, undone
 *   READY       mounted                              done (as event)    UNMOUNTING
 *   UNMOUNTING  a helper unmounts it                 waits, then mounts -
 *   (failed)    users are told, what was half done is undone by mountinfo, then it is forgotten
 *
 * Source: kata-containers src/agent/src/storage/mod.rs; rules in agent-api-guest.md section 7.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/list.h"

#include "agent.pb-c.h"

struct storage; /* one mount point */
struct storage_user;

struct storage_table {
	struct event_loop *loop;
	struct list_node storages;
	unsigned count;
	uint64_t device_timeout_ms; /* how long a driver waits for a device node */
	const char *run_directory;  /* "/run/kata-containers" */
	/* storage.c's own: users whose done or released is due, and what calls them */
	struct list_node due;
	struct event_task deliver;
};

/* err is NULL on success. Always an event, never called inside storage_acquire(). */
typedef void (*storage_done_fn)(struct storage_user *user, int result, const struct error *err);
/* The reference is gone and, if it was the last, the unmount is over (failures are logged). */
typedef void (*storage_released_fn)(struct storage_user *user);

/* One reference, embedded in whoever asked. Zeroed = holds nothing. */
struct storage_user {
	struct list_node node;
	struct storage *storage; /* NULL: holds nothing */
	bool waiting;		 /* done or released is still to come */
	storage_done_fn done;
	storage_released_fn released;
};

/* Borrowed strings, valid during storage_acquire() only (it copies what it keeps). */
struct storage_request {
	const char *driver, *source, *fstype, *mount_point;
	char *const *driver_options;
	size_t driver_option_count;
	char *const *options;
	size_t option_count;
	const Grpc__FSGroup *fs_group; /* or NULL */
	bool shared;		       /* stays mounted until the sandbox ends */
	const char *container_id;      /* NULL for the sandbox's */
};

void storage_table_init(struct storage_table *table, struct event_loop *loop,
	const char *run_directory, uint64_t device_timeout_ms);
/* Forgets everything (the process is about to end); unmounts nothing. */
void storage_table_release(struct storage_table *table);

void storage_request_from(
	struct storage_request *request, const Grpc__Storage *storage, const char *container_id);
/*
 * user->done must be set. 0: done() will come. Negative with err: refused at once (unknown driver,
 * bad options, mount point not absolute), nothing changed.
 */
int storage_acquire(struct storage_table *table, const struct storage_request *request,
	struct storage_user *user, struct error *err);
/*
 * Gives the reference back, or cancels a pending acquire. released (may be NULL) runs later as an
 * event, also when the user holds nothing. `force` unmounts shared ones too (the sandbox ends).
 */
void storage_release(struct storage_table *table, struct storage_user *user, bool force,
	storage_released_fn released);

/* Names for GetGuestDetails, NULL-terminated. */
extern const char *const storage_driver_names[];

#endif
