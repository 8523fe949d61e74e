/*
 * storage_probe: what the tests of the life of storages share: a table of storages in a mount
 * namespace of the test's own, users whose callbacks are counted, and a look at the end whether
 * anything was left behind. Included once by each of those programs.
 */
#ifndef TESTS_UNIT_STORAGE_STORAGE_PROBE_H
#define TESTS_UNIT_STORAGE_STORAGE_PROBE_H

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "lib/own_mounts.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "storage/storage.h"

/* Every test runs on a tmpfs of its own here; paths stay valid where scratch_path() would reuse
 * them. */
static char top[256], shm[300], run[300];

static struct event_loop *loop;
static struct storage_table table;
static int fds_before, mounts_before;

struct probe {
	struct storage_user user;
	int done_calls, released_calls, result;
	struct error err;
};

static void on_done(struct storage_user *user, int result, const struct error *err)
{
	struct probe *probe = container_of(user, struct probe, user);

	probe->done_calls++;
	probe->result = result;
	if (err)
		probe->err = *err;
}

static void on_released(struct storage_user *user)
{
	container_of(user, struct probe, user)->released_calls++;
}

static void drop_log(const char *record, size_t len, void *context)
{
}

static int setup(void **state)
{
	if (!top[0])
		snprintf(top, sizeof(top), "%s", scratch_mkdir("top"));
	assert_int_equal(mount("tmpfs", top, "tmpfs", 0, NULL), 0);
	snprintf(shm, sizeof(shm), "%s/sandbox/shm", top);
	snprintf(run, sizeof(run), "%s/run", top);
	log_set_sink(drop_log, NULL);
	mounts_before = own_mounts_count();
	fds_before = test_count_fds();
	loop = event_loop_new();
	storage_table_init(&table, loop, run, 100);
	return child_reaper_init(loop);
}

static int teardown(void **state)
{
	unsigned left = table.count;
	int children = (int)child_process_count(), mounts = own_mounts_count();

	storage_table_release(&table);
	child_reaper_release();
	event_loop_free(loop);
	if (left || children || mounts != mounts_before || test_count_fds() != fds_before) {
		fprintf(stderr, "# left behind: %u storages, %d children, %d mounts, %d fds\n",
			left, children, mounts - mounts_before, test_count_fds() - fds_before);
		return -1;
	}
	return umount2(top, MNT_DETACH);
}

static inline bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static inline int acquire(struct probe *probe, const struct storage_request *request)
{
	probe->user.done = on_done;
	return storage_acquire(&table, request, &probe->user, &probe->err);
}

static inline void await(const int *counter, int value)
{
	while (*counter < value)
		assert_true(event_loop_step(loop, -1) >= 0);
	assert_int_equal(*counter, value);
}

static inline void release(struct probe *probe, bool force)
{
	int before = probe->released_calls;

	storage_release(&table, &probe->user, force, on_released);
	assert_int_equal(probe->released_calls, before);
	await(&probe->released_calls, before + 1);
}

static inline const char *rendered(const struct probe *probe)
{
	static char text[ERROR_RENDER_MAX];

	return error_render(&probe->err, text, sizeof(text));
}

static char *shm_options[] = {(char *)"noexec", (char *)"nosuid", (char *)"mode=1777",
	(char *)"size=65536", (char *)"nodev"};

static inline struct storage_request shm_request(void)
{
	return (struct storage_request){
		.driver = "ephemeral",
		.source = "shm",
		.fstype = "tmpfs",
		.mount_point = shm,
		.options = shm_options,
		.option_count = ARRAY_SIZE(shm_options),
	};
}

#define STORAGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
