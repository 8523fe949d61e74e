/*
 * agent/storage/: the life of storages, with real mounts in a namespace of the test's own: mounted
 * once, counted, undone without a trace. What each driver does: test_storage_drivers.c.
 */
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "lib/own_mounts.h"
#include "lib/test_main.h"
#include "unit/storage/storage_probe.h"

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
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	own_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
