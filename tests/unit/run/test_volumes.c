/* volumes: what may be shared, how it is named when it may not, and what an option replaces. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lib/test_main.h"
#include "run/volumes.h"

static struct arena arena;
static struct volumes volumes;
static struct error err;
static char dir[256];

static int begin(void **state)
{
	arena_init(&arena, 1 << 16);
	memset(&volumes, 0, sizeof(volumes));
	err = (struct error)ERROR_INIT;
	if (!dir[0])
		snprintf(dir, sizeof(dir), "%s", scratch_mkdir("dir"));
	return 0;
}

static int end(void **state)
{
	arena_release(&arena);
	return 0;
}

static const char *in_dir(const char *name)
{
	static char paths[4][300];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void add(const char *host, const char *guest, bool read_only)
{
	struct volume volume = {.host = host, .guest = guest, .read_only = read_only};

	assert_int_equal(volumes_add(&volumes, &volume, 1, NULL, &err), 0);
}

static void folders_and_files(void **state)
{
	FILE *file = fopen(in_dir("plain"), "we");

	assert_non_null(file);
	fclose(file);
	assert_int_equal(symlink("plain", in_dir("link")), 0);
	assert_int_equal(chdir(dir), 0);
	add(".", "/a", false);
	add("link", "/b", true);
	if (volumes_look(&volumes, &arena, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(volumes.shares[0].host, dir);
	assert_string_equal(volumes.shares[0].tag, "volume0");
	assert_false(volumes.shares[0].file || volumes.shares[0].read_only);
	assert_string_equal(volumes.shares[1].host, in_dir("plain"));
	assert_string_equal(volumes.shares[1].tag, "volume1");
	assert_true(volumes.shares[1].file && volumes.shares[1].read_only);
}

static void refuse(const char *host, const char *naming)
{
	memset(&volumes, 0, sizeof(volumes));
	add(host, "/g", true);
	assert_true(volumes_look(&volumes, &arena, &err) < 0);
	if (!strstr(err.text, naming) || !strstr(err.text, "--volume ") ||
		!strstr(err.text, ":/g:ro"))
		fail_msg("%s", err.text);
}

/* For a VM without a container: a tag in the place of the path. */
static void by_its_tag(void **state)
{
	char good[PATH_MAX], text[64];
	static const char *const bad[] = {
		"/h:/g", "/h:", ":tag", "/h", "/h:a-b", "/h:a b", "/h:abcdefghijklmnop", "/h::ro"};

	snprintf(good, sizeof(good), "%s:abcdefghijklmno:ro", dir);
	assert_int_equal(volume_parse_tag(good, &volumes.list[0], &err), 0);
	volumes.count = 1;
	add(dir, "/g", false);
	if (volumes_look(&volumes, &arena, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(volumes.shares[0].host, dir);
	assert_string_equal(volumes.shares[0].tag, "abcdefghijklmno");
	assert_true(volumes.shares[0].read_only);
	assert_string_equal(volumes.shares[1].tag, "volume1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		assert_true(volume_parse_tag(text, &volumes.list[0], &err) < 0);
	}
}

static void what_cannot_be_shared(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	refuse(in_dir("nothing"), "/nothing");
	assert_int_equal(err.errnum, ENOENT);
	refuse("/dev/null", "the host kernel's");
	refuse("/proc/self", "the host kernel's");
	refuse("/sys", "the host kernel's");
	/* By where it leads, not by its name. */
	assert_int_equal(symlink("/proc", in_dir("innocent")), 0);
	refuse(in_dir("innocent"), "/proc is the host kernel's");
	assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
	refuse(in_dir("pipe"), "a named pipe");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_dir("socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	refuse(in_dir("socket"), "a socket");
	close(fd);
	assert_false(volume_is_of_the_kernel("/processes"));
	assert_false(volume_is_of_the_kernel("/srv/proc"));
}

static void the_same_place_twice(void **state)
{
	add(dir, "/g", false);
	add("/", "/g", false);
	assert_true(volumes_look(&volumes, &arena, &err) < 0);
	assert_non_null(strstr(err.text, "both to be at /g"));
}

/* Of a bundle's mounts on /g, whatever they are, nothing stays; the others do. */
static void an_option_replaces_a_bundles_mount(void **state)
{
	Grpc__Mount bind = GRPC__MOUNT__INIT, tmpfs = GRPC__MOUNT__INIT, other = GRPC__MOUNT__INIT;
	Grpc__Mount *mounts[] = {&bind, &tmpfs, &other};
	Grpc__Spec spec = GRPC__SPEC__INIT;
	struct volume given = {.host = dir, .guest = "/g"};

	bind.destination = tmpfs.destination = (char *)"/g";
	other.destination = (char *)"/other";
	spec.mounts = mounts;
	spec.n_mounts = 3;
	volumes.list[0] = (struct volume){.host = "/x", .guest = "/other", .mount = &other};
	volumes.list[1] = (struct volume){.host = "/y", .guest = "/g", .mount = &bind};
	volumes.count = 2;
	assert_int_equal(volumes_add(&volumes, &given, 1, &spec, &err), 0);
	assert_int_equal(spec.n_mounts, 1);
	assert_ptr_equal(spec.mounts[0], &other);
	assert_int_equal(volumes.count, 2);
	assert_string_equal(volumes.list[0].host, "/x");
	assert_string_equal(volumes.list[1].host, dir);
	assert_null(volumes.list[1].mount);
	/* Errors of the bundle's are told as the bundle's. */
	assert_true(volumes_look(&volumes, &arena, &err) < 0);
	assert_non_null(
		strstr(err.text, "config.json: mounts: /other is a bind of the host's '/x'"));
}

static void no_more_than_there_may_be(void **state)
{
	struct volume given = {.host = dir, .guest = "/one-more"};
	char guests[VOLUMES_MAX][8];

	for (unsigned i = 0; i < VOLUMES_MAX; i++) {
		snprintf(guests[i], sizeof(guests[i]), "/g%u", i);
		add(dir, guests[i], false);
	}
	assert_true(volumes_add(&volumes, &given, 1, NULL, &err) < 0);
	assert_non_null(strstr(err.text, "/one-more: a VM has at most 16"));
	assert_int_equal(volumes.count, VOLUMES_MAX);
}

#define VOLUMES_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
static const struct CMUnitTest tests[] = {
	VOLUMES_TEST(folders_and_files),
	VOLUMES_TEST(by_its_tag),
	VOLUMES_TEST(what_cannot_be_shared),
	VOLUMES_TEST(the_same_place_twice),
	VOLUMES_TEST(an_option_replaces_a_bundles_mount),
	VOLUMES_TEST(no_more_than_there_may_be),
};

TEST_MAIN(tests)
