/* agent/boot/boot_modules.c: the list's parser on hostile text; order; what happens on failure. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "boot/boot_modules.h"
#include "lib/test_main.h"

static void test_parser(void **state)
{
	const char *text = "# comment\n\n  /a.ko\n/b.ko x=1  y=2 \t\r\n\t\n/c.ko";
	struct boot_module m;

	assert_int_equal(boot_modules_next(&text, &m), 1);
	assert_string_equal(m.path, "/a.ko");
	assert_string_equal(m.parameters, "");
	assert_int_equal(boot_modules_next(&text, &m), 1);
	assert_string_equal(m.path, "/b.ko");
	assert_string_equal(m.parameters, "x=1  y=2");
	assert_int_equal(boot_modules_next(&text, &m), 1);
	assert_string_equal(m.path, "/c.ko");
	assert_int_equal(boot_modules_next(&text, &m), 0);
	assert_int_equal(boot_modules_next(&text, &m), 0);
}

static void test_bad_lines_are_skipped(void **state)
{
	char text[2048], path[301], parameters[301];
	const char *rest = text;
	struct boot_module m;

	memset(path, 'p', sizeof(path));
	memset(parameters, 'q', sizeof(parameters));
	path[300] = parameters[300] = '\0';
	snprintf(text, sizeof(text),
		"relative.ko\n/lib/../etc/x.ko\n/..\n/%s\n/x.ko %s\n/good.ko\n", path, parameters);
	for (int i = 0; i < 5; i++)
		assert_int_equal(boot_modules_next(&rest, &m), -EINVAL);
	assert_int_equal(boot_modules_next(&rest, &m), 1);
	assert_string_equal(m.path, "/good.ko");
	assert_int_equal(boot_modules_next(&rest, &m), 0);
}

static void test_longest_that_fits(void **state)
{
	char text[512];
	const char *rest = text;
	struct boot_module m;

	memset(text, 'a', sizeof(text));
	text[0] = '/';
	text[255] = ' ';
	text[511] = '\0';
	assert_int_equal(boot_modules_next(&rest, &m), 1);
	assert_int_equal(strlen(m.path), 255);
	assert_int_equal(strlen(m.parameters), 255);
}

struct loads {
	char order[256];
	const char *fails, *loaded_already;
};

static int fake_load(const struct boot_module *module, void *context)
{
	struct loads *loads = context;
	size_t len = strlen(loads->order);

	snprintf(loads->order + len, sizeof(loads->order) - len, "%s ", module->path);
	if (str_eq(module->path, loads->fails))
		return -ENOEXEC;
	if (str_eq(module->path, loads->loaded_already))
		return -EEXIST;
	return 0;
}

static char logged[8192];

static void keep_log(const char *record, size_t len, void *context)
{
	size_t have = strlen(logged);

	snprintf(logged + have, sizeof(logged) - have, "%.*s", (int)len, record);
}

static void test_load(void **state)
{
	char path[] = "/tmp/test_boot_modules.XXXXXX";
	static const char list[] = "/one.ko\n/two.ko\nbad\n/three.ko\n";
	struct loads loads = {.fails = "/two.ko", .loaded_already = "/three.ko"};
	struct boot_modules_result result;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, list, sizeof(list) - 1), sizeof(list) - 1);
	close(fd);
	log_set_sink(keep_log, NULL);
	result = boot_modules_load(path, "", fake_load, &loads);
	log_set_sink(NULL, NULL);
	unlink(path);
	assert_string_equal(loads.order, "/one.ko /two.ko /three.ko ");
	assert_int_equal(result.loaded, 2);
	assert_int_equal(result.failed, 2);
	assert_non_null(strstr(logged, "/two.ko"));
	assert_non_null(strstr(logged, "ENOEXEC"));
}

static bool named(const char *path, const char *names)
{
	struct boot_module m = {.parameters = ""};

	str_copy(m.path, sizeof(m.path), path);
	return boot_modules_named(&m, names);
}

static void test_names(void **state)
{
	assert_true(named("/lib/modules/fuse.ko", "fuse"));
	assert_true(named("/lib/modules/virtio_net.ko", "fuse,virtio-net"));
	assert_true(named("/lib/modules/virtio-net.ko.xz", "x,virtio_net,y"));
	assert_false(named("/lib/modules/fuse.ko", ""));
	assert_false(named("/lib/modules/fuse.ko", "fus,fusee,e"));
	assert_false(named("/lib/fuse/other.ko", "fuse"));
	assert_false(named("/lib/modules/.ko", ",,"));
	assert_false(named("/lib/modules/", ",,"));
}

static void test_skipped(void **state)
{
	char path[] = "/tmp/test_boot_modules.XXXXXX";
	static const char list[] = "/m/one.ko\n/m/two.ko a=b\n/m/three.ko\n";
	struct loads loads = {.fails = ""};
	struct boot_modules_result result;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, list, sizeof(list) - 1), sizeof(list) - 1);
	close(fd);
	result = boot_modules_load(path, "two,one", fake_load, &loads);
	unlink(path);
	assert_string_equal(loads.order, "/m/three.ko ");
	assert_int_equal(result.loaded, 1);
	assert_int_equal(result.skipped, 2);
	assert_int_equal(result.failed, 0);
}

static void test_no_list(void **state)
{
	struct loads loads = {""};
	struct boot_modules_result result =
		boot_modules_load("/nowhere/list", "", fake_load, &loads);

	assert_int_equal(result.loaded + result.failed, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_parser),
	cmocka_unit_test(test_bad_lines_are_skipped),
	cmocka_unit_test(test_longest_that_fits),
	cmocka_unit_test(test_load),
	cmocka_unit_test(test_names),
	cmocka_unit_test(test_skipped),
	cmocka_unit_test(test_no_list),
};
TEST_MAIN(tests)
