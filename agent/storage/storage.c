/*
 * storage: the table of mount points, their states and users; see storage.h. Called by sandbox/.
 * Nothing here sleeps: storage_helper.c does, in a helper.
 */
#include "storage/storage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/helper_process.h"
#include "base/log.h"
#include "base/strings.h"
#include "storage/storage_driver.h"

enum storage_state { STORAGE_MOUNTING, STORAGE_READY, STORAGE_UNMOUNTING, STORAGE_FAILED };

struct storage {
	struct list_node node; /* in the table */
	struct storage_table *table;
	enum storage_state state;
	const struct storage_driver *driver;
	struct storage_kept_request *request; /* owned */
	struct storage_made *made;	      /* owned, shared memory */
	struct helper helper;
	unsigned users;		    /* references, those still waiting included */
	bool stopping;		    /* the mount under way is wanted by nobody any more */
	struct list_node waiting;   /* users whose done is to come: of this mount */
	struct list_node releasing; /* users whose released is to come: the last ones */
	struct error error;	    /* why it failed; state FAILED */
	int result;
	/* Asked for while this one goes: a mount of its own afterwards. */
	struct list_node next_waiting;
	struct storage_kept_request *next_request; /* owned */
	const struct storage_driver *next_driver;
};

/* Only this machine has a channel subsystem (agent-api-guest.md 7.1). */
#ifdef __s390x__
#define BLK_CCW(x) x,
#else
#define BLK_CCW(x)
#endif

/* clang-format off */
static const struct storage_driver *const drivers[] = {
	&storage_blk,
	BLK_CCW(&storage_blk_ccw)
	&storage_ephemeral,
	&storage_overlayfs,
	&storage_virtio_fs,
};
const char *const storage_driver_names[] = {"blk", BLK_CCW("blk-ccw") "ephemeral", "overlayfs", "virtio-fs", NULL};
/* clang-format on */

_Static_assert(ARRAY_SIZE(drivers) + 1 == ARRAY_SIZE(storage_driver_names), "a name per driver");

const struct storage_driver *storage_driver_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

/* ---- telling users
 * -------------------------------------------------------------------------------- */

/* Calls what is due: done(0) for who holds a storage, released for who holds none any more. */
static void deliver(struct event_task *task)
{
	struct storage_table *table = container_of(task, struct storage_table, deliver);

	while (!list_empty(&table->due)) {
		struct storage_user *user = list_entry(table->due.next, struct storage_user, node);
		storage_released_fn released = user->released;

		list_remove(&user->node);
		user->waiting = false;
		if (user->storage) {
			user->done(user, 0, NULL);
		} else if (released) {
			user->released = NULL;
			released(user);
		}
	}
}

static void make_due(struct storage_table *table, struct storage_user *user)
{
	list_remove(&user->node);
	/* Who need not be told of a release may be gone before the event. */
	if (!user->storage && !user->released) {
		user->waiting = false;
		return;
	}
	list_append(&table->due, &user->node);
	event_task_defer(table->loop, &table->deliver, deliver);
}

static void make_all_due(struct storage_table *table, struct list_node *users)
{
	while (!list_empty(users))
		make_due(table, list_entry(users->next, struct storage_user, node));
}

/*
 * done(error) for all of a list. They hold nothing from before the first callback on, so that each
 * may release, acquire anew or vanish; the caller has let go of the storage already.
 */
static void fail_users(struct list_node *users, int result, const struct error *err)
{
	list_for_each (node, users)
		list_entry(node, struct storage_user, node)->storage = NULL;
	while (!list_empty(users)) {
		struct storage_user *user = list_entry(users->next, struct storage_user, node);

		list_remove(&user->node);
		user->waiting = false;
		user->done(user, result, err);
	}
}

/* to must not be in use; from is left empty. How many there are. */
static unsigned move_users(struct list_node *to, struct list_node *from)
{
	unsigned count = 0;

	list_init(to);
	list_for_each_safe (node, from) {
		list_remove(node);
		list_append(to, node);
		count++;
	}
	return count;
}

/* ---- life of a storage
 * ---------------------------------------------------------------------------- */

static int start_mount(struct storage *storage, struct error *err);
static void start_unmount(struct storage *storage);

static void storage_free(struct storage *storage)
{
	list_remove(&storage->node);
	storage->table->count--;
	helper_cancel(&storage->helper);
	storage_kept_request_free(storage->request);
	storage_kept_request_free(storage->next_request);
	if (storage->made)
		munmap(storage->made, sizeof(*storage->made));
	free(storage);
}

static struct storage *storage_new(struct storage_table *table, const struct storage_driver *driver,
	struct storage_kept_request *request)
{
	struct storage *storage = calloc(1, sizeof(*storage));
	void *made;

	if (!storage)
		return NULL;
	made = mmap(NULL, sizeof(*storage->made), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (made == MAP_FAILED) {
		free(storage);
		return NULL;
	}
	storage->made = made;
	storage->table = table;
	storage->driver = driver;
	storage->request = request;
	list_init(&storage->waiting);
	list_init(&storage->releasing);
	list_init(&storage->next_waiting);
	list_append(&table->storages, &storage->node);
	table->count++;
	return storage;
}

static struct storage *find(struct storage_table *table, const char *mount_point)
{
	list_for_each (node, &table->storages) {
		struct storage *storage = list_entry(node, struct storage, node);

		if (str_eq(storage->request->request.mount_point, mount_point))
			return storage;
	}
	return NULL;
}

/* In the helper, on memory of its own but for storage->made. */
static void prepare_mount(struct storage *storage, struct storage_mount *mount)
{
	memset(mount, 0, sizeof(*mount));
	mount->request = &storage->request->request;
	mount->device_timeout_ms = storage->table->device_timeout_ms;
	mount->run_directory = storage->table->run_directory;
	mount->made = storage->made;
}

static int run_mount(void *arg, struct error *err)
{
	struct storage *storage = arg;
	struct storage_mount mount;

	prepare_mount(storage, &mount);
	return storage_do_mount(&mount, storage->driver, err);
}

static int run_unmount(void *arg, struct error *err)
{
	struct storage *storage = arg;
	struct storage_mount mount;

	prepare_mount(storage, &mount);
	return storage_do_unmount(&mount, storage->driver, err);
}

static void on_mounted(struct helper *helper, int result, const struct error *err)
{
	struct storage *storage = container_of(helper, struct storage, helper);

	if (result >= 0 && !storage->stopping) {
		storage->state = STORAGE_READY;
		make_all_due(storage->table, &storage->waiting);
		return;
	}
	/* What a failed or stopped helper has left is found in mountinfo and in storage->made. */
	if (!storage->stopping) {
		storage->state = STORAGE_FAILED;
		storage->result = result;
		storage->error = *err;
		error_prefix(
			&storage->error, "storage %.160s", storage->request->request.mount_point);
	}
	start_unmount(storage);
}

static int start_mount(struct storage *storage, struct error *err)
{
	const struct storage_table *table = storage->table;
	/* The driver's own wait is not to be cut short. */
	uint64_t timeout_ms = STORAGE_HELPER_TIMEOUT_MS + table->device_timeout_ms;

	memset(storage->made, 0, sizeof(*storage->made));
	storage->state = STORAGE_MOUNTING;
	storage->stopping = false;
	return helper_run(table->loop, &storage->helper, run_mount, storage, timeout_ms, on_mounted,
		"storage-mount", err);
}

/* Something has asked for the same mount point while the last mount was on its way out. */
static void mount_next(struct storage *storage)
{
	struct error err = ERROR_INIT;
	struct list_node failed;
	int r;

	storage_kept_request_free(storage->request);
	storage->request = storage->next_request;
	storage->driver = storage->next_driver;
	storage->next_request = NULL;
	storage->users = move_users(&storage->waiting, &storage->next_waiting);
	r = start_mount(storage, &err);
	if (r >= 0)
		return;
	move_users(&failed, &storage->waiting);
	storage_free(storage);
	fail_users(&failed, r, &err);
}

static void log_unmount_failure(const struct storage *storage, const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	log_record(LOG_ERROR, "storage", "unmounting failed, the mount stays", "mount-point",
		storage->request->request.mount_point, "error",
		error_render(err, text, sizeof(text)), NULL);
}

static void unmount_over(struct storage *storage, int result, const struct error *err)
{
	struct storage_table *table = storage->table;
	struct error why = storage->error;
	struct list_node failed;
	int why_result = storage->result;
	bool again = !list_empty(&storage->next_waiting);

	if (result < 0)
		log_unmount_failure(storage, err);
	make_all_due(table, &storage->releasing);
	move_users(&failed, &storage->waiting);
	memset(&storage->error, 0, sizeof(storage->error));
	/* Mounting over what could not be unmounted is refused by the helper, with a reason. */
	if (again)
		mount_next(storage);
	else
		storage_free(storage);
	fail_users(&failed, why_result, &why);
}

static void on_unmounted(struct helper *helper, int result, const struct error *err)
{
	unmount_over(container_of(helper, struct storage, helper), result, err);
}

static void start_unmount(struct storage *storage)
{
	struct error err = ERROR_INIT;
	int r;

	if (storage->state != STORAGE_FAILED)
		storage->state = STORAGE_UNMOUNTING;
	r = helper_run(storage->table->loop, &storage->helper, run_unmount, storage,
		STORAGE_HELPER_TIMEOUT_MS, on_unmounted, "storage-unmount", &err);
	if (r < 0)
		unmount_over(storage, r, &err);
}

/* ---- acquire and release
 * -------------------------------------------------------------------------- */

static int refuse_other(
	const struct storage *storage, const struct storage_request *request, struct error *err)
{
	const struct storage_request *is = &storage->request->request;

	if (storage_same_request(is, request))
		return 0;
	return error_set(err, STATUS_FAILED_PRECONDITION, EBUSY,
		"storage %.160s: is %.30s of %.80s (%.20s) already, not %.30s of %.80s (%.20s)",
		is->mount_point, is->driver, is->source, is->fstype,
		request->driver ? request->driver : "", request->source ? request->source : "",
		request->fstype ? request->fstype : "");
}

/* Joins a storage that exists; takes *kept where it is needed later. */
static int join(struct storage *storage, struct storage_kept_request **kept,
	const struct storage_driver *driver, struct storage_user *user, struct error *err)
{
	bool going = storage->state == STORAGE_UNMOUNTING || storage->state == STORAGE_FAILED ||
		     storage->stopping;

	if (going) {
		/* The first of them says what is mounted next. */
		if (!storage->next_request || list_empty(&storage->next_waiting)) {
			storage_kept_request_free(storage->next_request);
			storage->next_request = take_ptr(*kept);
			storage->next_driver = driver;
		} else if (!storage_same_request(
				   &storage->next_request->request, &(*kept)->request)) {
			return error_set(err, STATUS_FAILED_PRECONDITION, EBUSY,
				"storage %.200s: another source is about to be mounted there",
				(*kept)->request.mount_point);
		}
		list_append(&storage->next_waiting, &user->node);
	} else {
		int r = refuse_other(storage, &(*kept)->request, err);

		if (r < 0)
			return r;
		list_append(&storage->waiting, &user->node);
	}
	user->storage = storage;
	user->waiting = true;
	storage->users++;
	if (storage->state == STORAGE_READY)
		make_due(storage->table, user);
	return 0;
}

static int acquire_new(struct storage_table *table, const struct storage_driver *driver,
	struct storage_kept_request **kept, struct storage_user *user, struct error *err)
{
	struct storage *storage;
	int r;

	if (table->count >= STORAGE_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0,
			"storage %.200s: there are %d storages already",
			(*kept)->request.mount_point, STORAGE_MAX);
	storage = storage_new(table, driver, *kept);
	if (!storage)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "storage %.200s",
			(*kept)->request.mount_point);
	*kept = NULL;
	r = start_mount(storage, err);
	if (r < 0) {
		storage_free(storage);
		return r;
	}
	list_append(&storage->waiting, &user->node);
	user->storage = storage;
	user->waiting = true;
	storage->users = 1;
	return 0;
}

int storage_acquire(struct storage_table *table, const struct storage_request *request,
	struct storage_user *user, struct error *err)
{
	const struct storage_driver *driver = storage_driver_find(request->driver);
	struct storage_kept_request *kept = NULL;
	struct storage *storage;
	int r;

	if (!driver)
		return error_invalid(err, "storage driver \"%.60s\" is not known (for %.200s)",
			request->driver ? request->driver : "",
			request->mount_point ? request->mount_point : "");
	r = storage_keep_request(request, driver, &kept, err);
	if (r < 0)
		return r;
	storage = find(table, kept->request.mount_point);
	r = storage ? join(storage, &kept, driver, user, err)
		    : acquire_new(table, driver, &kept, user, err);
	storage_kept_request_free(kept);
	return r;
}

/* The last user has gone: what happens to the storage, and when the user hears of it. */
static void last_user_gone(struct storage *storage, struct storage_user *user)
{
	bool unmounts = storage->state == STORAGE_READY || storage->state == STORAGE_MOUNTING;

	/* Otherwise it waited for the next mount, or for news of one that failed: nothing is held.
	 */
	if (unmounts && user->released)
		list_append(&storage->releasing, &user->node);
	else
		make_due(storage->table, user);
	switch (storage->state) {
	case STORAGE_READY:
		start_unmount(storage);
		break;
	case STORAGE_MOUNTING:
		if (!storage->stopping) {
			storage->stopping = true;
			/* Its end is an event; only then is there something to undo. */
			child_process_signal(&storage->helper.child, SIGKILL);
		}
		break;
	case STORAGE_UNMOUNTING:
	case STORAGE_FAILED:
		break;
	}
}

void storage_release(struct storage_table *table, struct storage_user *user, bool force,
	storage_released_fn released)
{
	struct storage *storage = user->storage;

	list_remove(&user->node);
	user->storage = NULL;
	user->released = released;
	user->waiting = true;
	if (!storage) {
		make_due(table, user);
		return;
	}
	storage->users--;
	/* Shared ones outlive their users, but not a mount that nobody has seen succeed. */
	if (storage->users > 0 ||
		(storage->request->request.shared && !force && storage->state == STORAGE_READY))
		make_due(table, user);
	else
		last_user_gone(storage, user);
}

/* ---- table
 * ---------------------------------------------------------------------------------------- */

void storage_table_init(struct storage_table *table, struct event_loop *loop,
	const char *run_directory, uint64_t device_timeout_ms)
{
	memset(table, 0, sizeof(*table));
	table->loop = loop;
	table->run_directory = run_directory;
	table->device_timeout_ms = device_timeout_ms;
	list_init(&table->storages);
	list_init(&table->due);
}

void storage_table_release(struct storage_table *table)
{
	event_task_cancel(&table->deliver);
	while (table->storages.next && !list_empty(&table->storages))
		storage_free(list_entry(table->storages.next, struct storage, node));
}
