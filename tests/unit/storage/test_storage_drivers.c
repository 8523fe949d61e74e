/*
 * agent/storage/: what each driver mounts, waits for and refuses, by the whole way of a storage,
 * with real mounts in a namespace of the test's own.
 */
#include "storage/storage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "lib/own_mounts.h"
#include "lib/test_main.h"
#include "unit/storage/storage_probe.h"

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

static const struct CMUnitTest tests[] = {
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
