/* Tests agent/kernel/capability.c. The process under test is a forked child; wants root. */
#include "kernel/capability.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lib/test_main.h"

static void test_names(void **state)
{
	static const struct {
		const char *word;
		int number;
	} cases[] = {
		{"CAP_CHOWN", 0},
		{"CHOWN", 0},
		{"chown", 0},
		{"cap_sys_admin", 21},
		{"\"CAP_NET_RAW\"", 13},
		{"\"KILL\"", 5},
		{"CAP_CHECKPOINT_RESTORE", 40},
		{"CAP_", -EINVAL},
		{"", -EINVAL},
		{"\"", -EINVAL},
		{"\"\"", -EINVAL},
		{"CHOWN ", -EINVAL},
		{"CAP_CAP_CHOWN", -EINVAL},
		{"41", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (capability_parse(cases[i].word) != cases[i].number)
			fail_msg("%s: %d", cases[i].word, capability_parse(cases[i].word));
	for (int i = 0; capability_name(i); i++)
		assert_int_equal(capability_parse(capability_name(i)), i);
	assert_null(capability_name(41));
	assert_null(capability_name(-1));
}

static void test_format(void **state)
{
	char text[64], small[10];

	assert_string_equal(capability_format(0, text, sizeof(text)), "");
	assert_string_equal(capability_format(0x2001, text, sizeof(text)), "CAP_CHOWN,CAP_NET_RAW");
	assert_true(strlen(capability_format(UINT64_MAX, small, sizeof(small))) < sizeof(small));
}

/* Runs fn in a child; it returns the number of the check that failed, 0 for none. */
static void in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool status_has(const char *line)
{
	char text[8192];

	return file_read("/proc/self/status", text, sizeof(text)) > 0 && strstr(text, line);
}

static int set_all(void)
{
	struct capability_sets sets = {.permitted = 0x2003, .effective = 1, .inheritable = 0x2001};
	struct error err = ERROR_INIT;

	if (capability_bound(0x2001, &err) < 0 || !status_has("CapBnd:\t0000000000002001"))
		return 1;
	/* Once more: those that are gone need no dropping. */
	if (capability_bound(0x2001, &err) < 0)
		return 2;
	if (capability_set(&sets, &err) < 0 || !status_has("CapPrm:\t0000000000002003") ||
		!status_has("CapEff:\t0000000000000001") ||
		!status_has("CapInh:\t0000000000002001"))
		return 3;
	if (capability_set_ambient(0x2000, &err) < 0 || !status_has("CapAmb:\t0000000000002000"))
		return 4;
	if (capability_set_ambient(0, &err) < 0 || !status_has("CapAmb:\t0000000000000000"))
		return 5;
	return 0;
}

static void test_sets(void **state)
{
	in_child(set_all);
}

static int failures(void)
{
	struct capability_sets sets = {.permitted = 1, .effective = 1};
	struct error err = ERROR_INIT;

	if (capability_set(&sets, &err) < 0)
		return 1;
	/* What is gone does not come back, and CAP_SETPCAP is gone too. */
	sets.permitted = 3;
	if (capability_set(&sets, &err) != -EPERM || !strstr(err.text, "capset"))
		return 2;
	if (capability_bound(1, &err) != -EPERM || !strstr(err.text, "drop CAP_DAC_OVERRIDE"))
		return 3;
	if (capability_set_ambient(2, &err) != -EPERM || !strstr(err.text, "CAP_DAC_OVERRIDE"))
		return 4;
	return 0;
}

static void test_failures(void **state)
{
	in_child(failures);
}

static void test_get(void **state)
{
	struct capability_sets sets;
	struct error err = ERROR_INIT;

	assert_int_equal(capability_get(&sets, &err), 0);
	assert_true(sets.effective & CAPABILITY_BIT(21));
	assert_true((capability_kernel_set() & 0xff) == 0xff);
	assert_false(capability_kernel_set() & CAPABILITY_BIT(63));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_names),
	cmocka_unit_test(test_format),
	cmocka_unit_test(test_sets),
	cmocka_unit_test(test_failures),
	cmocka_unit_test(test_get),
};

TEST_MAIN(tests)
