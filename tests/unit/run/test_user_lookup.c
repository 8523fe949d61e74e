/* user_lookup: names and numbers against the image's own passwd and group. */
#include <string.h>

#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "run/user_lookup.h"

static char passwd[256], group[256];

static int set_up(void **state)
{
	str_copy(passwd, sizeof(passwd),
		scratch_file("passwd", "root:x:0:0:root:/root:/bin/sh\n"
				       "bad line\n"
				       "web:x:33:34::/var/www:/bin/false\n"
				       "odd:x:50:50::relative:/bin/sh\n"));
	str_copy(group, sizeof(group),
		scratch_file("group", "root:x:0:\nweb:x:34:\nadm:x:4:root,web\nvideo:x:44:web\n"));
	return 0;
}

static void expect(const char *wanted, uint32_t uid, uint32_t gid, const char *home)
{
	struct error err = ERROR_INIT;
	struct user_identity who;

	assert_int_equal(user_lookup(wanted, passwd, group, &who, &err), 0);
	assert_int_equal(who.uid, uid);
	assert_int_equal(who.gid, gid);
	assert_string_equal(who.home, home);
}

static void names_and_numbers(void **state)
{
	expect(NULL, 0, 0, "/root");
	expect("web", 33, 34, "/var/www");
	expect("33", 33, 34, "/var/www");
	expect("33:7", 33, 7, "/var/www");
	expect("web:video", 33, 44, "/var/www");
	expect("4000", 4000, 0, "/");
	expect("4000:4001", 4000, 4001, "/");
	expect("odd", 50, 50, "/");
}

static void supplementary_groups_without_an_explicit_one(void **state)
{
	struct error err = ERROR_INIT;
	struct user_identity who;

	assert_int_equal(user_lookup("web", passwd, group, &who, &err), 0);
	assert_int_equal(who.group_count, 2);
	assert_int_equal(who.groups[0], 4);
	assert_int_equal(who.groups[1], 44);
	assert_int_equal(user_lookup("web:web", passwd, group, &who, &err), 0);
	assert_int_equal(who.group_count, 0);
}

static void refuse(const char *wanted, const char *naming)
{
	struct user_identity who = {.uid = 123};
	struct error err = ERROR_INIT;

	assert_true(user_lookup(wanted, passwd, group, &who, &err) < 0);
	assert_non_null(strstr(err.text, naming));
	assert_int_equal(who.uid, 123);
}

static void unknown_ones_are_named(void **state)
{
	refuse("nobody", "'nobody'");
	refuse("web:nogroup", "'nogroup'");
	refuse("", "USER:GROUP");
	refuse(":5", "USER:GROUP");
	refuse("5:", "USER:GROUP");
	refuse("-1", "'-1'");
}

static void no_files_know_numbers_only(void **state)
{
	struct error err = ERROR_INIT;
	struct user_identity who;

	assert_int_equal(user_lookup("5:6", "/nonexistent", "/nonexistent", &who, &err), 0);
	assert_int_equal(who.uid, 5);
	assert_int_equal(who.gid, 6);
	assert_true(user_lookup("root", "/nonexistent", "/nonexistent", &who, &err) < 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(names_and_numbers, set_up),
	cmocka_unit_test_setup(supplementary_groups_without_an_explicit_one, set_up),
	cmocka_unit_test_setup(unknown_ones_are_named, set_up),
	cmocka_unit_test(no_files_know_numbers_only),
};

TEST_MAIN(tests)
