/*
 * agent/storage/: the life of storages, with real mounts in a namespace of the test's own: mounted
 * once, counted, undone without a trace.
 */
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "hard_limits.h"
#include "lib/own_mounts.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

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

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int acquire(struct probe *probe, const struct storage_request *request)
{
	probe->user.done = on_done;
	return storage_acquire(&table, request, &probe->user, &probe->err);
}

static void await(const int *counter, int value)
{
	while (*counter < value)
		assert_true(event_loop_step(loop, -1) >= 0);
	assert_int_equal(*counter, value);
}

static void release(struct probe *probe, bool force)
{
	int before = probe->released_calls;

	storage_release(&table, &probe->user, force, on_released);
	assert_int_equal(probe->released_calls, before);
	await(&probe->released_calls, before + 1);
}

static const char *rendered(const struct probe *probe)
{
	static char text[ERROR_RENDER_MAX];

	return error_render(&probe->err, text, sizeof(text));
}

static char *shm_options[] = {(char *)"noexec", (char *)"nosuid", (char *)"mode=1777",
	(char *)"size=65536", (char *)"nodev"};

static struct storage_request shm_request(void)
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

/* ---- counting -------------------------------------------------------------------------------- */

static void test_mounted_once_and_counted(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0}, b = {0}, c = {0};

	assert_int_equal(acquire(&a, &request), 0);
	assert_int_equal(acquire(&b, &request), 0); /* while it is being mounted */
	await(&a.done_calls, 1);
	await(&b.done_calls, 1);
	assert_int_equal(a.result, 0);
	assert_int_equal(b.result, 0);
	assert_int_equal(own_mounts_count(), mounts_before + 1);
	assert_int_equal(acquire(&c, &request), 0); /* when it is ready */
	assert_int_equal(c.done_calls, 0);	    /* an event, also then */
	await(&c.done_calls, 1);
	assert_int_equal(own_mounts_count(), mounts_before + 1);
	assert_int_equal(table.count, 1);

	release(&b, false);
	release(&a, false);
	assert_non_null(own_mounts_at(shm));
	release(&c, false);
	assert_null(own_mounts_at(shm));
	assert_int_equal(table.count, 0);
	assert_false(exists(shm));
	assert_int_equal(a.done_calls + b.done_calls + c.done_calls, 3);
}

static void test_same_place_under_another_name(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0}, b = {0};
	char again[400];

	assert_int_equal(acquire(&a, &request), 0);
	snprintf(again, sizeof(again), "/%s/sandbox/.//./shm/", top);
	request.mount_point = again;
	assert_int_equal(acquire(&b, &request), 0);
	await(&b.done_calls, 1);
	assert_int_equal(own_mounts_count(), mounts_before + 1);
	release(&a, false);
	release(&b, false);
}

static void test_another_source_is_refused(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0}, b = {0};

	assert_int_equal(acquire(&a, &request), 0);
	request.source = "other";
	assert_int_equal(acquire(&b, &request), -EBUSY);
	assert_non_null(strstr(rendered(&b), "other"));
	assert_null(b.user.storage);
	await(&a.done_calls, 1);
	release(&a, false);
}

static void test_shared_outlives_its_users(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0};

	request.shared = true;
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	release(&a, false);
	assert_non_null(own_mounts_at(shm));
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 2);
	release(&a, true);
	assert_null(own_mounts_at(shm));
}

static void test_asked_for_while_it_goes(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0}, b = {0}, c = {0};

	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	storage_release(&table, &a.user, false, on_released);
	request.source = "another"; /* a mount of its own, so it may differ */
	assert_int_equal(acquire(&b, &request), 0);
	assert_int_equal(acquire(&c, &request), 0);
	await(&b.done_calls, 1);
	await(&c.done_calls, 1);
	assert_int_equal(a.released_calls, 1);
	assert_int_equal(b.result, 0);
	assert_non_null(strstr(own_mounts_at(shm), "tmpfs another"));
	assert_int_equal(own_mounts_count(), mounts_before + 1);
	release(&b, false);
	assert_non_null(own_mounts_at(shm));
	release(&c, false);
}

static void test_given_up_while_being_mounted(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0}, b = {0};

	assert_int_equal(acquire(&a, &request), 0);
	release(&a, false);
	assert_int_equal(a.done_calls, 0);
	assert_int_equal(table.count, 0);
	assert_null(own_mounts_at(shm));
	assert_false(exists(shm));

	/* One of two gives up: the other gets it. */
	assert_int_equal(acquire(&a, &request), 0);
	assert_int_equal(acquire(&b, &request), 0);
	release(&a, false);
	await(&b.done_calls, 1);
	assert_int_equal(b.result, 0);
	/* It gives up before it was told: never told. */
	assert_int_equal(acquire(&a, &request), 0);
	release(&a, false);
	assert_int_equal(a.done_calls, 0);
	release(&b, false);
}

static void test_given_up_and_asked_for_again(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0}, b = {0};

	assert_int_equal(acquire(&a, &request), 0);
	storage_release(&table, &a.user, false, on_released);
	assert_int_equal(acquire(&b, &request), 0);
	await(&b.done_calls, 1);
	assert_int_equal(b.result, 0);
	assert_int_equal(a.released_calls, 1);
	assert_int_equal(a.done_calls, 0);
	release(&b, false);
}

static void test_release_of_nothing_is_an_event(void **state)
{
	struct probe a = {0};

	release(&a, false);
	storage_release(&table, &a.user, true, NULL);
	assert_false(a.user.waiting);
}

/* ---- failure --------------------------------------------------------------------------------- */

/* Sharp edge g19: a storage that failed must not look mounted to the next who asks. */
static void test_failure_leaves_nothing(void **state)
{
	char *bad[] = {(char *)"size=banana"};
	struct storage_request request = shm_request();
	struct probe a = {0}, b = {0}, c = {0};

	request.options = bad;
	request.option_count = 1;
	assert_int_equal(acquire(&a, &request), 0);
	assert_int_equal(acquire(&b, &request), 0);
	await(&a.done_calls, 1);
	await(&b.done_calls, 1);
	assert_int_equal(a.result, -EINVAL);
	assert_int_equal(b.result, -EINVAL);
	assert_non_null(strstr(rendered(&a), shm));
	assert_non_null(strstr(rendered(&a), "size=banana"));
	assert_non_null(strstr(rendered(&a), "EINVAL"));
	assert_int_equal(table.count, 0);
	assert_int_equal(own_mounts_count(), mounts_before);
	assert_false(exists(shm));
	assert_null(a.user.storage);

	request = shm_request();
	assert_int_equal(acquire(&c, &request), 0);
	await(&c.done_calls, 1);
	assert_int_equal(c.result, 0);
	assert_non_null(own_mounts_at(shm));
	release(&c, false);
}

static struct probe retry;

static void retry_at_once(struct storage_user *user, int result, const struct error *err)
{
	struct storage_request request = shm_request();

	on_done(user, result, err);
	assert_int_equal(acquire(&retry, &request), 0);
}

static void test_retry_from_the_callback(void **state)
{
	char *bad[] = {(char *)"size=banana"};
	struct storage_request request = shm_request();
	struct probe a = {.user.done = retry_at_once};

	memset(&retry, 0, sizeof(retry));
	request.options = bad;
	request.option_count = 1;
	assert_int_equal(storage_acquire(&table, &request, &a.user, &a.err), 0);
	await(&retry.done_calls, 1);
	assert_int_equal(retry.result, 0);
	release(&retry, false);
}

static void test_refused_at_once(void **state)
{
	static const char *const points[] = {
		"", "relative", "/", "//", "/.", "/a/../b", "/..", NULL};
	char *fsgid[] = {(char *)"fsgid=x"}, *encrypted[] = {(char *)"encryption_key=ephemeral"};
	struct storage_request request = shm_request();
	struct probe a = {0};
	char longest[PATH_MAX + 2];

	request.driver = "9p-or-so";
	assert_true(acquire(&a, &request) < 0);
	assert_non_null(strstr(rendered(&a), "9p-or-so"));
	request.driver = NULL;
	assert_true(acquire(&a, &request) < 0);
	request = shm_request();
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		request.mount_point = points[i];
		assert_true(acquire(&a, &request) < 0);
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	request.mount_point = longest;
	assert_int_equal(acquire(&a, &request), -ENAMETOOLONG);
	request = shm_request();
	request.fstype = "ext4";
	assert_true(acquire(&a, &request) < 0);
	request = shm_request();
	request.options = fsgid;
	request.option_count = 1;
	assert_true(acquire(&a, &request) < 0);
	request = shm_request();
	request.driver = "blk";
	assert_true(acquire(&a, &request) < 0); /* "shm" is no disk */
	request.source = "/dev/../etc";
	assert_true(acquire(&a, &request) < 0);
	request.source = "/dev/vda";
	request.driver_options = encrypted;
	request.driver_option_count = 1;
	assert_true(acquire(&a, &request) < 0);
	assert_non_null(strstr(rendered(&a), "encryption_key"));
	assert_null(a.user.storage);
	assert_int_equal(table.count, 0);
}

static void test_too_many_words(void **state)
{
	size_t count = STORAGE_REQUEST_MAX / 8;
	char **words = calloc(count, sizeof(*words));
	struct storage_request request = shm_request();
	struct probe a = {0};

	for (size_t i = 0; i < count; i++)
		words[i] = (char *)"a=123456";
	request.options = words;
	request.option_count = count;
	assert_true(acquire(&a, &request) < 0);
	/* Fewer, but still more than a mount takes: fails in the helper, with nothing left. */
	request.option_count = 600;
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_int_equal(a.result, -E2BIG);
	free(words);
}

static void test_link_in_the_way(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0};
	char elsewhere[300], link[300], point[400];

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", top);
	snprintf(link, sizeof(link), "%s/link", top);
	snprintf(point, sizeof(point), "%s/new/deep", link);
	assert_int_equal(mkdir(elsewhere, 0755), 0);
	assert_int_equal(symlink(elsewhere, link), 0);
	request.mount_point = point;
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_true(a.result < 0);
	assert_non_null(strstr(rendered(&a), "link"));
	snprintf(point, sizeof(point), "%s/new", elsewhere);
	assert_false(exists(point));
}

/* A mount that is not ours is neither taken for ours nor unmounted. */
static void test_foreign_mount_is_left_alone(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0};
	char foreign[300];

	snprintf(foreign, sizeof(foreign), "%s/foreign", top);
	assert_int_equal(mkdir(foreign, 0755), 0);
	assert_int_equal(mount("foreign", foreign, "tmpfs", 0, NULL), 0);
	request.mount_point = foreign;
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_int_equal(a.result, -EBUSY);
	assert_non_null(strstr(own_mounts_at(foreign), "tmpfs foreign"));
	assert_int_equal(umount(foreign), 0);
	assert_true(exists(foreign));
}

static void test_directory_that_was_there_stays(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0};
	char parent[300];

	snprintf(parent, sizeof(parent), "%s/sandbox", top);
	assert_int_equal(mkdir(parent, 0755), 0);
	assert_int_equal(mkdir(shm, 0755), 0);
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	release(&a, false);
	assert_true(exists(shm));
}

/* Somebody is still inside: unmounted from the tree all the same. */
static void test_busy(void **state)
{
	struct storage_request request = shm_request();
	struct probe a = {0};
	int inside;

	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	inside = open(shm, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(inside >= 0);
	release(&a, false);
	close(inside);
	assert_null(own_mounts_at(shm));
	assert_false(exists(shm));
}

/* ---- drivers --------------------------------------------------------------------------------- */

/* Sharp edge g11: the first mount has every option that was asked for. */
static void test_ephemeral_keeps_its_options(void **state)
{
	char *options[] = {(char *)"noexec,nosuid", (char *)"nodev", (char *)"size=65536",
		(char *)"mode=0700", (char *)"fsgid=0"};
	struct storage_request request = shm_request();
	struct probe a = {0};
	const char *is;
	struct stat st;

	if (own_mounts_all_ids())
		options[4] = (char *)"fsgid=4321";
	options[0] = (char *)"noexec";
	request.options = options;
	request.option_count = ARRAY_SIZE(options);
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_int_equal(a.result, 0);
	is = own_mounts_at(shm);
	assert_non_null(is);
	assert_non_null(strstr(is, "noexec"));
	assert_non_null(strstr(is, "nodev"));
	assert_non_null(strstr(is, "size=64k"));
	assert_int_equal(stat(shm, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02700);
	assert_int_equal(st.st_gid, own_mounts_all_ids() ? 4321 : 0);
	release(&a, false);
}

static void test_hugetlbfs_wants_sizes(void **state)
{
	char *bad[][2] = {{(char *)"pagesize=2097152", (char *)""},
		{(char *)"size=4194304", (char *)""}, {(char *)"pagesize=3", (char *)"size=9"},
		{(char *)"pagesize=2097152", (char *)"size=1"}};
	struct storage_request request = shm_request();
	struct probe a = {0};

	request.fstype = "hugetlbfs";
	request.option_count = 2;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		request.options = bad[i];
		assert_true(acquire(&a, &request) < 0);
		assert_non_null(strstr(rendered(&a), "hugetlbfs"));
	}
}

static void make_file(const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fclose(f);
}

static void test_overlayfs(void **state)
{
	char lower[300], upper[400], work[400], merged[300], path[500];
	char o1[450], o2[450], o3[450], d1[500], d2[500];
	char *options[] = {o1, o2, o3, (char *)"io.katacontainers.whatever=1", (char *)"X-kata.a"};
	char *driver_options[] = {d1, d2, (char *)"other=1"};
	struct storage_request request = {.driver = "overlayfs",
		.source = "overlay",
		.fstype = "overlay",
		.mount_point = merged,
		.options = options,
		.option_count = ARRAY_SIZE(options),
		.driver_options = driver_options,
		.driver_option_count = ARRAY_SIZE(driver_options)};
	struct probe a = {0};

	snprintf(lower, sizeof(lower), "%s/lower", top);
	snprintf(merged, sizeof(merged), "%s/merged", top);
	snprintf(upper, sizeof(upper), "%s/rw/upper", top);
	snprintf(work, sizeof(work), "%s/rw/work", top);
	snprintf(o1, sizeof(o1), "lowerdir=%s", lower);
	snprintf(o2, sizeof(o2), "upperdir=%s", upper);
	snprintf(o3, sizeof(o3), "workdir=%s", work);
	snprintf(d1, sizeof(d1), "io.katacontainers.volume.overlayfs.create_directory=%s", upper);
	snprintf(d2, sizeof(d2), "io.katacontainers.volume.overlayfs.create_directory=%s", work);
	assert_int_equal(mkdir(lower, 0755), 0);
	snprintf(path, sizeof(path), "%s/from-lower", lower);
	make_file(path);

	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_int_equal(a.result, 0);
	snprintf(path, sizeof(path), "%s/from-lower", merged);
	assert_true(exists(path));
	snprintf(path, sizeof(path), "%s/written", merged);
	make_file(path);
	snprintf(path, sizeof(path), "%s/written", upper);
	assert_true(exists(path));
	release(&a, false);
	/* What was made for it goes with it, what was written included; the layer stays. */
	snprintf(path, sizeof(path), "%s/rw", top);
	assert_false(exists(path));
	assert_false(exists(merged));
	assert_true(exists(lower));
}

/* Sharp edge g8: overlay-rw works, and its words do not reach the kernel. */
static void test_overlay_rw(void **state)
{
	char lower[300], merged[300], path[500], option[400];
	char *options[] = {option, (char *)"io.katacontainers.fs-opt.overlay-rw"};
	struct storage_request request = {.driver = "overlayfs",
		.source = "none",
		.fstype = "whatever",
		.mount_point = merged,
		.options = options,
		.option_count = 2};
	struct probe a = {0};

	snprintf(lower, sizeof(lower), "%s/lower", top);
	snprintf(merged, sizeof(merged), "%s/merged", top);
	snprintf(option, sizeof(option), "lowerdir=%s", lower);
	assert_int_equal(mkdir(lower, 0755), 0);
	assert_true(acquire(&a, &request) < 0); /* no container */
	request.container_id = "../x";
	assert_true(acquire(&a, &request) < 0);
	request.container_id = "c1";
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_int_equal(a.result, 0);
	snprintf(path, sizeof(path), "%s/written", merged);
	make_file(path);
	snprintf(path, sizeof(path), "%s/c1/upper/written", run);
	assert_true(exists(path));
	release(&a, false);
	assert_false(exists(run));
}

static void test_overlayfs_failure_removes_its_directories(void **state)
{
	char merged[300], path[400], option[500];
	char *options[] = {(char *)"lowerdir=/nowhere/at/all"}, *driver_options[] = {option};
	struct storage_request request = {.driver = "overlayfs",
		.source = "overlay",
		.fstype = "overlay",
		.mount_point = merged,
		.options = options,
		.option_count = 1,
		.driver_options = driver_options,
		.driver_option_count = 1};
	struct probe a = {0};

	snprintf(merged, sizeof(merged), "%s/merged", top);
	snprintf(option, sizeof(option),
		"io.katacontainers.volume.overlayfs.create_directory=%s/a/b", top);
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_true(a.result < 0);
	snprintf(path, sizeof(path), "%s/a", top);
	assert_false(exists(path));
	assert_false(exists(merged));
}

static struct storage_request blk_request(const char *source)
{
	return (struct storage_request){
		.driver = "blk", .source = source, .fstype = "erofs", .mount_point = shm};
}

static void test_blk_wants_a_block_node(void **state)
{
	struct storage_request request = blk_request("/dev/null");
	struct probe a = {0};

	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_int_equal(a.result, -ENOTBLK);
	/* A directory's type has the block type's bit as well (sharp edge g9). */
	request = blk_request("/dev/fd/..");
	assert_true(acquire(&a, &request) < 0);
	request = blk_request("/dev/pts");
	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 2);
	assert_int_equal(a.result, -ENOTBLK);
	/* Refused by the driver: mount(2) has not even been asked. */
	assert_non_null(strstr(rendered(&a), "storage blk: look at /dev/pts"));
}

static void test_blk_times_out(void **state)
{
	struct storage_request request = blk_request("/dev/no-such-disk");
	struct probe a = {0}, b = {0};

	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_int_equal(a.result, -ETIMEDOUT);
	assert_int_equal(a.err.status, STATUS_DEADLINE_EXCEEDED);
	assert_non_null(strstr(rendered(&a), "/dev/no-such-disk"));
	assert_non_null(strstr(rendered(&a), "Timeout after"));
	/* A PCI path at which nothing sits. */
	request = blk_request("1f.7/1f.6/1f.5");
	assert_int_equal(acquire(&b, &request), 0);
	await(&b.done_calls, 1);
	assert_int_equal(b.result, -ETIMEDOUT);
	assert_false(exists(shm));
}

/* The node comes late: its appearing ends the wait, long before the timeout. */
static void test_blk_waits_for_its_node(void **state)
{
	struct storage_request request = blk_request("/dev/late-disk");
	struct probe a = {0};

	assert_int_equal(mount("tmpfs", "/dev", "tmpfs", 0, NULL), 0);
	table.device_timeout_ms = 3600 * 1000;
	assert_int_equal(acquire(&a, &request), 0);
	/* Whether the helper has looked already or not, both ways must work. */
	event_loop_step(loop, 20);
	make_file("/dev/late-disk");
	await(&a.done_calls, 1);
	assert_int_equal(a.result, -ENOTBLK);
	assert_int_equal(umount2("/dev", MNT_DETACH), 0);
}

/* Giving up does not wait for the device either. */
static void test_blk_given_up(void **state)
{
	struct storage_request request = blk_request("/dev/no-such-disk");
	struct probe a = {0};

	table.device_timeout_ms = 3600 * 1000;
	assert_int_equal(acquire(&a, &request), 0);
	event_loop_step(loop, 20);
	release(&a, false);
	assert_int_equal(table.count, 0);
}

static void test_driver_names(void **state)
{
	struct storage_request request = {.mount_point = "relative"};
	struct probe a = {0};
	size_t count = 0;

	for (; storage_driver_names[count]; count++) {
		request.driver = storage_driver_names[count];
		assert_true(acquire(&a, &request) < 0);
		assert_null(strstr(rendered(&a), "is not known"));
	}
	assert_int_equal(count, 4);
}

static struct storage_request share_request(void)
{
	return (struct storage_request){
		.driver = "virtio-fs",
		.source = "kataShared",
		.fstype = "virtiofs",
		.mount_point = shm,
	};
}

/* What can be seen to be no share is refused before anything is made; Kata's own forms are not. */
static void test_virtio_fs_checks(void **state)
{
	static const char *const good[] = {"nodev", "ro", "dax", "dax=inode", "X-kata.x", "", NULL};
	static const char *const bad[] = {"bind", "remount", "shared", "rootmode=40000", "fd=3",
		"user_id=0", "dax,fd=3", "dax=", "loop", NULL};
	struct storage_request request = share_request();
	struct probe a = {0};
	char *word;

	request.options = &word;
	request.option_count = 1;
	for (size_t i = 0; bad[i]; i++) {
		word = (char *)bad[i];
		assert_true(acquire(&a, &request) < 0);
		assert_non_null(strstr(rendered(&a), "share kataShared"));
		assert_non_null(strstr(rendered(&a), bad[i]));
	}
	request = share_request();
	request.fstype = "ext4";
	assert_true(acquire(&a, &request) < 0);
	assert_non_null(strstr(rendered(&a), "\"ext4\""));
	request.fstype = "";
	request.source = "";
	assert_true(acquire(&a, &request) < 0);
	request.source = "a-tag-of-thirty-seven-bytes-one-more.";
	assert_true(acquire(&a, &request) < 0);
	assert_non_null(strstr(rendered(&a), "a-tag-of-thirty-seven-bytes-one-more."));
	assert_int_equal(table.count, 0);
	request = share_request();
	request.options = &word;
	request.option_count = 1;
	for (size_t i = 0; good[i]; i++) {
		word = (char *)good[i];
		assert_int_equal(acquire(&a, &request), 0);
		await(&a.done_calls, (int)i + 1);
		release(&a, false);
	}
}

/* A mount that fails says which share, and leaves nothing. This kernel may or may not know them. */
static void test_virtio_fs_fails(void **state)
{
	struct storage_request request = share_request();
	struct probe a = {0};

	assert_int_equal(acquire(&a, &request), 0);
	await(&a.done_calls, 1);
	assert_true(a.result == -ENODEV || a.result == -EINVAL);
	assert_non_null(strstr(rendered(&a),
		a.result == -ENODEV ? "the guest's kernel has no virtiofs"
				    : "this VM has no share with the tag kataShared"));
	assert_non_null(strstr(rendered(&a), "mount kataShared on"));
	assert_false(exists(shm));
	assert_int_equal(table.count, 0);
}

#define STORAGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	STORAGE_TEST(test_mounted_once_and_counted),
	STORAGE_TEST(test_same_place_under_another_name),
	STORAGE_TEST(test_another_source_is_refused),
	STORAGE_TEST(test_shared_outlives_its_users),
	STORAGE_TEST(test_asked_for_while_it_goes),
	STORAGE_TEST(test_given_up_while_being_mounted),
	STORAGE_TEST(test_given_up_and_asked_for_again),
	STORAGE_TEST(test_release_of_nothing_is_an_event),
	STORAGE_TEST(test_failure_leaves_nothing),
	STORAGE_TEST(test_retry_from_the_callback),
	STORAGE_TEST(test_refused_at_once),
	STORAGE_TEST(test_too_many_words),
	STORAGE_TEST(test_link_in_the_way),
	STORAGE_TEST(test_foreign_mount_is_left_alone),
	STORAGE_TEST(test_directory_that_was_there_stays),
	STORAGE_TEST(test_busy),
	STORAGE_TEST(test_ephemeral_keeps_its_options),
	STORAGE_TEST(test_hugetlbfs_wants_sizes),
	STORAGE_TEST(test_overlayfs),
	STORAGE_TEST(test_overlay_rw),
	STORAGE_TEST(test_overlayfs_failure_removes_its_directories),
	STORAGE_TEST(test_blk_wants_a_block_node),
	STORAGE_TEST(test_blk_times_out),
	STORAGE_TEST(test_blk_waits_for_its_node),
	STORAGE_TEST(test_blk_given_up),
	STORAGE_TEST(test_driver_names),
	STORAGE_TEST(test_virtio_fs_checks),
	STORAGE_TEST(test_virtio_fs_fails),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	own_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
